# SPDX-License-Identifier: Apache-2.0
"""Make a recording of images from a camera, a video file or an image file."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from tqdm import tqdm

from emotion_perception.bag.message_types import COMPRESSED, RAW, MessageTypes, full_topic_name
from emotion_perception.bag.writing import STORAGES, new_bag
from emotion_perception.errors import BagError
from emotion_perception.imaging.sources import (
    FrameSource,
    MovingImageSource,
    open_source,
)
from emotion_perception.ros.conversions import bgr_to_image, time_message
from emotion_perception.runtime.quiet import without_library_notes

FORMATS = ('raw', 'jpeg')
"""Formats of the recorded images; the first is the default."""

TOPICS = {'raw': '/camera/image_raw', 'jpeg': '/camera/image_raw/compressed'}
"""Default topic of each format, as camera drivers name them."""

FILE_START_NS = 10**9
"""Stamp of a file's first frame: a file does not say when it was taken, and 0 means no stamp."""

_JPEG_QUALITY = 95


@dataclass(frozen=True)
class RecordingResult:
    """
    What was recorded.

    Attributes:
        topic: of the images.
        images: how many there are.
        duration_s: seconds from the first to the last.
        problems: what of the source could not be read.

    """

    topic: str
    images: int
    duration_s: float
    problems: Sequence[str]


def record_bag(
    source: str,
    out: Path,
    image_format: str = FORMATS[0],
    seconds: float | None = None,
    topic: str = '',
    storage: str = STORAGES[0],
    compress: bool = False,
    stopped: threading.Event | None = None,
) -> RecordingResult:
    """
    Record the frames of a source.

    The frames of a file are stamped by the file's own times, so that the recording is the same
    every time; those of a camera by the clock.

    Args:
        source: as for `sources.open_source`.
        out: folder of the recording; must not exist.
        image_format: one of `FORMATS`.
        seconds: maximum duration; needed for an image file, which never ends.
        topic: of the images; empty for the default in `TOPICS`.
        storage: one of `STORAGES`.
        compress: with zstd.
        stopped: when set, recording ends; the frames until then are kept.

    Raises:
        SourceError: if the source cannot be opened.
        BagError: if it gives no frame, never ends, `topic` is invalid, or `out` cannot be written.

    """
    stopped = stopped or threading.Event()
    topic = full_topic_name(topic or TOPICS[image_format])
    types = MessageTypes()
    with without_library_notes():
        frames = open_source(source, loop=False)
    try:
        if isinstance(frames, MovingImageSource) and seconds is None:
            raise BagError(f'{source} is an image and never ends; limit it with --seconds')
        msgtype = RAW if image_format == 'raw' else COMPRESSED
        count, first_ns, last_ns = 0, 0, 0
        with new_bag(out, storage, compress) as new:
            images = new.add_topic(topic, msgtype, types.define(msgtype))
            stamped = _stamped_frames(frames, seconds, stopped)
            for stamp_ns, frame in tqdm(stamped, unit='image', disable=None):
                header = Header(stamp=time_message(stamp_ns), frame_id='camera')
                message = _message(frame, header, image_format)
                new.write(images, stamp_ns, types.encode(message, msgtype))
                first_ns, last_ns = first_ns or stamp_ns, stamp_ns
                count += 1
            if not count:
                raise BagError(f'{source} gave no frame; nothing was written')
    finally:
        frames.close()
    return RecordingResult(topic, count, (last_ns - first_ns) / 1e9, frames.problems)


def _stamped_frames(
    source: FrameSource, seconds: float | None, stopped: threading.Event
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield stamp in nanoseconds and frame."""
    start_ns = 0
    while not stopped.is_set():
        with without_library_notes():
            frame = source.read()
        if frame is None:
            return
        stamp_ns = time.time_ns() if source.live else FILE_START_NS + round(source.time_s * 1e9)
        start_ns = start_ns or stamp_ns
        if seconds is not None and stamp_ns - start_ns >= seconds * 1e9:
            return
        yield stamp_ns, frame


def _message(frame: np.ndarray, header: Header, image_format: str) -> Image | CompressedImage:
    if image_format == 'raw':
        return bgr_to_image(frame, header)
    blob = cv2.imencode('.jpg', frame, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))[1]
    return CompressedImage(header=header, format='jpeg', data=blob.tobytes())
