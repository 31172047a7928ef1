# SPDX-License-Identifier: Apache-2.0
"""The parts of a jpeg file: where it ends, and whether more than its end marker is missing."""

import re
from typing import NamedTuple

import cv2
import numpy as np

from emotion_perception.errors import ImageError

MAX_SCANS = 100
"""Largest number of passes of a jpeg over its pixels; progressive ones have about ten."""

START, END = b'\xff\xd8', b'\xff\xd9'
_MARKER = re.compile(rb'\xff([^\x00\xff\xd0-\xd7])')
"""A marker that is neither a byte of pixels nor a restart within them."""
_COEFFICIENTS = 64
"""Of a block of a jpeg; progressive ones send them in several scans, to the bit `low`."""
_OTHER_BITS = b'\xa5' * 32
"""Neither zeros, with which libjpeg continues a scan that is cut short, nor a marker."""


class JpegParts(NamedTuple):
    """
    What the markers of a jpeg say, found as libjpeg finds them.

    Attributes:
        width: of the image.
        height: of the image.
        scans: passes over the pixels.
        all_sent: whether the scans hold all coefficients of all components to their last bit.
        end: position of the end marker, or of the next image, or the length.
        ended: whether there is an end marker.

    """

    width: int
    height: int
    scans: int
    all_sent: bool
    end: int
    ended: bool


def read_parts(blob: bytes) -> JpegParts:
    """
    Return what the markers of a jpeg say.

    Raises:
        ImageError: if there is no frame header.

    """
    at, scans, missing, end, ended = 2, 0, 0, len(blob), False
    size: tuple[int, int] | None = None
    progressive = False
    while (found := _MARKER.search(blob, at)) is not None:
        marker, at = found[1][0], found.end()
        length = int.from_bytes(blob[at : at + 2])
        segment = blob[at + 2 : at + length]
        is_scan = marker == 0xDA and 6 <= len(segment) == length - 2 == 4 + 2 * segment[0]
        all_sent = scans > 0 and missing <= 0
        # where all is sent without an end marker, what looks like a marker is a film's by chance
        if marker == 0xD9 or (scans and marker == 0xD8) or (all_sent and not is_scan):
            end, ended = found.start(), marker == 0xD9
            break
        if marker in (0x01, 0xD8):  # stands alone, no segment follows
            continue
        is_frame = 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)
        if is_frame and size is None and len(segment) >= 6:
            size = int.from_bytes(segment[3:5]), int.from_bytes(segment[1:3])
            missing, progressive = segment[5] * _COEFFICIENTS, marker == 0xC2
        if marker == 0xDA:
            scans += 1
            missing -= _coefficients_sent(segment, progressive)
        at += length
    if size is None:
        raise ImageError(
            'image damaged', f'the jpeg image of {len(blob)} bytes is damaged: no frame header'
        )
    return JpegParts(*size, scans, missing <= 0, end, ended)


def _coefficients_sent(scan: bytes, progressive: bool) -> int:
    """Return the coefficients of a block of each component that a scan sends to their last bit."""
    first, last, bits = scan[-3:] if len(scan) >= 6 else (0, 0, 1)
    if not progressive:
        return scan[0] * _COEFFICIENTS if scan else 0
    return 0 if bits & 0x0F else scan[0] * (last - first + 1)


def complete(blob: bytes, parts: JpegParts) -> bytes:
    """
    Return a jpeg up to its end, which is added where only that is missing.

    What follows the end is no part of the image: the film of a phone's motion photo, other views.

    Args:
        blob: the file; a size that it claims was checked before.
        parts: its parts.

    Raises:
        ImageError: if it is cut short or has more than `MAX_SCANS` scans.

    """
    if parts.scans > MAX_SCANS:
        raise ImageError(
            'too many scans',
            f'the jpeg image passes over its pixels {parts.scans} times, more than {MAX_SCANS}',
        )
    body = blob[: parts.end]
    if parts.ended:
        return body + END
    body = _without_padding(body)
    # a jpeg that ends inside its last scan would be decoded to a half-gray image without an error
    if not parts.all_sent or not _is_last_scan_whole(body, parts.scans):
        raise ImageError('image cut short', f'the jpeg image is cut short after {len(blob)} bytes')
    return body + END


def _without_padding(body: bytes) -> bytes:
    """Return a jpeg without fill bytes and the zeros of a buffer that is longer than its image."""
    body = body.rstrip(b'\xff')
    scan = body.rstrip(b'\0')
    if len(body) - len(scan) < 3:  # bits of the scan
        return body
    return scan + b'\0' * scan.endswith(b'\xff')  # a zero marks that 255 as bits of the scan


def _is_last_scan_whole(body: bytes, scans: int) -> bool:
    """Return whether the pixels of a jpeg without its end do not depend on what follows."""
    # several scans are decoded only up to an end; after a single one libjpeg would report the bits
    ends = (body + _OTHER_BITS + END * (scans > 1), body + END)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    found = None
    for blob in ends:
        try:
            image = cv2.imdecode(np.frombuffer(blob, np.uint8), flags)
        except cv2.error:
            return False
        if image is None or (found is not None and not np.array_equal(image, found)):
            return False
        found = image
    return True
