# SPDX-License-Identifier: Apache-2.0
"""Counts, rate and latency percentiles of one activation of the node."""

import math
import threading
import time
from collections import Counter, deque

import numpy as np

WINDOW_S, _RATE_WINDOW_S = 10.0, 2.0
"""
Percentiles are those of the last this many seconds. The rate is that of a shorter time, so that it
soon shows a change; where that holds fewer than two images, of the same time.
"""
_MANY_JUMPS = 3


class FrameStatistics:
    """
    Counts since the activation; rate and percentiles of the recent past.

    Images arrive in one thread and are processed in another: the counts of arrivals have a lock.

    Attributes:
        processed: processed images.
        faces: faces in them.
        failed: failed images by kind.
        repaired: images that could be decoded although a part was missing, by kind.
        last_failure: why the last image failed; empty after one that did not.
        last_frame_at_s: monotonic time of the last arrival, -inf before the first.
        jumps_back: how often the stamps jumped back; see `add_jump_back`.
        stalls: how often the camera stalled.
        format: size and encoding of the last image, empty before the first.
        levels: range of the values of 16-bit images that becomes 0..255; empty for others.
        format_changes: how often they changed.

    """

    def __init__(self) -> None:
        """Start with nothing counted."""
        self.processed = self.faces = self.jumps_back = self.stalls = self.format_changes = 0
        self.failed: Counter[str] = Counter()
        self.repaired: Counter[str] = Counter()
        self.last_failure = self.format = self.levels = ''
        self.last_frame_at_s = -math.inf
        self._lock = threading.Lock()
        self._received = self._dropped = 0
        self._stalled = False
        self._recent: deque[tuple[float, float, float]] = deque()
        self._jumps_s: deque[float] = deque(maxlen=_MANY_JUMPS)

    def add_arrival(self, arrived_s: float, dropped: bool) -> None:
        """Count an image that arrived at a monotonic time; `dropped`: it replaced another one."""
        with self._lock:
            self._received += 1
            self._dropped += dropped
            self.last_frame_at_s = arrived_s

    def add_dropped(self) -> None:
        """Count an image that arrived before and is not processed."""
        with self._lock:
            self._dropped += 1

    def arrivals(self) -> tuple[int, int]:
        """Return how many images arrived and how many of them were dropped, at one moment."""
        with self._lock:
            return self._received, self._dropped

    def add_format(self, text: str) -> None:
        """Note size and encoding of an image, and count the changes."""
        self.format_changes += self.format not in ('', text)
        self.format = text

    def add_jump_back(self) -> None:
        """Count that the stamps jumped back."""
        self.jumps_back += 1
        self._jumps_s.append(time.monotonic())

    @property
    def keeps_jumping(self) -> bool:
        """Whether the stamps jumped back several times in the last `WINDOW_S`."""
        many = len(self._jumps_s) == _MANY_JUMPS
        return many and time.monotonic() - self._jumps_s[0] <= WINDOW_S

    def add_frame(self, faces: int, processing_s: float, age_s: float) -> None:
        """Count one processed image; `age_s` is NaN where its stamp is not usable."""
        now_s = time.monotonic()
        self.last_failure = ''
        self.processed += 1
        self.faces += faces
        self._recent.append((now_s, processing_s, age_s))
        while now_s - self._recent[0][0] > WINDOW_S:
            self._recent.popleft()

    def add_failure(self, kind: str, text: str) -> bool:
        """Count a failed image; return whether it is the first of its kind."""
        self.failed[kind] += 1
        self.last_failure = text
        return self.failed[kind] == 1

    def update_stalled(self, stalled: bool) -> bool:
        """Note whether the camera is stalled now; return whether that is new."""
        begins = stalled and not self._stalled
        self.stalls += begins
        self._stalled = stalled
        return begins

    def _window(self) -> list[tuple[float, float, float]]:
        """Return the entries of the last `WINDOW_S`; older ones stay until the next image."""
        now_s = time.monotonic()
        return [entry for entry in list(self._recent) if now_s - entry[0] <= WINDOW_S]

    def rate_hz(self) -> float:
        """Return the processed images per second in the last two seconds, or `WINDOW_S`."""
        now_s = time.monotonic()
        times_s = [entry[0] for entry in self._window()]
        recent_s = [time_s for time_s in times_s if now_s - time_s <= _RATE_WINDOW_S]
        if len(recent_s) < 2:
            recent_s = times_s
        if len(recent_s) < 2:
            return 0.0
        return (len(recent_s) - 1) / max(now_s - recent_s[0], 1e-6)

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
        # as np.percentile, which loads NumPy's masked arrays: 8 MB
        ranks = np.linspace(0, 1, values.size)
        p50, p99 = np.interp((0.5, 0.99), ranks, np.sort(values)) * 1000
        return float(p50), float(p99)
