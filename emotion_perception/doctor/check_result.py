# SPDX-License-Identifier: Apache-2.0
"""The result of a check, as text and as JSON; needs nothing but Python."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

OK, WARNING, PROBLEM = 'ok', 'warning', 'problem'


@dataclass(frozen=True)
class CheckResult:
    """
    Result of one check.

    Attributes:
        name: what was checked.
        status: `OK`; `WARNING` if it works with limits, is optional or could not be checked;
            `PROBLEM` if it does not work.
        text: what was found.
        advice: how to fix it; empty if there is nothing to do.
        values: the numbers and names of the text, for programs.

    """

    name: str
    status: str
    text: str
    advice: str = ''
    values: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return one line, and a second one with the advice."""
        line = f'  {self.status:<8} {self.name:<16} {self.text}'
        return f'{line}\n{"":<28}-> {self.advice}' if self.advice else line


Check = tuple[str, Callable[[], CheckResult | list[CheckResult]]]
"""Name of a check and the function that makes it."""


def run_check(check: Check) -> list[CheckResult]:
    """Return the results of a check; an exception in it is one result, a problem."""
    name, function = check
    try:
        results = function()
    except Exception as error:
        text = f'the check itself failed: {type(error).__name__}: {error}'
        advice = 'fix the problems above first; if there are none, please report this'
        results = CheckResult(name, PROBLEM, text, advice)
    return results if isinstance(results, list) else [results]


def summarize(results: Iterable[CheckResult]) -> dict[str, Any]:
    """Return the number of results with each status, and all results, for JSON."""
    results = list(results)
    counts = {
        status: sum(result.status == status for result in results)
        for status in (OK, WARNING, PROBLEM)
    }
    return {**counts, 'checks': [asdict(result) for result in results]}


def summary_line(results: Iterable[CheckResult]) -> str:
    """Return the number of results with each status as text."""
    counts = summarize(results)
    problems, warnings = (
        f'{counts[status]} {status}{"s" * (counts[status] != 1)}' for status in (PROBLEM, WARNING)
    )
    return f'{problems}, {warnings}, {counts[OK]} ok'
