"""Keep only the newest frame: a slow consumer skips, and never waits behind old ones."""

import threading
from typing import Generic, TypeVar

Frame = TypeVar('Frame')


class FrameSlot(Generic[Frame]):
    """Hands frames from the thread that receives them to the one that works on them."""

    def __init__(self) -> None:
        """Begin empty and open."""
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._open = True
        self.received = 0
        self.skipped = 0

    def put(self, frame: Frame) -> bool:
        """Replace what is waiting; tell whether that was a frame, which counts as skipped."""
        with self._changed:
            self.received += 1
            replaced = self._frame is not None
            self.skipped += replaced
            self._frame = frame
            self._changed.notify()
            return replaced

    def take(self, timeout_s: float | None = None) -> Frame | None:
        """Wait for a frame and take it; None once closed, or when the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or not self._open, timeout_s)
            if not self._open:
                return None
            frame, self._frame = self._frame, None
            return frame

    def close(self) -> bool:
        """Wake the consumer and give out nothing more; tell whether a frame waited, which is skipped."""
        with self._changed:
            self._open = False
            waited = self._frame is not None
            self.skipped += waited
            self._frame = None
            self._changed.notify_all()
            return waited
