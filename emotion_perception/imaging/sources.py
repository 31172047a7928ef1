# SPDX-License-Identifier: Apache-2.0
"""Sources of frames: a V4L2 device, a video file, or an image as a moving camera sees it."""

import importlib.util
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from emotion_perception.errors import SourceError
from emotion_perception.imaging.codecs import IMAGE_SUFFIXES

PORTRAIT = 'portrait'
"""Name of the NASA portrait (public domain) in scikit-image as a source."""

"""Frames in which a camera adapts its exposure."""


class FrameSource(Protocol):
    """
    A source of frames.

    Attributes:
        rate_hz: frames a second.

    """

    rate_hz: float

    def read(self) -> np.ndarray | None:
        """Return the next frame, BGR uint8 [H, W, 3]; None at the end."""
        ...

    def close(self) -> None:
        """Release the device or file."""
        ...


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Silence OpenCV's log (level 0; version 4.13 moved the switch): our error says more."""
    logging = getattr(cv2.utils, 'logging', cv2)
    level = logging.setLogLevel(0)
    try:
        yield
    finally:
        logging.setLogLevel(level)


class VideoSource:
    """A V4L2 device or a video file, read with OpenCV."""

    def __init__(self, source: int | str, size: tuple[int, int] | None = None, loop: bool = False):
        """
        Open the device or file.

        Args:
            source: number or path of a device, or path of a file.
            size: width and height requested from a device; ignored for a file.
            loop: start a file again at its end.

        Raises:
            SourceError: if it cannot be opened.

        """
        with _quiet_opencv():
            self._capture = cv2.VideoCapture(source)
        if not self._capture.isOpened():
            if isinstance(source, str) and Path(source).is_file():
                raise SourceError(f'{source} cannot be opened: it is no video that OpenCV reads')
            raise SourceError(
                f'camera or video {source} cannot be opened; is it there and not in use?'
            )
        self._loop = loop
        if size and not (isinstance(source, str) and Path(source).is_file()):
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate_hz = rate if 1 <= rate <= 240 else 30.0

    def read(self) -> np.ndarray | None:
        """Return the next frame, BGR uint8 [H, W, 3]; None at the end."""
        ok, frame = self._capture.read()
        if not ok and self._loop:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            ok, frame = self._capture.read()
        return frame if ok else None

    def close(self) -> None:
        """Release the device or file."""
        self._capture.release()


class MovingImageSource:
    """An image as a slowly moving and zooming camera sees it; never ends."""

    def __init__(
        self, image: np.ndarray, size: tuple[int, int] = (640, 480), rate_hz: float = 30.0
    ):
        """
        Start at the first frame.

        Args:
            image: BGR uint8 [H, W, 3].
            size: width and height of the frames.
            rate_hz: frames in a second of the camera's movement.

        """
        self._image, self._size, self.rate_hz = image, size, rate_hz
        self._frame = 0

    def read(self) -> np.ndarray:
        """Return the next frame, BGR uint8 [H, W, 3]."""
        time_s = self._frame / self.rate_hz
        self._frame += 1
        height, width = self._image.shape[:2]
        fit = max(self._size[0] / width, self._size[1] / height)
        zoom = fit * (1.12 + 0.08 * math.sin(2 * math.pi * time_s / 7))
        room = np.array((width, height)) * zoom - self._size
        sway = np.array((math.sin(2 * math.pi * time_s / 5), math.sin(2 * math.pi * time_s / 8)))
        corner = room * (0.5, 0.25) + np.minimum(room * (0.5, 0.25), 40) * sway
        matrix = np.array([[zoom, 0, -corner[0]], [0, zoom, -corner[1]]])
        return cv2.warpAffine(
            self._image,
            matrix,
            self._size,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )

    def close(self) -> None:
        """Do nothing: there is no device or file."""


def portrait_path() -> Path:
    """
    Return the path of the NASA portrait inside the scikit-image wheel, without importing it.

    Raises:
        SourceError: if scikit-image is not installed.

    """
    spec = importlib.util.find_spec('skimage')
    for package in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(package) / 'data' / 'astronaut.png'
        if path.is_file():
            return path
    raise SourceError('the portrait comes with scikit-image: pip install --no-deps scikit-image')


def open_source(
    source: str = PORTRAIT,
    size: tuple[int, int] = (640, 480),
    rate_hz: float = 30.0,
    loop: bool = True,
) -> FrameSource:
    """
    Open a camera, a video file or an image file.

    Args:
        source: ``'portrait'``, number or path of a V4L2 device, or path of a video or image file.
        size: width and height requested from a device, and of the frames made from an image.
        rate_hz: of the frames made from an image.
        loop: start a video file again at its end.

    Raises:
        SourceError: if there is no such source or it cannot be opened.

    """
    if source.isdigit():
        return VideoSource(int(source), size)
    path = portrait_path() if source == PORTRAIT else Path(source)
    if not path.exists():
        raise SourceError(f'there is no camera, video or image {source!r}')
    if path.suffix.lower() in IMAGE_SUFFIXES:
        image = cv2.imread(str(path))
        if image is None:
            raise SourceError(f'{path} is not a readable image')
        return MovingImageSource(image, size, rate_hz)
    return VideoSource(str(path), size, loop)
