"""What is thrown at: each target takes any bytes, and may only refuse them with this project's own errors."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Run = Callable[[bytes], str]
"""Takes an input and returns in a few words how it ended; anything that it raises is a finding."""


@dataclass(frozen=True)
class Target:
    """
    One thing that reads what strangers wrote.

    Attributes:
        what: it is, for the table.
        load: imports it and returns what runs it, in a folder of its own for files.
        seeds: makes whole inputs to begin with, in a folder of its own for files.

    """

    what: str
    load: Callable[[Path], Run]
    seeds: Callable[[Path], list[bytes]]


def targets() -> dict[str, Target]:
    """Return the targets by name; nothing of them is imported yet."""
    from fuzz import bags, images

    return {**images.TARGETS, **bags.TARGETS}
