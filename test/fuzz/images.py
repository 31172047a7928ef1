"""Targets that read images: raw bytes, jpeg and png, and whole messages all the way to the answer."""

import struct
import zlib
from pathlib import Path

from fuzz.targets import Run, Target

_HEAD = struct.Struct('<BIIIB')
"""Of a raw image here: encoding by number, height, width, step, byte order; then its bytes."""


def _load_raw(folder: Path) -> Run:
    import numpy as np

    from emotion_perception.errors import ImageError
    from emotion_perception.imaging.encodings import ENCODINGS, to_bgr

    def run(data: bytes) -> str:
        head, data = data[: _HEAD.size].ljust(_HEAD.size, b'\0'), data[_HEAD.size :]
        number, height, width, step, order = _HEAD.unpack(head)
        encoding = ENCODINGS[number] if number < len(ENCODINGS) else repr(data[:number])
        try:
            image = to_bgr(data, encoding, height, width, step, bool(order))
        except ImageError as error:
            return error.kind
        assert image.shape == (height, width, 3), image.shape
        assert image.dtype == np.uint8
        image.sum()  # what lies outside of the data would crash
        return 'read'

    return run


def _raw_seeds(folder: Path) -> list[bytes]:
    from emotion_perception.imaging.encodings import ENCODINGS

    pixels = bytes(range(256)) * 3
    return [
        _HEAD.pack(number, 8, 8, step, number % 2) + pixels
        for number in range(len(ENCODINGS))
        for step in (24, 32)
    ]


def _load_compressed(folder: Path) -> Run:
    import numpy as np

    from emotion_perception.errors import ImageError
    from emotion_perception.imaging.codecs import MAX_PIXELS, decode_compressed

    def run(data: bytes) -> str:
        try:
            image = decode_compressed(data)
        except ImageError as error:
            return error.kind
        assert image.dtype == np.uint8
        assert image.shape[2:] == (3,), image.shape
        assert 0 < image.shape[0] * image.shape[1] <= MAX_PIXELS, image.shape
        return 'read'

    return run


def _compressed_seeds(folder: Path) -> list[bytes]:
    import cv2
    import numpy as np

    from support import bombs

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
    made = [cv2.imencode(kind, picture, options)[1].tobytes() for kind, picture, options in kinds]
    return [*made, bombs.jpeg_of_scans(64, 64, 3), bombs.png(64, 64, 64), _animated(made[4])]


def _animated(png: bytes) -> bytes:
    """Return a png with the parts that an animation of one picture has, which OpenCV 4.11 and newer read."""

    def part(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
        )

    frame = struct.pack('>IIIIIHHBB', 0, 32, 24, 0, 0, 1, 10, 0, 0)
    extra = part(b'acTL', struct.pack('>II', 1, 0)) + part(b'fcTL', frame)
    return png[:33] + extra + png[33:]


def _load_message(folder: Path) -> Run:
    import math

    from emotion_perception.bag.message_types import (
        COMPRESSED,
        EMOTIONS_OF_IMAGE,
        RAW,
        MessageTypes,
    )
    from emotion_perception.emotions import EMOTIONS, UNCERTAIN
    from emotion_perception.errors import ImageError
    from emotion_perception.pipeline import Pipeline
    from emotion_perception.ros.conversions import image_to_bgr, seconds, to_emotion_array
    from emotion_perception.ros.stamps import MonotonicStamps

    types, pipeline, clock = MessageTypes(), Pipeline.default(detect_every=3), MonotonicStamps()

    def run(data: bytes) -> str:
        msgtype = COMPRESSED if data[:1] == b'\1' else RAW
        try:
            message = types.decode_image(data[1:], msgtype)
            image = image_to_bgr(message)
        except ImageError as error:
            return error.kind
        if image.size > 3_000_000:
            return 'read, too large to look at here'
        faces = pipeline.process(image, clock.to_monotonic_s(seconds(message.header.stamp), 0.0))
        for face in faces:
            box = face.box
            assert 0 <= box.x < box.x + box.width <= image.shape[1], box
            assert 0 <= box.y < box.y + box.height <= image.shape[0], box
            assert math.isclose(face.smoothed_probabilities.sum(), 1, abs_tol=1e-3), face
            assert face.label in (*EMOTIONS, UNCERTAIN), face
        types.encode(to_emotion_array(faces, message.header, image.shape), EMOTIONS_OF_IMAGE)
        return 'looked at'

    return run


def _message_seeds(folder: Path) -> list[bytes]:
    import cv2
    import numpy as np
    from sensor_msgs.msg import CompressedImage
    from std_msgs.msg import Header

    from emotion_perception.bag.message_types import COMPRESSED, RAW, MessageTypes
    from emotion_perception.imaging.sources import portrait_path
    from emotion_perception.ros.conversions import bgr_to_image, time_message

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
    'raw': Target('raw images (`to_bgr`)', _load_raw, _raw_seeds),
    'compressed': Target(
        'jpeg and png (`decode_compressed`)', _load_compressed, _compressed_seeds
    ),
    'message': Target('image messages, from CDR to the answer', _load_message, _message_seeds),
}
