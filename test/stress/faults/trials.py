"""Every trial by name, and how large it is in a run of so many minutes."""

from collections.abc import Callable
from functools import partial
from typing import Any

from stress.faults import (
    clocks,
    crowd,
    disk,
    kills,
    listeners,
    models,
    settings,
    silence,
    transitions,
)
from stress.faults.counting import Count

MINUTES = 12.0
"""About what a run takes on two idle cores with the numbers below; others grow and shrink with `--minutes`."""

PARTICIPANTS, SUBSCRIBERS = 100, 200

Trial = Callable[[], Count]


def trials(minutes: float, seed: int, progress: bool) -> dict[str, Trial]:
    """
    Return the trials in the order in which they are run.

    Args:
        minutes: that all of them together shall take, about.
        seed: of all of them.
        progress: show bars.

    """

    def many(number: int) -> int:
        return max(round(number * minutes / MINUTES), 1)

    bar: dict[str, Any] = {'progress': progress}
    drawn: dict[str, Any] = {'seed': seed, **bar}
    return {
        'kills': partial(kills.kill, many(75), **drawn),
        'silence': partial(silence.hang, many(30), **drawn),
        'lifecycle': partial(transitions.drive, many(5000), **drawn),
        'shutdown': partial(transitions.shut_down, **drawn),
        'parameters': partial(settings.change, many(2000), **drawn),
        'models': partial(models.replace, many(2), **drawn),
        'stamps': partial(clocks.stamps, many(3000), **drawn),
        'clock': partial(clocks.simulated, many(500), **drawn),
        'machine': partial(disk.miss, **bar),
        'crowd': partial(crowd.join, PARTICIPANTS, many(20), **bar),
        'subscribers': partial(listeners.many, SUBSCRIBERS, many(300), **bar),
        'deaf': partial(listeners.deaf, many(300), **bar),
    }
