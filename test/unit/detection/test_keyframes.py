# SPDX-License-Identifier: Apache-2.0
"""Keyframes, and the tracked faces in between: the same faces in the same places."""

from collections import Counter

import cv2
import numpy as np
import pytest

from emotion_perception.detection import RegionDetector, make_detector
from emotion_perception.detection.blazeface import BlazeFaceDetector
from emotion_perception.detection.haar import HaarDetector
from emotion_perception.detection.keyframes import (
    KEYFRAMES_AFTER_LOSS_S,
    MAX_STEP_S,
    KeyframeDetector,
)
from emotion_perception.imaging.sources import MovingImageSource
from emotion_perception.pipeline import Pipeline
from emotion_perception.tracking import Tracker
from emotion_perception.types import Detection
from support.tracking_agreement import compare, run

IMAGE = np.zeros((480, 640, 3), np.uint8)


class Scripted:
    """A detector with given faces that counts its calls."""

    def __init__(self, *places):
        """Show a face of 80 pixels at each x."""
        self.places, self.calls = list(places), Counter()
        self.min_detection_score, self.min_face_px = 0.5, 20

    def detect(self, image):
        """Return all faces."""
        self.calls['image'] += 1
        return [Detection((x, 100.0, 80.0, 80.0), 0.9) for x in self.places]

    def detect_in_region(self, image, box):
        """Return the face that is less than half its width away."""
        self.calls['region'] += 1
        for x in self.places:
            if abs(x - box[0]) < 40:
                return Detection((x, 100.0, 80.0, 80.0), 0.7)
        return None


def places(keyframes, frame, rate_hz=30.0):
    """Return where the faces of a frame are."""
    return [face.box[0] for face in keyframes.detect(IMAGE, frame / rate_hz)]


def run_script(script, every):
    """Check the faces of each frame; return the number of keyframes up to each."""
    detector = Scripted()
    keyframes = KeyframeDetector(detector, every)
    counts = []
    for frame, (shown, expected) in enumerate(script):
        detector.places = shown
        assert places(keyframes, frame) == expected, frame
        counts.append(detector.calls['image'])
    return counts


@pytest.mark.parametrize('every', [1, 2, 3, 10])
def test_every_nth_frame_is_a_keyframe(every):
    detector = Scripted(100.0, 300.0)
    keyframes = KeyframeDetector(detector, every)
    for frame in range(30):
        assert places(keyframes, frame) == [100, 300]
    assert detector.calls['image'] == 30 / every
    assert detector.calls['region'] == 2 * (30 - 30 / every)


@pytest.mark.parametrize(
    ('every', 'script', 'keyframes'),
    [
        (5, [([100.0 + 20 * i], [100.0 + 20 * i]) for i in range(10)], 2),
        (
            4,
            [([1.0], [1.0]), *[([1.0, 400.0], [1.0])] * 3, *[([1.0, 400.0], [1.0, 400.0])] * 4],
            2,
        ),
        (10, [([100.0], [100.0]), ([500.0], [500.0])], 2),
        (5, [*[([], [])] * 3, ([300.0], [300.0])], 4),
        (30, [([1.0], [1.0])] * 3 + [([], [])] * 3 + [([1.0], [1.0])] * 6, 10),
        (10, [([100.0, 170.0], [100.0, 170.0]), ([138.0], [138.0])], 2),
    ],
    ids=['moves', 'second face', 'jumps', 'first face', 'hidden for a moment', 'covers the other'],
)
def test_faces_of_a_script(every, script, keyframes):
    """Each frame is (places shown, places detected)."""
    assert run_script(script, every)[-1] == keyframes


def test_a_face_that_leaves_is_dropped_at_once_and_searched_for_a_while():
    counts = run_script([([100.0, 300.0], [100.0, 300.0])] + [([300.0], [300.0])] * 60, 10)
    frames = round(KEYFRAMES_AFTER_LOSS_S * 30)
    assert counts[1 : frames + 1] == list(range(2, frames + 2))
    assert counts[-1] - counts[frames + 1] == (60 - frames) // 10


@pytest.mark.parametrize(
    ('step_s', 'keyframes'),
    [*((step, 2) for step in (MAX_STEP_S + 0.01, 10.0, -0.01, -10.0)), (0.0, 1), (0.2, 1)],
)
def test_a_pause_or_a_jump_of_the_stamps_makes_a_keyframe(step_s, keyframes):
    detector = Scripted(100.0)
    detections = KeyframeDetector(detector, 10)
    detections.detect(IMAGE, 50.0)
    detections.detect(IMAGE, 50.0 + step_s)
    assert detector.calls['image'] == keyframes


@pytest.mark.parametrize(('name', 'value'), [('min_detection_score', 0.95), ('min_face_px', 90)])
def test_raised_thresholds_count_at_once(name, value):
    detector = Scripted(100.0)
    keyframes = KeyframeDetector(detector, 10)
    places(keyframes, 0)
    setattr(detector, name, value)
    places(keyframes, 1)
    assert detector.calls['image'] == 2


def test_the_score_is_that_of_the_keyframe():
    """The score of a region is of another kind, and would jump."""
    keyframes = KeyframeDetector(Scripted(100.0), 3)
    assert [keyframes.detect(IMAGE, i / 30)[0].score for i in range(6)] == [0.9] * 6


def test_without_region_detection_each_frame_is_a_keyframe():
    class Plain:
        min_detection_score, min_face_px, calls = 0.5, 20, 0

        def detect(self, image):
            self.calls += 1
            return [Detection((10.0, 10.0, 80.0, 80.0), 0.9)]

    detector = Plain()
    assert not isinstance(detector, RegionDetector)
    keyframes = KeyframeDetector(detector, 10)
    assert [places(keyframes, frame) for frame in range(7)] == [[10]] * 7
    assert detector.calls == 7


def test_reset_and_a_smaller_n_count_at_once():
    detector = Scripted(100.0)
    keyframes = KeyframeDetector(detector, 10)
    places(keyframes, 0), places(keyframes, 1)
    keyframes.reset()
    places(keyframes, 2)
    assert detector.calls['image'] == 2
    places(keyframes, 3)
    keyframes.every = 2
    places(keyframes, 4)
    assert detector.calls['image'] == 3


@pytest.fixture(scope='module', params=['blazeface', 'haar', 'yunet'])
def any_detector(request):
    """Return each of the project's detectors."""
    path = ''
    if request.param == 'yunet':
        if tuple(map(int, cv2.__version__.split('.')[:2])) < (4, 8):
            pytest.skip('yunet needs OpenCV 4.8')
        path = request.getfixturevalue('shared') / 'yunet' / 'face_detection_yunet_2023mar.onnx'
    elif request.param == 'haar' and not hasattr(cv2, 'CascadeClassifier'):
        pytest.skip('OpenCV 5 has no cascades')
    return make_detector(request.param, path)


def test_every_detector_detects_in_regions(any_detector, portrait):
    assert isinstance(any_detector, RegionDetector)
    (face,) = any_detector.detect(portrait)
    x, y, w, h = face.box
    for dx, dy in ((0, 0), (0.2, 0), (-0.15, 0.15), (0, -0.2)):
        again = any_detector.detect_in_region(portrait, (x + dx * w, y + dy * h, w, h))
        assert np.array(again.box) == pytest.approx(np.array(face.box), abs=0.17 * w)
        if face.landmarks is None:
            assert again.landmarks is None
        else:
            assert again.landmarks == pytest.approx(face.landmarks, abs=0.1 * w)
    for nothing in ((380, 20, 100, 100), (20, 400, 90, 90), (-300, -300, 50, 50), (5, 5, 0, 0)):
        assert any_detector.detect_in_region(portrait, nothing) is None
    # a face that is cut by the border of the image
    cut = any_detector.detect_in_region(portrait[:, 210:].copy(), (-35.0, 75.0, 100.0, 100.0))
    assert cut is None or cut.box[0] < 20


def test_a_moving_face_keeps_id_and_label(any_detector, classifier, portrait):
    """A moving camera's frames give the same with a keyframe in 1, 2 or 5 frames."""
    source = MovingImageSource(portrait)
    # the cascade is slow
    images = [source.read() for _ in range(8 if isinstance(any_detector, HaarDetector) else 16)]
    reference = run(Pipeline(any_detector, classifier, Tracker()), images)
    for every in (2, 5):
        pipeline = Pipeline(any_detector, classifier, Tracker(), detect_every=every)
        agreement = compare(reference, run(pipeline, images))
        # the cascade sees a face in the background of one image, which may be missed
        extra = agreement.faces - len(images)
        assert 0 <= extra <= isinstance(any_detector, HaarDetector)
        assert agreement.missed * agreement.faces <= extra
        assert agreement.extra == 0
        assert (agreement.same_id, agreement.same_label) == (1, 1)
        # the networks' own noise, and the cascade's step from one size to the next
        assert agreement.box_p99 < (0.06 if isinstance(any_detector, BlazeFaceDetector) else 0.2)


def read_clip(path):
    """Return the first 80 frames of a clip."""
    capture, images = cv2.VideoCapture(str(path)), []
    while len(images) < 80 and (read := capture.read())[0]:
        images.append(read[1])
    return images


def compare_clip(path, parts, rate_hz):
    """Compare keyframes in every frame with those in every third; return that and the frames."""
    images = read_clip(path)
    reference = run(Pipeline(*parts, Tracker()), images, rate_hz)
    other = run(Pipeline(*parts, Tracker(), detect_every=3), images, rate_hz)
    return compare(reference, other), len(images)


@pytest.mark.parametrize(
    ('clip', 'same_label'),
    [
        ('single_face.mp4', 1.0),
        ('thanks.mkv', 1.0),
        pytest.param('again.mkv', 1.0, marks=pytest.mark.slow),
        pytest.param('yes.mkv', 1.0, marks=pytest.mark.slow),
        ('WolfgangLanger_Pexels.mp4', 0.9),  # its expressions change all the time
        ('head-pose-face-detection-female-and-male.gif', 0.98),
    ],
)
def test_clips(shared, detector, classifier, clip, same_label):
    agreement, frames = compare_clip(shared / 'media' / clip, (detector, classifier), 25.0)
    assert agreement.faces >= frames
    assert (agreement.missed, agreement.extra, agreement.same_id) == (0, 0, 1)
    assert agreement.same_label >= same_label
    assert agreement.box_p50 < 0.04
    assert agreement.box_p99 < 0.08


def test_faces_that_come_and_go(shared, detector, classifier):
    """Few faces of walking people are missed, which are found in some frames only."""
    clip = shared / 'media' / 'face-demographics-walking.gif'
    agreement, _ = compare_clip(clip, (detector, classifier), 12.5)
    assert agreement.missed < 0.2


def test_a_clip_without_faces(shared, detector, classifier):
    images = read_clip(shared / 'media' / 'no_face.mp4')
    pipeline = Pipeline(detector, classifier, Tracker(), detect_every=3)
    assert run(pipeline, images).answers == [[]] * len(images)
