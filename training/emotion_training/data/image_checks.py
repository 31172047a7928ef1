"""Say what is wrong with a file or an image before anybody learns from it."""

import numpy as np

SEPARATOR = ';'
"""Between the findings in the manifest's column `checks`."""

_BLACK_MAX = 8
_FLAT_STD = 1.0

_KINDS = (
    (b'version https://git-lfs', 'a Git LFS pointer, not the data; run `git lfs pull`'),
    (b'<!doctype', 'a web page, not the data; download it anew'),
    (b'<html', 'a web page, not the data; download it anew'),
    (b'<?xml', 'an XML page, not the data; download it anew'),
    (b'pk\x03\x04', 'a zip archive; unpack it first'),
    (b'\x1f\x8b', 'a gzip archive; unpack it first'),
)


def what_else(head: bytes) -> str | None:
    """
    Return what a file is that somebody saved under the name of data, or None.

    Args:
        head: its first bytes, 64 or more.

    """
    if not head:
        return 'an empty file'
    start = head.removeprefix(b'\xef\xbb\xbf').lstrip().lower()
    return next((text for mark, text in _KINDS if start.startswith(mark)), None)


def is_flat(image: np.ndarray) -> bool:
    """Return whether there is nothing to see in an image, uint8 [H, W]."""
    return bool(image.max() <= _BLACK_MAX or image.std() < _FLAT_STD)


def detect_in_region(image: np.ndarray) -> tuple[str, ...]:
    """Return ``('black',)``, ``('flat',)`` (one gray all over) or nothing, for uint8 [H, W]."""
    if not is_flat(image):
        return ()
    return ('black',) if image.max() <= _BLACK_MAX else ('flat',)
