# SPDX-License-Identifier: Apache-2.0
"""Convert `sensor_msgs/Image` data to BGR: every usual encoding, without cv_bridge."""

from collections.abc import Callable

import cv2
import numpy as np

from emotion_perception.errors import ImageError
from emotion_perception.imaging.codecs import check_pixel_count
from emotion_perception.imaging.levels import Levels


def _unchanged(pixels: np.ndarray) -> np.ndarray:
    return pixels


def _convert(code: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pixels: cv2.cvtColor(pixels, code)


# encoding -> (bytes a channel, channels, conversion of uint8 [H, W] or [H, W, C]; of 16 bits
# without the fourth channel, which may not count in the range of the values)
_PACKED: dict[str, tuple[int, int, Callable[[np.ndarray], np.ndarray]]] = {
    'bgr8': (1, 3, _unchanged),
    '8UC3': (1, 3, _unchanged),
    'rgb8': (1, 3, _convert(cv2.COLOR_RGB2BGR)),
    'bgra8': (1, 4, _convert(cv2.COLOR_BGRA2BGR)),
    'rgba8': (1, 4, _convert(cv2.COLOR_RGBA2BGR)),
    'mono8': (1, 1, _convert(cv2.COLOR_GRAY2BGR)),
    '8UC1': (1, 1, _convert(cv2.COLOR_GRAY2BGR)),
    '8UC4': (1, 4, _convert(cv2.COLOR_BGRA2BGR)),
    'bgr16': (2, 3, _unchanged),
    '16UC3': (2, 3, _unchanged),
    'rgb16': (2, 3, _convert(cv2.COLOR_RGB2BGR)),
    'bgra16': (2, 4, _unchanged),
    '16UC4': (2, 4, _unchanged),
    'rgba16': (2, 4, _convert(cv2.COLOR_RGB2BGR)),
    'mono16': (2, 1, _convert(cv2.COLOR_GRAY2BGR)),
    '16UC1': (2, 1, _convert(cv2.COLOR_GRAY2BGR)),
    'yuv422': (1, 2, _convert(cv2.COLOR_YUV2BGR_UYVY)),
    'uyvy': (1, 2, _convert(cv2.COLOR_YUV2BGR_UYVY)),
    'yuv422_yuy2': (1, 2, _convert(cv2.COLOR_YUV2BGR_YUY2)),
    'yuyv': (1, 2, _convert(cv2.COLOR_YUV2BGR_YUY2)),
}
# ROS names a Bayer pattern by the first pixels of the first two rows, OpenCV by the second ones
for _pattern, _code in {
    'rggb': cv2.COLOR_BayerBG2BGR,
    'bggr': cv2.COLOR_BayerRG2BGR,
    'gbrg': cv2.COLOR_BayerGR2BGR,
    'grbg': cv2.COLOR_BayerGB2BGR,
}.items():
    _PACKED[f'bayer_{_pattern}8'] = (1, 1, _convert(_code))
    _PACKED[f'bayer_{_pattern}16'] = (2, 1, _convert(_code))

_PLANAR = ('nv12', 'nv21', 'nv24')

ENCODINGS = (*_PACKED, *_PLANAR)
"""Every value of `sensor_msgs/Image.encoding` that `to_bgr` reads."""


def to_bgr(
    data: bytes | bytearray | memoryview | np.ndarray,
    encoding: str,
    height: int,
    width: int,
    step: int,
    is_bigendian: bool = False,
    levels: Levels | None = None,
) -> np.ndarray:
    """
    Convert a raw image to BGR.

    Args:
        data: the image's bytes, `height` rows of `step` bytes (nv12, nv21, nv24: followed by the
            rows of the second plane). More bytes than that are ignored.
        encoding: one of `ENCODINGS`, as `sensor_msgs/image_encodings.hpp` names them.
        height: in pixels.
        width: in pixels.
        step: bytes from one row to the next; may be larger than the row (padding).
        is_bigendian: byte order of 16-bit encodings.
        levels: scale of 16-bit images, kept from image to image; None makes 65535 to 255.

    Returns:
        uint8 [height, width, 3]; a read-only view of `data` where that is possible (bgr8).

    Raises:
        ImageError: if the encoding is unknown, a size is impossible or bytes are missing.

    """
    if width < 1 or height < 1:
        raise ImageError('empty image', f'the image is empty: {width}x{height}')
    check_pixel_count('image', width, height)
    buffer = np.frombuffer(data, np.uint8)
    if encoding in _PACKED:
        return _packed_to_bgr(buffer, encoding, height, width, step, is_bigendian, levels)
    if encoding in _PLANAR:
        return _planar_to_bgr(buffer, encoding, height, width, step)
    raise ImageError(
        'unknown encoding', f'unknown encoding {encoding[:40]!r}; known are {", ".join(ENCODINGS)}'
    )


def _rows(buffer: np.ndarray, rows: int, row_bytes: int, step: int) -> np.ndarray:
    """Return uint8 [rows, row_bytes], a read-only view of `buffer` without the padding of rows."""
    if step < row_bytes:
        raise ImageError(
            'step too small', f'step is {step} bytes, a row of this image needs {row_bytes}'
        )
    # some drivers leave out the padding of the last row
    if buffer.size < step * (rows - 1) + row_bytes:
        raise ImageError(
            'data missing', f'{buffer.size} bytes of data where {step * rows} are needed'
        )
    return np.lib.stride_tricks.as_strided(buffer, (rows, row_bytes), (step, 1), writeable=False)


def _packed_to_bgr(
    buffer: np.ndarray,
    encoding: str,
    height: int,
    width: int,
    step: int,
    is_bigendian: bool,
    levels: Levels | None,
) -> np.ndarray:
    item_bytes, channels, convert = _PACKED[encoding]
    if channels == 2 and width % 2:
        raise ImageError(
            'size impossible for the encoding', f'{encoding} needs an even width, this is {width}'
        )
    # copies only where rows are padded
    rows = np.ascontiguousarray(_rows(buffer, height, width * channels * item_bytes, step))
    if item_bytes == 2:
        rows = rows.view('>u2' if is_bigendian else '<u2').astype(np.uint16)
    if encoding.startswith('bayer') and (height < 3 or width < 3):
        raise ImageError(
            'size impossible for the encoding',
            f'{encoding} needs at least 3x3 pixels, this is {width}x{height}',
        )
    image = rows.reshape(height, width, channels)
    if item_bytes == 2:
        image = image[..., :3]
        image = levels.to_8_bit(image) if levels else cv2.convertScaleAbs(image, alpha=255 / 65535)
        image = image.reshape(height, width, -1)  # OpenCV drops a single channel
    return convert(image[..., 0] if channels == 1 else image)


def _planar_to_bgr(
    buffer: np.ndarray, encoding: str, height: int, width: int, step: int
) -> np.ndarray:
    subsampled = encoding != 'nv24'
    if subsampled and (width % 2 or height % 2):
        raise ImageError(
            'size impossible for the encoding',
            f'{encoding} needs an even size, this is {width}x{height}',
        )
    # nv24 has a pair of colors for each pixel, so the rows of its second plane are twice as long
    chroma_rows, chroma_bytes = (height // 2, width) if subsampled else (height, 2 * width)
    luma = _rows(buffer, height, width, step)
    chroma = _rows(
        buffer[step * height :], chroma_rows, chroma_bytes, step if subsampled else 2 * step
    )
    if subsampled:
        code = cv2.COLOR_YUV2BGR_NV12 if encoding == 'nv12' else cv2.COLOR_YUV2BGR_NV21
        return cv2.cvtColor(np.vstack((luma, chroma)), code)
    return _yuv444_to_bgr(luma, chroma.reshape(height, width, 2))


def _yuv444_to_bgr(luma: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Convert limited-range BT.601 without subsampling, with OpenCV's coefficients for NV12."""
    y = 1.164 * np.maximum(luma.astype(np.float32) - 16, 0)
    u, v = (chroma[..., index].astype(np.float32) - 128 for index in (0, 1))
    bgr = np.dstack((y + 2.018 * u, y - 0.391 * u - 0.813 * v, y + 1.596 * v))
    return np.clip(np.rint(bgr), 0, 255).astype(np.uint8)
