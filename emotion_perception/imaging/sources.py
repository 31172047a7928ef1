# SPDX-License-Identifier: Apache-2.0
"""Sources of frames: cameras, streams, videos, numbered images, an image that a camera sees."""

import importlib.util
import math
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import cv2
import numpy as np

from emotion_perception.errors import ImageError, SourceError, is_unicode
from emotion_perception.imaging.codecs import IMAGE_SUFFIXES, is_image_file, read_image

PORTRAIT = 'portrait'
"""Name of the NASA portrait (public domain) in scikit-image as a source."""

_MAX_RATE_HZ = 999.0
"""A file that claims more does not know its rate: 1000 is a clock of milliseconds."""

_DEFAULT_RATE_HZ = 30.0
_WHOLE_SHARE = 0.8
"""Of its length after which a film may end; what the file says of its length is rough."""
_NUMBER_IN_PATTERN = re.compile(r'%0?\d*d')


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silence OpenCV's log (level 0; version 4.13 moved the switch): our error says more."""
    logging = getattr(cv2.utils, 'logging', cv2)
    level = logging.setLogLevel(0)
    try:
        yield
    finally:
        logging.setLogLevel(level)


def _why_not_opened(source: int | str) -> str:
    if isinstance(source, str) and Path(source).is_file():
        return 'it is no video that OpenCV reads'
    if _is_gstreamer(source) and not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        return "this build of OpenCV has no GStreamer; Debian's and Ubuntu's python3-opencv has it"
    if _is_gstreamer(source):
        return 'try the pipeline with gst-launch-1.0; it must end in appsink'
    if _is_address(source):
        return 'is the address right, and does the stream run?'
    return 'is the camera there and not in use?'


class VideoSource:
    """A V4L2 device, a video file, the address of a stream or a GStreamer pipeline."""

    def __init__(self, source: int | str, size: tuple[int, int] | None = None, loop: bool = False):
        """
        Open the device, file or stream with OpenCV.

        Args:
            source: number or path of a device, path of a file, address or pipeline.
            size: width and height requested from a device; ignored for others.
            loop: start a file again at its end.

        Raises:
            SourceError: if it cannot be opened.

        """
        if not is_unicode(source):
            raise SourceError(f'{source} cannot be opened: its name is not UTF-8; rename it')
        backend = cv2.CAP_GSTREAMER if _is_gstreamer(source) else cv2.CAP_ANY
        with quiet_opencv():
            self._capture = cv2.VideoCapture(source, backend)
        if not self._capture.isOpened():
            raise SourceError(f'{source} cannot be opened: {_why_not_opened(source)}')
        # the address of a film, which has an end, and not of a camera
        is_film = _is_address(source) and self._capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0
        self.live = not is_film and not (isinstance(source, str) and Path(source).is_file())
        self._loop = loop
        if size and self.live:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate_hz = rate if 0 < rate <= _MAX_RATE_HZ else _DEFAULT_RATE_HZ
        self.time_s = 0.0
        self.problems: list[str] = []
        self._name = str(source)
        self._frames, self._start_s = 0, 0.0

    def read(self) -> np.ndarray | None:
        """Return the next frame, BGR uint8 [H, W, 3]; None at the end."""
        ok, frame = self._capture.read()
        if not ok and self._loop:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            ok, frame = self._capture.read()
        if not ok:
            self._check_length()
            return None
        self._read_time()
        return frame

    def _check_length(self) -> None:
        """Note if a file ends long before it says, as one that was not copied as a whole."""
        # OpenCV computes the number of frames with its own rate, however strange that is
        rate_hz = self._capture.get(cv2.CAP_PROP_FPS) or self.rate_hz
        length_s = self._capture.get(cv2.CAP_PROP_FRAME_COUNT) / rate_hz
        ends_s = self._frames and self.time_s + 1 / self.rate_hz
        if self.live or self._loop or self.problems or ends_s >= _WHOLE_SHARE * length_s:
            return
        self.problems.append(
            f'{self._name} ends after {ends_s:.1f} of {length_s:.1f} s: is the file whole?'
        )

    def _read_time(self) -> None:
        """Take the clock, of a file its own time stamps; where it has none, go by the rate."""
        stamp_s = (
            time.monotonic() if self.live else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        )
        if not self._frames:
            self._start_s = stamp_s
        time_s = stamp_s - self._start_s
        if self._frames and not time_s > self.time_s:
            time_s = self.time_s + 1 / self.rate_hz
        self.time_s = time_s
        self._frames += 1

    def close(self) -> None:
        """Release the device or file."""
        self._capture.release()


def _read_frame(path: Path) -> np.ndarray:
    try:
        return read_image(path)
    except (ImageError, OSError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise SourceError(f'{path} cannot be read: {reason}') from error


class ImageFilesSource:
    """
    Image files as the frames of a film.

    Attributes:
        paths: of the files.

    """

    live = False

    def __init__(self, paths: Sequence[Path], rate_hz: float = 30.0, loop: bool = False):
        """Start at the first of one or more files, of which `rate_hz` make a second."""
        self.paths, self.rate_hz, self._loop = paths, rate_hz, loop
        self.problems: list[str] = []
        self._frame, self.time_s = 0, 0.0

    def read(self) -> np.ndarray | None:
        """
        Return the next frame, BGR uint8 [H, W, 3]; None at the end.

        A file that cannot be read is left out.

        Raises:
            SourceError: if none of the files can be read.

        """
        for _ in self.paths:
            if self._frame >= len(self.paths) and not self._loop:
                return None
            path = self.paths[self._frame % len(self.paths)]
            self.time_s = self._frame / self.rate_hz
            self._frame += 1
            try:
                return _read_frame(path)
            except SourceError as error:
                if str(error) not in self.problems:
                    self.problems.append(str(error))
                if len(self.problems) == len(self.paths):
                    raise
        return None

    def close(self) -> None:
        """Do nothing: each file is closed when it has been read."""


class MovingImageSource:
    """An image as a slowly moving and zooming camera sees it; never ends."""

    live = False

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
        self.problems: list[str] = []
        self._frame, self.time_s = 0, 0.0

    def read(self) -> np.ndarray:
        """Return the next frame, BGR uint8 [H, W, 3]."""
        time_s = self.time_s = self._frame / self.rate_hz
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


def _is_address(source: int | str) -> bool:
    return isinstance(source, str) and '://' in source


def local_path(source: str) -> str:
    """Return the path in a ``file://`` address; another source as it is."""
    address = urlsplit(source) if _is_address(source) else None
    return unquote(address.path) if address and address.scheme == 'file' else source


def _is_gstreamer(source: int | str) -> bool:
    return isinstance(source, str) and ' ! ' in source


def _by_number(path: Path) -> list[tuple[int, str]]:
    """Return a sort key with which frame_2 comes before frame_10."""
    parts = re.findall(r'(\d+)|(\D+)', path.name)
    return [(int(digits), '') if digits else (-1, text) for digits, text in parts]


def _numbered_images(source: str) -> list[Path]:
    """Return the images of a folder, or those that a pattern such as frame_%03d.jpg names."""
    path = Path(source)
    if path.is_dir():
        found = [p for p in path.iterdir() if is_image_file(p)]
    else:
        before, after = map(re.escape, _NUMBER_IN_PATTERN.split(path.name, maxsplit=1))
        name = re.compile(rf'{before}\d+{after}')
        found = [p for p in path.parent.glob('*') if name.fullmatch(p.name)]
    return sorted(found, key=_by_number)


FrameSource = VideoSource | ImageFilesSource | MovingImageSource
"""
A source of frames, `rate_hz` of them a second in the mean. `time_s` is the time of the frame that
was read last, since the first one. A `live` source gives frames as they are taken, without an end.
`problems` says what could not be read until now.
"""


def open_source(
    source: str = PORTRAIT,
    size: tuple[int, int] = (640, 480),
    rate_hz: float = 30.0,
    loop: bool = True,
) -> FrameSource:
    """
    Open a camera, a stream, a video file, a folder of frames or an image file.

    Args:
        source: ``'portrait'``; number or path of a V4L2 device; path of a video or image file, or
            of a folder of images that are frames; a pattern of such files, ``frame_%03d.jpg``; an
            address, ``rtsp://...``, ``http://...`` or ``file://...``; or a GStreamer pipeline that
            ends in appsink.
        size: width and height requested from a device, and of the frames made from an image.
        rate_hz: of the frames made from one or many images.
        loop: start a file again at its end.

    Raises:
        SourceError: if there is no such source or it cannot be opened.

    """
    source = local_path(source)
    if not source:
        raise SourceError('the source is empty: name a camera, video or image')
    if source.isdigit():
        return VideoSource(int(source), size)
    if _is_address(source) or _is_gstreamer(source):
        return VideoSource(source)
    path = portrait_path() if source == PORTRAIT else Path(source)
    is_pattern = not path.exists() and _NUMBER_IN_PATTERN.search(path.name) is not None
    if path.is_dir() or is_pattern:
        images = _numbered_images(source)
        if not images:
            raise SourceError(f'{source} holds no image' if path.is_dir() else f'no file {source}')
        return ImageFilesSource(images, rate_hz, loop)
    if not path.exists():
        raise SourceError(f'there is no camera, video or image {source!r}')
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return MovingImageSource(_read_frame(path), size, rate_hz)
    return VideoSource(str(path), size, loop)
