# SPDX-License-Identifier: Apache-2.0
"""Image messages with arbitrary fields on their whole way through the active node."""

import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from emotion_msgs.msg import EmotionArray
from emotion_perception.detection.keyframes import DETECT_EVERY
from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.imaging.codecs import MAX_PIXELS
from emotion_perception.imaging.encodings import ENCODINGS
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.diagnostics import NodeStatus, to_diagnostic_status
from emotion_perception.ros.frame_processor import FrameProcessor
from emotion_perception.ros.frame_statistics import FrameStatistics
from emotion_perception.visualization import annotate
from support import bombs

KINDS = {
    *('data missing', 'empty image', 'image cut short', 'image damaged', 'image too large'),
    *('neither jpeg nor png', 'size impossible for the encoding', 'step too small'),
    *('too many scans', 'unknown encoding'),
}
"""Kinds of faults that are expected; any other is a bug."""

NOW_S = 1_700_000_000.0
TEXT_LIMIT = 200
"""Characters of a text from outside in diagnostics, which are published once a second."""

bounded = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)

uint32 = st.one_of(
    st.integers(0, 64),
    st.integers(0, 2**32 - 1),
    st.sampled_from([2**31 - 1, 2**31, 2**32 - 1, 46341, 65536]),
)
# rclpy lets neither a zero nor half of a surrogate pair through
words = st.text(st.characters(exclude_characters='\0', exclude_categories=['Cs']), max_size=60)
stamps = st.builds(Time, sec=st.integers(-(2**31), 2**31 - 1), nanosec=st.integers(0, 2**32 - 1))
headers = st.builds(Header, stamp=stamps, frame_id=st.one_of(words, words.map(lambda w: w * 5000)))
encodings = st.one_of(st.sampled_from(ENCODINGS), words, words.map(lambda w: w * 5000))


@st.composite
def fitting_images(draw):
    """Return a valid image, or one with a single field that is a little off."""
    encoding = draw(st.sampled_from(ENCODINGS))
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    step = width * 8 + draw(st.integers(0, 9))
    size = max(step * height * 3 + draw(st.integers(-(step * height * 3), 40)), 0)
    fields = {'width': width, 'height': height, 'step': step}
    off = draw(st.sampled_from([None, None, 'width', 'height', 'step']))
    if off:
        fields[off] = max(fields[off] + draw(st.sampled_from([-1, 1, 7, 2**31])), 0) % 2**32
    message = Image(
        header=draw(headers), encoding=encoding, is_bigendian=draw(st.integers(0, 255)), **fields
    )
    message.data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
    return message


any_images = st.builds(
    Image, header=headers, height=uint32, width=uint32, encoding=encodings,
    is_bigendian=st.integers(0, 255), step=uint32, data=st.binary(max_size=2000),
)  # fmt: skip


def _whole_files():
    noise = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    made = [cv2.imencode(kind, noise)[1].tobytes() for kind in ('.jpg', '.png')]
    return [
        *made,
        bombs.jpeg(50_000, 50_000),
        bombs.png(50_000, 50_000, 2),
        bombs.jpeg_of_scans(64, 64, 5),
    ]


@st.composite
def damaged_files(draw):
    """Return an image file with bytes changed, cut off or inserted."""
    data = bytearray(draw(st.sampled_from(_whole_files())))
    for at, piece in draw(st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=8)), max_size=4)):
        begin = int(at * len(data))
        data[begin : begin + len(piece)] = piece
    return bytes(data[: draw(st.integers(0, len(data))) or None])


any_compressed = st.builds(
    CompressedImage, header=headers, format=st.one_of(words, words.map(lambda w: w * 5000)),
    data=st.one_of(damaged_files(), st.binary(max_size=300)),
)  # fmt: skip


class Stage:
    """Processes messages as the active node does, and keeps what it would publish."""

    def __init__(self):
        """Start as on activation."""
        self.published, self.drawn, self.statistics = [], [], FrameStatistics()
        self.logged = []
        node = SimpleNamespace(
            context=SimpleNamespace(ok=lambda: True),
            get_clock=lambda: SimpleNamespace(
                now=lambda: SimpleNamespace(nanoseconds=NOW_S * 1e9)
            ),
            get_logger=lambda: SimpleNamespace(warning=self.logged.append),
        )
        self._arrived_s = 100.0
        self._processor = FrameProcessor(
            node, Pipeline.default(detect_every=DETECT_EVERY),
            SimpleNamespace(publish=self._publish, publish_annotated=self._draw), self.statistics,
        )  # fmt: skip

    def _draw(self, processed):
        image, faces = processed.image, processed.faces
        self.drawn.append((image.shape, len(faces)))
        if image.size < 5_000_000:
            assert annotate(image, faces).shape == image.shape

    def _publish(self, processed):
        assert {face.face_id for face in processed.array.faces} <= processed.tracked_ids
        assert len(processed.faces) == len(processed.array.faces)
        self.published.append(processed.array)

    def serve(self, message):
        """Process one message; check all of its effects."""
        statistics = self.statistics
        before, self._arrived_s = len(self.published), self._arrived_s + 0.03
        counted = statistics.processed + statistics.failed.total()
        self._processor.process(message, self._arrived_s)
        assert statistics.processed + statistics.failed.total() == counted + 1
        assert set(statistics.failed) <= KINDS, self.logged[-1]
        assert len(self.published) - before == (not statistics.last_failure)
        self._check_diagnostics()
        for array in self.published[before:]:
            self._check(array, message)

    def _check_diagnostics(self):
        status = to_diagnostic_status(
            'node', NodeStatus('active', topic='/image'), self.statistics
        )
        assert max(len(pair.value) for pair in status.values) < TEXT_LIMIT
        assert len(status.message) < 5 * TEXT_LIMIT
        serialize_message(status)

    def _check(self, array, message):
        assert array.header == message.header
        assert 0 < array.image_width * array.image_height <= MAX_PIXELS
        assert math.isnan(array.age) or 0 <= array.age < 5e9
        for face in array.faces:
            box = face.box
            assert box.x_offset + box.width <= array.image_width
            assert box.y_offset + box.height <= array.image_height
            assert box.width * box.height > 0
            assert face.label in (*EMOTIONS, UNCERTAIN)
            assert face.smoothed_probabilities.sum() == pytest.approx(1, abs=1e-3)
        back = deserialize_message(serialize_message(array), EmotionArray)
        assert back.header.stamp == message.header.stamp
        assert len(back.faces) == len(array.faces)


@pytest.fixture(scope='module')
def stage():
    """Return one stage for all examples, so that one message could harm the next."""
    return Stage()


@bounded
@given(message=any_images)
def test_any_raw_image(stage, message):
    stage.serve(message)


@bounded
@given(message=fitting_images())
def test_raw_images_that_nearly_fit(stage, message):
    stage.serve(message)


@bounded
@given(message=any_compressed)
def test_any_compressed_image(stage, message):
    stage.serve(message)


def test_a_very_long_format(stage):
    message = CompressedImage(format='jpeg; ' * 100_000)
    message.data = cv2.imencode('.jpg', np.zeros((9, 9, 3), np.uint8))[1].tobytes()
    stage.serve(message)
    assert stage.statistics.format.startswith('9x9 jpeg; ')


@settings(bounded, max_examples=12)
@given(headers=st.lists(headers, min_size=3, max_size=12), data=st.data())
def test_a_face_under_any_stamps(stage, portrait, headers, data):
    """Ids, boxes and times stay valid wherever the stamps jump."""
    small = np.ascontiguousarray(cv2.resize(portrait, (240, 240)))
    for header in headers:
        message = Image(header=header, height=240, width=240, encoding='bgr8', step=720)
        message.data = small.tobytes()
        stage.serve(message)
        (face,) = stage.published[-1].faces
        assert face.face_id > 0
        assert 0 <= face.tracked_for.nanosec < 10**9
        assert face.tracked_for.sec >= 0


@settings(bounded, max_examples=30)
@given(
    size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)).filter(
        lambda size: size[0] * size[1] < 3_000_000
    ),
    values=st.integers(0, 2**32 - 1),
)
def test_any_shape(stage, size, values):
    height, width = size
    pattern = np.random.default_rng(values).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    image = np.ascontiguousarray(np.resize(pattern, (height, width, 3)))
    message = Image(height=height, width=width, encoding='bgr8', step=3 * width)
    message.data = image.tobytes()
    stage.serve(message)
    assert stage.statistics.last_failure == ''


@pytest.mark.parametrize(
    'size', [(1, 40_000_000), (40_000_000, 1), (70_000, 2), (2, 33_000), (20_000, 4_000)]
)
def test_shapes_beyond_what_opencv_counts(stage, size):
    """Some functions of OpenCV count in 16 bits."""
    height, width = size
    message = Image(height=height, width=width, encoding='mono8', step=width)
    message.data = bytes(height * width)
    stage.serve(message)
    assert stage.statistics.last_failure == ''
    (shape, faces) = stage.drawn[-1]
    assert (shape, faces) == ((height, width, 3), 0)


def test_a_face_in_an_image_that_is_longer_than_opencv_counts(stage, portrait):
    for axis in (0, 1):
        long = np.zeros((512, 70_000, 3) if axis else (70_000, 512, 3), np.uint8)
        long[:512, :512] = portrait
        message = Image(
            height=long.shape[0], width=long.shape[1], encoding='bgr8', step=3 * long.shape[1]
        )
        message.data = long.tobytes()
        stage.serve(message)
        assert stage.statistics.last_failure == ''
