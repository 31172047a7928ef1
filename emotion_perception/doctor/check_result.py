"""What a check found, as text and as json. Nothing here needs more than Python."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

OK, WARNING, PROBLEM = 'ok', 'warning', 'problem'


@dataclass(frozen=True)
class CheckResult:
    """
    What one check found.

    Attributes:
        name: of what was checked.
        status: ok; warning, where it works but should be looked at, or is not there and may be meant so;
            problem, where it does not work.
        text: what was found.
        do: what mends it; empty where nothing is to be done.
        values: the figures and names in the text, for programs.

    """

    name: str
    status: str
    text: str
    do: str = ''
    values: dict[str, Any] = field(default_factory=dict)

    def lines(self) -> str:
        """Return it for people: one line, and one for what to do."""
        line = f'  {self.status:<8} {self.name:<16} {self.text}'
        return f'{line}\n{"":<28}-> {self.do}' if self.do else line


Check = tuple[str, Callable[[], 'CheckResult | list[CheckResult]']]
"""Name of a check, and what makes it."""


def run_check(check: Check) -> list[CheckResult]:
    """Return what a check finds; one that fails itself is a problem, and the others still run."""
    name, look = check
    try:
        found = look()
    except Exception as error:
        found = CheckResult(
            name,
            PROBLEM,
            f'the check itself failed: {type(error).__name__}: {error}',
            'mend the problems above first; report this if there are none',
        )
    return found if isinstance(found, list) else [found]


def summary(findings: Iterable[CheckResult]) -> dict[str, Any]:
    """Return everything as what json can hold."""
    findings = list(findings)
    counts = {
        status: sum(finding.status == status for finding in findings)
        for status in (OK, WARNING, PROBLEM)
    }
    return {**counts, 'checks': [asdict(finding) for finding in findings]}


def last_line(findings: Iterable[CheckResult]) -> str:
    """Return the counts for people."""
    counts = summary(findings)
    return ', '.join(
        f'{counts[status]} {status}{"s" if counts[status] != 1 and status != OK else ""}'
        for status in (PROBLEM, WARNING, OK)
    )
