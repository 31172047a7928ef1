# SPDX-License-Identifier: Apache-2.0
"""Readers of foreign bytes: each may only raise the project's own errors."""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from emotion_perception.bag.message_types import COMPRESSED, EMOTIONS_OF_IMAGE, RAW, MessageTypes
from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.errors import ImageError
from emotion_perception.imaging.codecs import MAX_PIXELS, decode_compressed
from emotion_perception.imaging.encodings import ENCODINGS, to_bgr
from emotion_perception.imaging.sources import portrait_path
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import (
    bgr_to_image,
    image_to_bgr,
    seconds,
    time_message,
    to_emotion_array,
)
from support import bombs

_RAW_HEADER = struct.Struct('<BIIIB')
"""Encoding by number, height, width, step, byte order; the pixels follow."""
_MOST_VALUES = 3_000_000
"""Larger images are read but not searched for faces here."""


@dataclass(frozen=True)
class Target:
    """
    One reader.

    Attributes:
        what: it reads, in words.
        make: returns the function that reads an input and may raise `ImageError`, nothing else.
        seeds: returns valid inputs to start from.

    """

    what: str
    make: Callable[[], Callable[[bytes], object]]
    seeds: Callable[[], list[bytes]]


def _read_raw(data: bytes) -> None:
    header, pixels = data[: _RAW_HEADER.size], data[_RAW_HEADER.size :]
    number, height, width, step, order = _RAW_HEADER.unpack(header.ljust(_RAW_HEADER.size, b'\0'))
    encoding = ENCODINGS[number] if number < len(ENCODINGS) else repr(pixels[:number])
    image = to_bgr(pixels, encoding, height, width, step, bool(order))
    assert image.shape == (height, width, 3), image.shape
    assert image.dtype == np.uint8
    image.sum()  # a view beyond the data would crash


def _raw_seeds() -> list[bytes]:
    pixels = bytes(range(256)) * 3
    return [
        _RAW_HEADER.pack(number, 8, 8, step, number % 2) + pixels
        for number in range(len(ENCODINGS))
        for step in (24, 32)
    ]


def _read_compressed(data: bytes) -> None:
    image = decode_compressed(data)
    assert image.dtype == np.uint8
    assert image.shape[2:] == (3,), image.shape
    assert 0 < image.shape[0] * image.shape[1] <= MAX_PIXELS, image.shape


def _compressed_seeds() -> list[bytes]:
    noise = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    kinds: list[tuple[str, np.ndarray, list[int]]] = [
        ('.jpg', noise, []),
        ('.jpg', noise, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        ('.jpg', noise, [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]),
        ('.jpg', noise[..., 0], []),
        ('.png', noise, []),
        ('.png', noise[..., 0], [cv2.IMWRITE_PNG_BILEVEL, 1]),
        ('.png', noise.astype(np.uint16) * 256, []),
        ('.png', np.dstack((noise, noise[..., 0])), []),
    ]
    seeds = [cv2.imencode(kind, image, options)[1].tobytes() for kind, image, options in kinds]
    animation = bombs.png_chunk(b'acTL', struct.pack('>II', 1, 0))
    frame = struct.pack('>IIIIIHHBB', 0, 32, 24, 0, 0, 1, 10, 0, 0)
    animated = seeds[4][:33] + animation + bombs.png_chunk(b'fcTL', frame) + seeds[4][33:]
    return [*seeds, bombs.jpeg_of_scans(64, 64, 3), bombs.png(64, 64, 64), animated]


def _make_message_reader() -> Callable[[bytes], None]:
    types, pipeline = MessageTypes(), Pipeline.default(detect_every=3)

    def read(data: bytes) -> None:
        message = types.decode_image(data[1:], COMPRESSED if data[:1] == b'\1' else RAW)
        image = image_to_bgr(message)
        if image.size > _MOST_VALUES:
            return
        faces = pipeline.process(image, seconds(message.header.stamp))
        for face in faces:
            box = face.box
            assert 0 <= box.x < box.x + box.width <= image.shape[1], box
            assert 0 <= box.y < box.y + box.height <= image.shape[0], box
            assert math.isclose(face.smoothed_probabilities.sum(), 1, abs_tol=1e-3), face
            assert face.label in (*EMOTIONS, UNCERTAIN), face
        types.encode(to_emotion_array(faces, message.header, image.shape), EMOTIONS_OF_IMAGE)

    return read


def _message_seeds() -> list[bytes]:
    types = MessageTypes()
    portrait = cv2.imread(str(portrait_path()))
    assert portrait is not None
    face = cv2.resize(portrait[20:280, 100:360], (64, 64))
    header = Header(stamp=time_message(5 * 10**9), frame_id='eye')
    jpeg = CompressedImage(header=header, format='jpeg')
    jpeg.data = cv2.imencode('.jpg', face)[1].tobytes()
    wide = np.ascontiguousarray(np.tile(face, (1, 3, 1)))
    return [
        b'\0' + types.encode(bgr_to_image(face, header), RAW),
        b'\0' + types.encode(bgr_to_image(wide, Header()), RAW),
        b'\1' + types.encode(jpeg, COMPRESSED),
    ]


TARGETS = {
    'raw': Target('raw images (`to_bgr`)', lambda: _read_raw, _raw_seeds),
    'compressed': Target(
        'jpeg and png (`decode_compressed`)', lambda: _read_compressed, _compressed_seeds
    ),
    'message': Target(
        'image messages, from CDR to emotions', _make_message_reader, _message_seeds
    ),
}


@dataclass
class Counter:
    """
    Calls a target and counts.

    Attributes:
        read, refused: numbers of inputs.
        kinds: of `ImageError`, the reasons for refusals.

    """

    function: Callable[[bytes], object]
    read: int = 0
    refused: int = 0

    def __post_init__(self) -> None:
        """Start without kinds."""
        self.kinds: set[str] = set()

    def __call__(self, data: bytes) -> None:
        """Read an input; any error but `ImageError` passes through."""
        try:
            self.function(data)
        except ImageError as error:
            self.refused += 1
            self.kinds.add(error.kind)
        else:
            self.read += 1
