"""Counts and running figures of a node at work."""

import math
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np

WINDOW_S = 10.0
"""Rates and percentiles tell of the last this many seconds."""


@dataclass
class FrameStatistics:
    """
    What happened since the node was activated; the recent past for rates and latencies.

    `lock` is held where an arrival is counted, which another thread than that of the other counts does.
    """

    received: int = 0
    skipped: int = 0
    processed: int = 0
    faces: int = 0
    failed: Counter = field(default_factory=Counter)
    last_failure: str = ''
    stalls: int = 0
    stalled: bool = False
    last_frame_at: float = -math.inf
    jumps_back: int = 0
    format: str = ''
    format_changes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    _recent: deque = field(default_factory=deque)

    def add_arrival(self, skipped: bool, arrived: float) -> None:
        """Count a frame that came at the monotonic time `arrived`, `skipped` if another had to go for it."""
        self.received += 1
        self.skipped += skipped
        self.last_frame_at = arrived

    def arrivals(self) -> tuple[int, int]:
        """Return how many frames arrived and how many of them were skipped, as of one moment."""
        with self.lock:
            return self.received, self.skipped

    def add_format(self, text: str) -> None:
        """Note size and encoding of a frame, and count the changes."""
        self.format_changes += self.format not in ('', text)
        self.format = text

    def add_frame(self, faces: int, processing_s: float, age_s: float) -> None:
        """Count one processed frame; `age_s` is NaN where the stamp says nothing."""
        now = time.monotonic()
        self.last_failure = ''
        self.processed += 1
        self.faces += faces
        self._recent.append((now, processing_s, age_s))
        self._forget(now)

    def add_failure(self, kind: str, text: str) -> bool:
        """Count a frame that could not be used; True the first time this kind happens."""
        self.failed[kind] += 1
        self.last_failure = text
        return self.failed[kind] == 1

    def add_silence(self, stalled: bool) -> bool:
        """Note whether the camera is silent for too long; True when that begins."""
        begins = stalled and not self.stalled
        self.stalls += begins
        self.stalled = stalled
        return begins

    def _forget(self, now: float) -> None:
        while self._recent and now - self._recent[0][0] > WINDOW_S:
            self._recent.popleft()

    def _window(self) -> list[tuple[float, float, float]]:
        """Return what is not older than `WINDOW_S`; no new frame may have come to forget the rest."""
        now = time.monotonic()
        return [entry for entry in list(self._recent) if now - entry[0] <= WINDOW_S]

    def rate_hz(self) -> float:
        """Processed frames a second in the last `WINDOW_S`."""
        recent = self._window()
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) / max(time.monotonic() - recent[0][0], 1e-6)

    def percentiles_ms(self, which: str) -> tuple[float, float]:
        """
        Return median and 99th percentile in milliseconds, NaN where nothing was measured.

        Args:
            which: ``'processing'`` (arrival to message) or ``'age'`` (stamp to message).

        """
        column = {'processing': 1, 'age': 2}[which]
        values = np.array([entry[column] for entry in self._window()])
        values = values[~np.isnan(values)] if values.size else values
        if not values.size:
            return math.nan, math.nan
        p50, p99 = np.percentile(values, (50, 99)) * 1000
        return float(p50), float(p99)
