# SPDX-License-Identifier: Apache-2.0
"""Recognize files that are not the data they are named after, and images without content."""

import numpy as np

SEPARATOR = ';'
"""Separates the entries of the manifest's column `checks`."""

_BLACK_MAX = 8
_FLAT_STD = 1.0

_MAGIC = (
    (b'version https://git-lfs', 'a Git LFS pointer, not the data; run `git lfs pull`'),
    (b'<!doctype', 'a web page, not the data; download it again'),
    (b'<html', 'a web page, not the data; download it again'),
    (b'<?xml', 'an XML page, not the data; download it again'),
    (b'pk\x03\x04', 'a zip archive; unpack it first'),
    (b'\x1f\x8b', 'a gzip archive; unpack it first'),
)


def wrong_content(head: bytes) -> str | None:
    """
    Return what a file is if it is a known non-data type, such as a web page; else None.

    Args:
        head: the first bytes of the file, 64 or more.

    """
    if not head:
        return 'an empty file'
    start = head.removeprefix(b'\xef\xbb\xbf').lstrip().lower()
    return next((text for magic, text in _MAGIC if start.startswith(magic)), None)


def blank_check(image: np.ndarray) -> str | None:
    """Return ``black``, ``flat`` (a single gray level) or None for an image, uint8 [H, W]."""
    if image.max() <= _BLACK_MAX:
        return 'black'
    return 'flat' if image.std() < _FLAT_STD else None
