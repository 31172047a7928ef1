"""What goes wrong with recordings."""

_LONGEST = 120


class BagError(RuntimeError):
    """A recording that cannot be read or written as asked; the message is one line that says why."""


def visible(text: str) -> str:
    """Return what a stranger wrote, fit for a terminal: short, one line, nothing that is not seen."""
    shown = ''.join(
        letter if letter.isprintable() else letter.encode('unicode_escape').decode()
        for letter in text[: _LONGEST + 1]
    )
    return shown if len(text) <= _LONGEST else f'{shown[:_LONGEST]}...'
