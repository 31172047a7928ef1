"""Shrink pictures by halves: many times faster than any other averaging, and without aliasing."""

import math

import cv2
import numpy as np


def halving_count(image: np.ndarray, scale: float) -> int:
    """Return how often `image` can be halve before it is scaled by `scale` at last; 0 for enlarging."""
    most = math.floor(math.log2(min(image.shape[:2])))
    return min(max(math.floor(-math.log2(scale)), 0), most)


def halve(image: np.ndarray, times: int) -> np.ndarray:
    """
    Return the means of squares of 2x2 pixels, taken `times` times.

    Args:
        image: uint8 [H, W] or [H, W, C], with at least ``2**times`` pixels each way; what is over
            at the right and at the bottom is left out.
        times: 0 returns the picture itself.

    """
    if not times:
        return image
    side = 2**times
    height, width = image.shape[0] // side * side, image.shape[1] // side * side
    image = image[:height, :width]
    for _ in range(times):
        size = image.shape[1] // 2, image.shape[0] // 2
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return image


def downscale(image: np.ndarray, scale: float) -> np.ndarray:
    """
    Return a picture scaled by `scale`, whose sides are rounded and at least one pixel.

    Args:
        image: uint8 [H, W, C]; where it is halve first, up to ``1 / scale`` pixels are left out at
            the right and at the bottom.
        scale: of both sides, above 0; it may enlarge.

    """
    times = halving_count(image, scale)
    small, rest = halve(image, times), scale * 2**times
    size = max(round(small.shape[1] * rest), 1), max(round(small.shape[0] * rest), 1)
    return cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
