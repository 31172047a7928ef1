"""Text from a recording made fit for a terminal."""

_LONGEST = 120


def visible(text: str) -> str:
    """Return what a stranger wrote, fit for a terminal: short, one line, nothing that is not seen."""
    shown = ''.join(
        letter if letter.isprintable() else letter.encode('unicode_escape').decode()
        for letter in text[: _LONGEST + 1]
    )
    return shown if len(text) <= _LONGEST else f'{shown[:_LONGEST]}...'
