# SPDX-License-Identifier: Apache-2.0
"""Scale 16-bit images to 8 bits by the values that they hold."""

import numpy as np

_PERCENTILES = 0.1, 99.9
_SAMPLES = 20_000
"""Pixels of an image, about, from which its range is taken."""
_WEIGHT = 0.1
"""Of a new image in the range of a stream."""
_FULL = 0.0, 65535.0
_SMALLEST_RANGE, _WHOLE_RANGE = 255.0, 32768.0
"""A smaller range is widened, so that noise is not magnified; a larger one is left as it is."""


class Levels:
    """
    The range of a camera's 16-bit values that becomes 0..255.

    Cameras of 10, 12 and 14 bits use a small part of the 16 bits of mono16, thermal cameras a
    narrow band of it. The range is that of the first image and then follows the images slowly.
    Images that use at least half of the 16 bits are scaled as if they used all.

    Attributes:
        used: set by each image of 16 bits.

    """

    def __init__(self) -> None:
        """Start before the first image."""
        self._range: np.ndarray | None = None
        self.used = False

    def __str__(self) -> str:
        """Return the range, such as ``12..3890``; empty before the first 16-bit image."""
        return '' if self._range is None else '{:.0f}..{:.0f}'.format(*self._range)

    def to_8_bit(self, pixels: np.ndarray) -> np.ndarray:
        """Return uint8 of the same shape as `pixels`, uint16 of any shape; updates the range."""
        self.used = True
        found = np.array(_range(pixels))
        if self._range is None:
            self._range = found
        self._range += _WEIGHT * (found - self._range)
        black, white = self._range
        scaled = (pixels.astype(np.float32) - np.float32(black)) * np.float32(
            255 / (white - black)
        )
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _range(pixels: np.ndarray) -> tuple[float, float]:
    values = pixels.ravel()
    black, white = np.percentile(values[:: max(values.size // _SAMPLES, 1)], _PERCENTILES)
    if white - black >= _WHOLE_RANGE:
        return _FULL
    missing = max(_SMALLEST_RANGE - (white - black), 0.0)
    black = max(black - missing / 2, 0.0)
    return float(black), float(max(white, black + _SMALLEST_RANGE))
