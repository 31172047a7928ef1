"""Tables for the documents."""

from collections.abc import Sequence


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [f'| {" | ".join(heading)} |', '|' + '---|' * len(heading)]
    return lines + [f'| {" | ".join(row)} |' for row in rows]


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share as per cent without the sign; nothing for None."""
    return '' if value is None else f'{100 * value:.{digits}f}'
