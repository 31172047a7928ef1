"""The thread between a subscription and the publishers: always the newest frame, counted and timed."""

import threading
import time
from collections.abc import Callable
from typing import Any

from emotion_perception.ros.frame_slot import FrameSlot
from emotion_perception.ros.frame_statistics import FrameStatistics


class FrameWorker:
    """Calls `work` on the newest message in a thread of its own; made for one activation."""

    def __init__(self, work: Callable[[Any, float], None], statistics: FrameStatistics):
        """
        Start the thread.

        Args:
            work: takes a message and the monotonic time of its arrival; must not raise.
            statistics: counts what arrives and what is skipped.

        """
        self._work = work
        self._statistics = statistics
        self._slot: FrameSlot[tuple[Any, float]] = FrameSlot()
        self._thread = threading.Thread(target=self._run, name='frames', daemon=True)
        self._thread.start()

    def put(self, message: Any) -> None:
        """Offer a message; an older one that nobody took yet is skipped."""
        arrived = time.monotonic()
        with self._statistics.lock:
            # nobody can tell of it before it is counted
            self._statistics.add_arrival(self._slot.put((message, arrived)), arrived)

    def stop(self) -> None:
        """Let the present frame finish and end the thread; one that still waits is skipped."""
        with self._statistics.lock:
            self._statistics.skipped += self._slot.close()
        self._thread.join()

    def _run(self) -> None:
        while (frame := self._slot.take()) is not None:
            self._work(*frame)
