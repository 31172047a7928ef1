# SPDX-License-Identifier: Apache-2.0
"""Avif files of one image with the boxes that orient it."""

import struct
from collections.abc import Sequence

import cv2
import numpy as np
import pytest


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box: its length, kind and content."""
    body = b''.join(parts)
    return struct.pack('>I', len(body) + 8) + kind + body


def avif_file(image: np.ndarray, boxes: Sequence[bytes]) -> bytes:
    """
    Return an avif file as OpenCV writes it, with further properties such as `irot`.

    The test is skipped where OpenCV has no avif.
    """
    try:
        file = cv2.imencode('.avif', image)[1].tobytes()
    except cv2.error:
        pytest.skip('this OpenCV does not write avif')
    grown = len(b''.join(boxes)) + len(boxes)
    changed = bytearray(file)

    def add(at: int, number: int) -> None:
        changed[at : at + 4] = (int.from_bytes(file[at : at + 4]) + number).to_bytes(4, 'big')

    for kind in (b'meta', b'iprp'):
        add(file.index(kind) - 4, grown)
    add(file.index(b'ipco') - 4, len(b''.join(boxes)))
    ipma = file.index(b'ipma') - 4
    add(ipma, len(boxes))
    add(file.index(b'iloc') + 18, grown)  # where the pixels begin
    end, count = ipma + int.from_bytes(file[ipma : ipma + 4]), ipma + 18
    present = changed[count]
    changed[count] += len(boxes)
    changed[end:end] = bytes(0x80 | (present + 1 + i) for i in range(len(boxes)))
    changed[ipma:ipma] = b''.join(boxes)
    return bytes(changed)
