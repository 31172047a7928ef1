# SPDX-License-Identifier: Apache-2.0
"""Write a video file whose frames appear when they were taken."""

from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from emotion_perception.errors import SourceError, is_unicode
from emotion_perception.imaging.sources import quiet_opencv

_CODEC = 'mp4v'
_USUAL_RATES_HZ = (10.0, 240.0)
_DEFAULT_RATE_HZ = 30.0
_LONGEST_GAP_S = 60.0
"""Longer gaps in the time stamps are shortened to this."""


class VideoFile:
    """
    An .mp4 file of constant rate; a frame is repeated until the next one is due.

    OpenCV writes no time stamps, and a camera or film whose frames come irregularly would play too
    fast or too slowly.
    """

    def __init__(self, path: Path, rate_hz: float):
        """
        Open the file with the first frame.

        Args:
            path: ends in .mp4.
            rate_hz: of the source. One below 10 or above 240 may be a mean over pauses or no rate
                at all; the file then has 30.

        Raises:
            SourceError: if its name is not UTF-8.

        """
        if not is_unicode(path):
            raise SourceError(f'{path.name} cannot be written: its name is not UTF-8')
        usual = _USUAL_RATES_HZ[0] <= rate_hz <= _USUAL_RATES_HZ[1]
        self._path, self._rate_hz = path, rate_hz if usual else _DEFAULT_RATE_HZ
        self._writer: cv2.VideoWriter | None = None
        self._last: np.ndarray | None = None
        self._written, self._skipped_s = 0, 0.0

    def write(self, image: np.ndarray, time_s: float) -> None:
        """
        Add a frame.

        Args:
            image: BGR uint8 [H, W, 3]; other sizes than the first one's are scaled to it.
            time_s: since the first frame.

        Raises:
            SourceError: if the file cannot be written.

        """
        height, width = image.shape[:2]
        if self._writer is None:
            self._size = width, height
            code = cv2.VideoWriter.fourcc(*_CODEC)
            with quiet_opencv():
                self._writer = cv2.VideoWriter(str(self._path), code, self._rate_hz, self._size)
            if not self._writer.isOpened():
                raise SourceError(
                    f'{self._path.name} cannot be written as a video; choose a name that ends in '
                    '.mp4'
                )
        if (width, height) != self._size:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        gap_s = time_s - self._skipped_s - self._written / self._rate_hz
        self._skipped_s += max(gap_s - _LONGEST_GAP_S, 0.0)
        due = round((time_s - self._skipped_s) * self._rate_hz)
        while self._last is not None and self._written < due:
            self._write(self._last)
        if self._written <= due:
            self._write(image)
        self._last = image

    def _write(self, image: np.ndarray) -> None:
        assert self._writer is not None
        self._writer.write(image)
        self._written += 1

    def __enter__(self) -> 'VideoFile':
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete the file."""
        if self._writer is not None:
            self._writer.release()
