"""Camera, node and listener in processes of their own, for as long as a program lasts."""

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.processes import NODE, Bench, Process, bench
from stress.soak.outcome import Outcome, Sample
from stress.soak.visits import Programme
from stress.soak.watch import StrangerError, Watch

CAMERA = 'stress.soak.camera'
DOMAINS = range(215, 232)
"""Whose ports lie above those that the system gives away: nobody takes one in half an hour."""
_START_LIMIT_S = 60.0
_SILENCE_LIMIT_S = 30.0
_LEAVE_LIMIT_S = 20.0
_SLOWEST = 3.0
"""A camera that needs so many times as long as it should is not waited for any longer."""


class SoakError(RuntimeError):
    """The soak could not begin; the message says why."""


def soak(
    program: Programme,
    every_s: float,
    media: Path | None = None,
    shaken_s: float = 0.0,
    note: Callable[[Sample], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """
    Let people come and go before a camera, and watch the node.

    Args:
        program: of the people.
        every_s: time between two samples.
        media: folder of further faces.
        shaken_s: for so long at the beginning the node is held up again and again, as a busy machine
            does: as many images as ever are on their way then, and what memory they take is taken.
        note: is given each sample.
        stopped: tells whether to end early.

    Raises:
        SoakError: if node or camera do not start.

    """
    outcome = Outcome(program)
    with bench(DOMAINS) as b:
        node = b.start(NODE, autostart='true')
        _wait(b, node, lambda: b.node.count_publishers('emotion/faces') > 0, 'the node', stopped)
        b.spin(1)
        camera = b.start(
            CAMERA, seed=program.seed, frames=program.frames, rate_hz=program.rate_hz,
            round_s=program.round_s, media=f'"{media.resolve() if media else ""}"',
        )  # fmt: skip
        _wait(b, camera, lambda: bool(b.heard), 'the camera', stopped)
        watch = Watch(b, node, program)
        try:
            outcome.ended = _watch(
                b, watch, (node, camera), outcome, every_s, shaken_s, note, stopped
            )
            if not outcome.ended:
                # the room is empty now: wait until the node says that it follows nobody
                watch.tracked_ids = -1
                b.spin(_LEAVE_LIMIT_S, lambda: watch.tracked_ids == 0 or stopped())
                outcome.tracked_ids_at_the_end = watch.tracked_ids
                watch.sample()
        except StrangerError as error:
            outcome.ended = str(error)
        outcome.counts = watch.counts()
    return outcome


def _wait(
    b: Bench,
    process: Process,
    condition: Callable[[], bool],
    name: str,
    stopped: Callable[[], bool],
) -> None:
    """Wait for what a process does when it has started; raises `SoakError` if it does not."""
    b.spin(_START_LIMIT_S, lambda: condition() or stopped() or not process.running)
    if stopped():
        raise SoakError('stopped before the first image')
    if not condition():
        b.spin(0.5)  # its last words may be on their way
        raise SoakError(f'{name} does not start; it says: {_last_words(process)}')


def _watch(
    b: Bench,
    watch: Watch,
    processes: tuple[Process, Process],
    outcome: Outcome,
    every_s: float,
    shaken_s: float,
    note: Callable[[Sample], None],
    stopped: Callable[[], bool],
) -> str:
    """Take samples until the program is over; return why it ended before, empty if it did not."""
    frames = outcome.program.frames

    def over() -> bool:
        return stopped() or watch.picture >= frames or not processes[0].running

    began = heard_at = time.monotonic()
    limit_s = _SLOWEST * frames / outcome.program.rate_hz + _LEAVE_LIMIT_S
    while watch.picture < frames:
        shaken = time.monotonic() - began < shaken_s
        if shaken:
            _hold_up(b, processes[0], random.uniform(0.1, 1.5))
        b.spin(min(every_s, 1.0) if shaken else every_s, over)
        if ended := _trouble(stopped, *processes):
            return ended
        if (sample := watch.sample()) is not None:
            outcome.samples.append(sample)
            note(sample)
            heard_at = time.monotonic()
        if time.monotonic() - heard_at > _SILENCE_LIMIT_S:
            return f'the node was silent for {_SILENCE_LIMIT_S:g} s'
        if time.monotonic() - began > limit_s:
            return 'this machine is too busy for the camera to keep its rate'
    return ''


def _hold_up(b: Bench, process: Process, for_s: float) -> None:
    process.signal(signal.SIGSTOP)
    try:
        b.spin(for_s)
    finally:
        process.signal(signal.SIGCONT)


def _trouble(stopped: Callable[[], bool], node: Process, camera: Process) -> str:
    if stopped():
        return 'stopped by hand'
    for name, process in (('node', node), ('camera', camera)):
        if not process.running:
            return f'the {name} ended: {_last_words(process)}'
    return ''


def _last_words(process: Process) -> str:
    return process.log[-1][1].strip() if process.log else 'nothing'
