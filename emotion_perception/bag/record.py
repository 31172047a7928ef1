"""Make a recording of images from a camera, a video file or a picture."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from tqdm import tqdm

from emotion_perception.bag.message_types import COMPRESSED, RAW, MessageTypes, checked_topic
from emotion_perception.bag.writing import STORAGES, new_bag
from emotion_perception.errors import BagError
from emotion_perception.imaging.sources import (
    FrameSource,
    MovingImageSource,
    VideoSource,
    open_source,
)
from emotion_perception.ros.conversions import bgr_to_image, time_message

FORMATS = ('raw', 'jpeg')
"""How images can be kept; the first is the default."""

TOPICS = {'raw': '/camera/image_raw', 'jpeg': '/camera/image_raw/compressed'}
"""Where images go unless another topic is named, as camera drivers call them."""

FILE_BEGINS_NS = 10**9
"""Time of a file's first picture: a file says not when it was taken, and 0 stands for no stamp."""

_JPEG_QUALITY = 95


@dataclass(frozen=True)
class Recorded:
    """How many images were written, to which topic, and how many seconds they span."""

    topic: str
    images: int
    span_s: float


def record_bag(
    source: str,
    out: Path,
    form: str = FORMATS[0],
    seconds: float | None = None,
    topic: str = '',
    storage: str = STORAGES[0],
    compress: bool = False,
    stopped: threading.Event | None = None,
) -> Recorded:
    """
    Write a recording of what a source shows.

    A file's images are stamped by their number and rate, so that the recording is the same every
    time; a camera's by the clock when they are taken.

    Args:
        source: as `camera.open_source` takes it.
        out: folder of the recording; must not exist.
        form: one of `FORMATS`.
        seconds: how much of it; needed for a picture, which never ends.
        topic: of the images; empty is `TOPICS`'.
        storage: one of `STORAGES`.
        compress: with zstd.
        stopped: ends the recording when it is set; what was taken until then is kept.

    Raises:
        SourceError: if the source cannot be opened.
        BagError: if it shows nothing, never ends, `topic` is no name, or `out` cannot be written.

    """
    stopped = stopped or threading.Event()
    topic = checked_topic(topic or TOPICS[form])
    types = MessageTypes()
    camera = open_source(source, loop=False)
    try:
        if isinstance(camera, MovingImageSource) and seconds is None:
            raise BagError(f'{source} is a picture and never ends; say how long with --seconds')
        live = isinstance(camera, VideoSource) and not Path(source).is_file()
        msgtype = RAW if form == 'raw' else COMPRESSED
        count, first_ns, last_ns = 0, 0, 0
        with new_bag(out, storage, compress) as new, tqdm(unit='image', disable=None) as bar:
            images = new.add_topic(topic, msgtype, types.define(msgtype))
            for stamp_ns, frame in _frames(camera, live, seconds, stopped):
                header = Header(stamp=time_message(stamp_ns), frame_id='camera')
                new.write(images, stamp_ns, types.encode(_message(frame, header, form), msgtype))
                first_ns, last_ns = first_ns or stamp_ns, stamp_ns
                count += 1
                bar.update()
            if not count:
                raise BagError(f'{source} gave no picture; nothing was written')
    finally:
        camera.close()
    return Recorded(topic, count, (last_ns - first_ns) / 1e9)


def _frames(
    camera: FrameSource, live: bool, seconds: float | None, stopped: threading.Event
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield time in nanoseconds and picture."""
    begin_ns, count = 0, 0
    while not stopped.is_set():
        frame = camera.read()
        if frame is None:
            return
        stamp_ns = time.time_ns() if live else FILE_BEGINS_NS + round(count * 1e9 / camera.rate_hz)
        begin_ns = begin_ns or stamp_ns
        if seconds is not None and stamp_ns - begin_ns >= seconds * 1e9:
            return
        yield stamp_ns, frame
        count += 1


def _message(frame: np.ndarray, header: Header, form: str) -> Image | CompressedImage:
    if form == 'raw':
        return bgr_to_image(frame, header)
    blob = cv2.imencode('.jpg', frame, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))[1]
    return CompressedImage(header=header, format='jpeg', data=blob.tobytes())
