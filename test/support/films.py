# SPDX-License-Identifier: Apache-2.0
"""Small films: with steady time stamps, and with others, which OpenCV does not write."""

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

_MILLISECOND_NS = 1_000_000


def _element(identifier: str, content: bytes | int | str) -> bytes:
    """Return an EBML element (RFC 8794) with an 8-byte length."""
    if isinstance(content, int):
        content = content.to_bytes(8)
    if isinstance(content, str):
        content = content.encode()
    return bytes.fromhex(identifier) + (len(content) | 1 << 56).to_bytes(8) + content


def write_avi(
    path: Path, frames: Iterable[np.ndarray], rate_hz: float, code: str = 'MJPG'
) -> Path:
    """Write a film of BGR uint8 [H, W, 3] frames with OpenCV; return its path."""
    writer = None
    for frame in frames:
        size = frame.shape[1::-1]
        writer = writer or cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), rate_hz, size)
        writer.write(frame)
    writer.release()
    return path


def write_film(
    path: Path, frames: Sequence[np.ndarray], times_ms: Sequence[int], rate_hz: float = 25.0
) -> None:
    """
    Write a Matroska film of jpeg frames (RFC 9559), one cluster each.

    Args:
        path: ends in .mkv.
        frames: BGR uint8 [H, W, 3] of one size.
        times_ms: when each frame appears.
        rate_hz: that the file claims.

    """
    height, width = frames[0].shape[:2]
    header = _element(
        '1A45DFA3', _element('4282', 'matroska') + _element('4287', 4) + _element('4285', 2)
    )
    info = _element('1549A966', _element('2AD7B1', _MILLISECOND_NS))
    video = _element('E0', _element('B0', width) + _element('BA', height))
    track = _element('D7', 1) + _element('73C5', 1) + _element('83', 1) + _element('86', 'V_MJPEG')
    rate = _element('23E383', round(1e9 / rate_hz))
    tracks = _element('1654AE6B', _element('AE', track + rate + video))
    clusters = []
    for frame, time_ms in zip(frames, times_ms, strict=True):
        jpeg = cv2.imencode('.jpg', frame)[1].tobytes()
        block = _element('A3', b'\x81' + struct.pack('>hB', 0, 0x80) + jpeg)
        clusters.append(_element('1F43B675', _element('E7', time_ms) + block))
    path.write_bytes(header + _element('18538067', info + tracks + b''.join(clusters)))
