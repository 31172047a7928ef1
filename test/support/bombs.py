# SPDX-License-Identifier: Apache-2.0
"""Small images that claim, or become, gigabytes."""

import struct
import zlib

import cv2
import numpy as np


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a chunk of a png: length, kind, body and checksum."""
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


def png(width: int, height: int, rows: int) -> bytes:
    """
    Return a png of one bit a pixel, all black.

    Args:
        width: in pixels.
        height: that it claims.
        rows: that it holds.

    """
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    body = b''.join(packer.compress(row) for _ in range(rows)) + packer.flush()
    head = struct.pack('>IIBBBBB', width, height, 1, 0, 0, 0, 0)
    parts = ((b'IHDR', head), (b'IDAT', body), (b'IEND', b''))
    return b'\x89PNG\r\n\x1a\n' + b''.join(png_chunk(*part) for part in parts)


def jpeg(width: int, height: int) -> bytes:
    """Return a jpeg of 16x16 pixels whose header claims another size, each way at most 65535."""
    blob = bytearray(cv2.imencode('.jpg', np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    frame = blob.find(b'\xff\xc0')
    blob[frame + 5 : frame + 9] = struct.pack('>HH', height, width)
    return bytes(blob)


def jpeg_of_scans(width: int, height: int, scans: int) -> bytes:
    """Return a gray progressive jpeg of `scans` scans over all pixels, a few bytes each."""
    head = struct.pack('>BHHBBBB', 8, height, width, 1, 1, 0x11, 0)
    # one code of one bit: for DC no difference, for AC the end of 32767 blocks and 14 further bits
    dc = b'\x00' + bytes([1] + [0] * 15) + b'\x00'
    ac = b'\x10' + bytes([1] + [0] * 15) + b'\xe0'

    def segment(marker: int, body: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack('>H', len(body) + 2) + body

    blocks = -(-width // 8) * -(-height // 8)
    first = b'\x00' * -(-blocks // 8)
    # 0 and fourteen ones: runs of 2**14 + 16383 blocks that hold nothing
    runs = -(-blocks // 32767)
    bits = '011111111111111' * runs
    bits += '1' * (-len(bits) % 8)
    packed = int(bits, 2).to_bytes(len(bits) // 8, 'big').replace(b'\xff', b'\xff\x00')
    data = b'\xff\xd8' + segment(0xDB, b'\x00' + b'\x01' * 64) + segment(0xC2, head)
    data += segment(0xC4, dc) + segment(0xC4, ac)
    data += segment(0xDA, b'\x01\x01\x00\x00\x00\x00') + first
    scan = segment(0xDA, b'\x01\x01\x00\x01\x3f\x00') + packed
    return data + scan * scans + b'\xff\xd9'
