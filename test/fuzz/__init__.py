"""Broken and forged pictures, messages and recordings, thrown at whatever reads them; `make fuzz`."""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command `python -m fuzz`."""
    from fuzz.command import main as run

    return run(arguments)
