# SPDX-License-Identifier: Apache-2.0
"""Depth images: decoding, and the depth of a face."""

import numpy as np

from emotion_perception.errors import ImageError
from emotion_perception.imaging.codecs import check_pixel_count

_TYPES = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}
"""Encoding -> NumPy's type: whole millimeters, or meters (REP 118)."""

_ACROSS, _DOWN = (0.3, 0.7), (0.3, 0.75)
"""Part of a face's box that shows skin and not what is behind the head."""
_MIN_KNOWN = 0.2
"""Share of that part that must have a depth."""
_MAX_SAMPLES = 40
"""Pixels along each axis that are enough for a median."""


def to_depth(
    data: bytes, encoding: str, height: int, width: int, step: int, is_bigendian: bool
) -> np.ndarray:
    """
    Return a registered depth image in a message, without a copy.

    Args:
        data: of the message.
        encoding: 16UC1 (millimeters) or 32FC1 (meters), as in REP 118.
        height: in pixels.
        width: in pixels.
        step: bytes a row.
        is_bigendian: order of the bytes of a value.

    Returns:
        uint16 in millimeters or float32 in meters, [height, width]; 0 or NaN is unknown.

    Raises:
        ImageError: if it is another encoding, or the sizes do not fit the data.

    """
    if encoding not in _TYPES:
        raise ImageError(
            'depth encoding',
            f'the depth image has the encoding {encoding[:40]!r}; 16UC1 and 32FC1 are read',
        )
    kind = np.dtype(_TYPES[encoding]).newbyteorder('>' if is_bigendian else '<')
    check_pixel_count('depth image', width, height)
    if step < width * kind.itemsize or step % kind.itemsize or len(data) < step * height:
        raise ImageError(
            'depth size',
            f'the depth image of {width}x{height} has {len(data)} bytes in rows of {step}',
        )
    rows = np.frombuffer(data, kind, step * height // kind.itemsize)
    return rows.reshape(height, step // kind.itemsize)[:, :width]


def face_depth_m(
    depth: np.ndarray, box: tuple[float, float, float, float], size: tuple[int, int]
) -> float:
    """
    Return the median depth of the middle of a face; NaN where too little of it is known.

    Args:
        depth: registered to the image, uint16 in millimeters or float32 in meters, [H, W].
        box: of the face: x, y, width and height in pixels of the image.
        size: width and height of the image; that of the depth image may be a multiple of it.

    """
    x, y, w, h = box
    columns = _pixels(x, w, _ACROSS, size[0], depth.shape[1])
    rows = _pixels(y, h, _DOWN, size[1], depth.shape[0])
    values = depth[rows][:, columns].astype(np.float32)
    if depth.dtype.kind == 'u':
        values *= 1e-3
    known = values[np.isfinite(values) & (values > 0)]
    if known.size < max(_MIN_KNOWN * values.size, 1):
        return float('nan')
    known.sort()
    return float(known[known.size // 2])


def _pixels(
    start: float, length: float, part: tuple[float, float], image: int, depth: int
) -> slice:
    """Return the pixels of the depth image along one axis, within it."""
    first, last = (round((start + share * length) * depth / image) for share in part)
    first = min(max(first, 0), depth)
    last = min(max(last, first), depth)
    return slice(first, last, max((last - first) // _MAX_SAMPLES, 1))
