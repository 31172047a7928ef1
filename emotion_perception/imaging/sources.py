"""Where pictures come from: a V4L2 device, a video file, or a still seen by a moving camera."""

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
"""Source name of the NASA portrait (public domain) that scikit-image ships."""


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from printing: our error says more. Version 4.13 moved the switch; 0 is silent."""
    logging = getattr(cv2.utils, 'logging', cv2)
    level = logging.setLogLevel(0)
    try:
        yield
    finally:
        logging.setLogLevel(level)


class FrameSource(Protocol):
    """Gives one picture after the other."""

    rate_hz: float

    def read(self) -> np.ndarray | None:
        """Return the next picture, BGR uint8 [H, W, 3]; None at the end."""
        ...

    def close(self) -> None:
        """Let the device or file go."""
        ...


class VideoSource:
    """A V4L2 device or a video file through OpenCV; a file may begin anew at its end."""

    def __init__(self, source: int | str, size: tuple[int, int] | None = None, loop: bool = False):
        """
        Open it.

        Args:
            source: number of a device, its path, or the path of a file.
            size: width and height that a device is asked for.
            loop: begin a file anew at its end.

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
        """Return the next picture, BGR uint8 [H, W, 3]; None at the end."""
        good, frame = self._capture.read()
        if not good and self._loop:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            good, frame = self._capture.read()
        return frame if good else None

    def close(self) -> None:
        """Let the device or file go."""
        self._capture.release()


class MovingImageSource:
    """A still picture as a slowly moving and zooming camera sees it; never ends."""

    def __init__(
        self, image: np.ndarray, size: tuple[int, int] = (640, 480), rate_hz: float = 30.0
    ):
        """
        Begin.

        Args:
            image: BGR uint8 [H, W, 3].
            size: width and height of the frames.
            rate_hz: sets how far the camera moves between two frames.

        """
        self._image, self._size, self.rate_hz = image, size, rate_hz
        self._frame = 0

    def read(self) -> np.ndarray:
        """Return the next picture, BGR uint8 [H, W, 3]."""
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
        """Nothing to let go."""


def portrait_path() -> Path:
    """
    Return the path of the NASA portrait inside the scikit-image wheel, without importing it.

    Raises:
        SourceError: if scikit-image is not installed.

    """
    spec = importlib.util.find_spec('skimage')
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place) / 'data' / 'astronaut.png'
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
    Open a camera, a video or a picture.

    Args:
        source: ``'portrait'``, the number or path of a V4L2 device, or the path of a video or picture.
        size: width and height that a device is asked for, and of the frames made from a picture.
        rate_hz: of the frames made from a picture.
        loop: begin a video file anew at its end.

    Raises:
        SourceError: if there is no such thing or it cannot be opened.

    """
    if source.isdigit():
        return VideoSource(int(source), size)
    path = portrait_path() if source == PORTRAIT else Path(source)
    if not path.exists():
        raise SourceError(f'there is no camera, video or picture {source!r}')
    if path.suffix.lower() in IMAGE_SUFFIXES:
        image = cv2.imread(str(path))
        if image is None:
            raise SourceError(f'{path} is not a readable picture')
        return MovingImageSource(image, size, rate_hz)
    return VideoSource(str(path), size, loop)


_WARM_UP_FRAMES = 5


def capture_frame(source: str) -> np.ndarray:
    """
    Return one picture of a camera, BGR uint8 [H, W, 3], after some for it to find its exposure.

    Args:
        source: number of a camera, or whatever else `camera.open_source` opens.

    Raises:
        SourceError: if it gives no picture.

    """
    camera = open_source(source, loop=False)
    found = None
    try:
        for _ in range(_WARM_UP_FRAMES):
            frame = camera.read()
            if frame is None:
                break
            found = frame
    finally:
        camera.close()
    if found is None:
        raise SourceError(f'camera {source} gives no picture')
    return found
