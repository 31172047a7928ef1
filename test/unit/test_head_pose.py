# SPDX-License-Identifier: Apache-2.0
"""Head pose, open eyes and open mouth of a face, and when which face is read."""

import math

import cv2
import numpy as np
import pytest

from emotion_perception.camera import Camera
from emotion_perception.detection import make_detector
from emotion_perception.detection.blazeface import find_networks
from emotion_perception.errors import ModelError
from emotion_perception.head_pose import (
    AVERAGE_FACE,
    LANDMARKS,
    PAIRS,
    READ_EVERY_S,
    USED_POINTS,
    FaceMesh,
    HeadPoseEstimator,
    assumed_camera,
    choose_readings,
    head_axes,
    place_head,
    to_angles,
    toward_camera,
)
from emotion_perception.types import Detection, HeadPose

SHAPE = (480, 640, 3)
FOCAL_PX = 320 / math.tan(math.radians(30))


@pytest.fixture(scope='module')
def estimator():
    """Return the estimator with the installed networks."""
    return HeadPoseEstimator(find_networks())


def rotation_of(yaw_deg, pitch_deg, roll_deg):
    """Return a rotation in the optical frame, by angles with the signs of `HeadPose`."""
    yaw, pitch, roll = np.radians((yaw_deg, pitch_deg, roll_deg))
    about_z, _ = cv2.Rodrigues(np.array((0, 0, -roll)))
    about_x, _ = cv2.Rodrigues(np.array((pitch, 0, 0)))
    about_y, _ = cv2.Rodrigues(np.array((0, -yaw, 0)))
    return about_y @ about_x @ about_z


def degrees(pose):
    """Return yaw, pitch and roll in degrees."""
    return np.degrees((pose.yaw, pose.pitch, pose.roll))


@pytest.mark.parametrize(
    'angles', [(0, 0, 0), (30, 0, 0), (0, 20, 0), (0, 0, 40), (-50, -30, 170), (10, 80, -20)]
)
def test_angles_of_a_rotation(angles):
    assert np.degrees(to_angles(rotation_of(*angles))) == pytest.approx(angles, abs=1e-9)


@pytest.mark.parametrize(
    ('angles', 'forward'),
    [((90, 0, 0), (1, 0, 0)), ((0, 90, 0), (0, 1, 0)), ((0, 0, 90), (0, 0, -1))],
)
def test_signs(angles, forward):
    """Yaw turns the face to the image's right, pitch down; roll tilts it to the image's left."""
    rotation = rotation_of(*angles)
    assert rotation @ (0, 0, -1) == pytest.approx(forward)
    if angles[2]:
        assert rotation @ (0, -1, 0) == pytest.approx((-1, 0, 0))


@pytest.mark.parametrize('place', [(0, 0, 5), (3, -2, 4), (-1, 6, 0.5)])
def test_toward_camera_turns_a_place_onto_the_axis(place):
    turn = toward_camera(np.array(place, float))
    assert turn @ place == pytest.approx((0, 0, np.linalg.norm(place)))
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


@pytest.mark.parametrize('place', [(0, 0, 8), (2, -1.5, 6), (-3, 2, 20)])
@pytest.mark.parametrize('angles', [(0, 0, 0), (25, -10, 5), (-60, 20, -40)])
def test_an_average_face_is_placed_exactly(angles, place):
    rotation = rotation_of(*angles)
    seen = AVERAGE_FACE @ rotation.T + place
    mesh = np.zeros((468, 3))
    mesh[list(USED_POINTS), :2] = seen[:, :2] / seen[:, 2:] * FOCAL_PX + (320, 240)
    found, at = place_head(mesh, assumed_camera(SHAPE))
    assert found == pytest.approx(rotation, abs=1e-4)
    assert at == pytest.approx(place, abs=1e-3)
    # another focal length changes the distance, and the direction by little
    longer = Camera((640, 480), (1.3 * FOCAL_PX,) * 2, (320, 240))
    found, at = place_head(mesh, longer)
    assert at[2] == pytest.approx(1.3 * place[2], rel=0.08)


def test_landmarks_are_symmetric_points_of_the_mesh():
    """Of dlib's 68 places those of one side mirror those of the other."""
    mirrored = dict(PAIRS)
    right, left = zip(*mirrored, strict=True)
    places = dict(zip(LANDMARKS, range(68), strict=True))
    assert len(places) == 68
    pairs = [(places[a], places[b]) for a, b in mirrored if a in places and b in places]
    assert sorted(pairs) == [(17, 26), (19, 24), (21, 22), (31, 35), (36, 45), (39, 42)]
    assert not {*right} & {*left}


def test_landmarks(portrait):
    """The pupils lie between the corners of the eyes, where the eyes are darkest."""
    estimator = HeadPoseEstimator(find_networks(), landmarks=True)
    (face,) = make_detector().detect(portrait)
    pose = estimator.read(portrait, face, eyes_open=0.123)
    points = pose.landmarks
    assert (points.dtype, points.shape) == (np.float32, (70, 2))
    # of both eyes in each reading
    assert pose.eyes_open > 0.5
    gray = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)
    for pupil, eye in ((points[68], points[36:42]), (points[69], points[42:48])):
        assert eye[:, 0].min() < pupil[0] < eye[:, 0].max()
        assert eye[:, 1].min() < pupil[1] < eye[:, 1].max()
        x, y = pupil.round().astype(int)
        white = gray[y, [round(float(eye[0, 0])) + 2, round(float(eye[3, 0])) - 2]]
        assert gray[y - 1 : y + 2, x - 1 : x + 2].mean() < white.mean()
    # the landmarks of the detector are the eyes and the mouth
    eyes = points[[36, 39]].mean(0), points[[42, 45]].mean(0)
    width = face.box[2]
    assert np.linalg.norm(eyes - face.landmarks[:2], axis=1).max() < 0.06 * width
    mouth = points[48:60].mean(0)
    assert np.linalg.norm(mouth - face.landmarks[2]) < 0.08 * width


def test_pupils_of_small_eyes_are_not_known(portrait):
    estimator = HeadPoseEstimator(find_networks(), landmarks=True)
    small = cv2.resize(portrait, None, fx=0.15, fy=0.15, interpolation=cv2.INTER_AREA)
    (face,) = make_detector().detect(portrait)
    tiny = Detection(tuple(0.15 * side for side in face.box), 1.0, 0.15 * face.landmarks)
    pose = estimator.read(small, tiny)
    assert np.isnan(pose.landmarks[68:]).all()
    assert np.isfinite(pose.landmarks[:68]).all()


def test_points_without_a_face_have_no_place():
    camera = assumed_camera(SHAPE)
    assert place_head(np.zeros((468, 3)), camera) is None
    assert place_head(np.full((468, 3), np.nan), camera) is None


@pytest.mark.parametrize(
    ('yaw_deg', 'pitch_deg', 'turn_deg', 'looking', 'ratio'),
    [
        (0, 0, 0, 1, 0), (8, 0, 8, 1, 0.25), (0, -20, 20, 0.5, 20 / 27),
        (25, 0, 25, 0.25, 25 / 32), (-16, 0, 16, 0.7, 0.5), (0, -27, 27, 0.15, 1),
    ],
)  # fmt: skip
def test_looking_at_the_camera(yaw_deg, pitch_deg, turn_deg, looking, ratio):
    pose = HeadPose(math.radians(yaw_deg), math.radians(pitch_deg), 1.0, 1.0, 0.0)
    assert math.degrees(pose.turn) == pytest.approx(turn_deg, abs=0.1)
    assert pose.looking_at_camera == pytest.approx(looking, abs=1e-6)
    assert pose.turn_ratio == pytest.approx(ratio)


def test_portrait(estimator, detector, portrait):
    (face,) = detector.detect(portrait)
    pose = estimator.read(portrait, face)
    assert degrees(pose) == pytest.approx((-2, 3, -2), abs=4)
    assert pose.eyes_open > 0.9
    # she smiles with her teeth showing
    assert pose.mouth_open == pytest.approx(0.23, abs=0.08)
    assert pose.looking_at_camera == 1
    kept = estimator.read(portrait, face, eyes_open=0.3)
    assert (kept.eyes_open, kept.yaw) == (0.3, pose.yaw)


def test_a_mirrored_face_is_turned_to_the_other_side(estimator, detector, portrait):
    mirrored = np.ascontiguousarray(portrait[:, ::-1])
    one, other = (
        degrees(estimator.read(image, detector.detect(image)[0])) for image in (portrait, mirrored)
    )
    assert other == pytest.approx(one * (-1, 1, -1), abs=5)


@pytest.mark.parametrize('clockwise_deg', [-90, -40, 30, 60, 180])
def test_a_rotated_image_changes_roll_alone(estimator, detector, portrait, clockwise_deg):
    # rotated about the optical axis: the line of sight rotates too
    matrix = cv2.getRotationMatrix2D((256, 256), -clockwise_deg, 0.7)
    image = cv2.warpAffine(portrait, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    yaw, pitch, roll = degrees(estimator.read(image, detector.detect(image)[0]))
    assert (roll + clockwise_deg + 2 + 180) % 360 - 180 == pytest.approx(0, abs=6)
    # yaw and pitch are those of the head in the camera's axes
    assert math.hypot(yaw, pitch) < 8


@pytest.mark.parametrize('width', [24, 40, 80, 200])
def test_size_does_not_change_the_pose(estimator, portrait, width):
    scale = width / 103
    image = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    face = Detection(tuple(scale * value for value in (173.0, 73.0, 103.0, 103.0)), 0.9)
    pose = estimator.read(image, face)
    assert degrees(pose) == pytest.approx((-2, 3, -2), abs=4)
    assert math.isnan(pose.eyes_open) if width == 24 else pose.eyes_open > 0.9


def test_gray_and_cut_faces(estimator, portrait):
    box = 173.0, 73.0, 103.0, 103.0
    gray = cv2.cvtColor(cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert degrees(estimator.read(gray, Detection(box, 0.9))) == pytest.approx((-2, 3, -2), abs=4)
    cut = np.ascontiguousarray(portrait[:, 185:])
    pose = estimator.read(cut, Detection((box[0] - 185, *box[1:]), 0.9))
    assert degrees(pose) == pytest.approx((-2, 3, -2), abs=12)


@pytest.mark.parametrize(
    ('shape', 'box'),
    [
        ((480, 640, 3), (100.0, 100.0, 90.0, 90.0)),
        ((480, 640, 3), (5000.0, -900.0, 90.0, 90.0)),
        ((480, 640, 3), (10.0, 10.0, 0.0, 0.0)),
        ((1, 1, 3), (0.0, 0.0, 1.0, 1.0)),
        ((3, 40_000, 3), (70.0, 0.0, 3.0, 3.0)),
    ],
)
def test_where_no_face_is_there_is_no_pose(estimator, shape, box):
    assert estimator.read(np.full(shape, 90, np.uint8), Detection(box, 0.9)) is None


def test_another_network_is_refused(tmp_path):
    for name in ('face_landmark.tflite', 'iris_landmark.tflite'):
        model = (find_networks() / 'face_detection_short_range.tflite').read_bytes()
        (tmp_path / name).write_bytes(model)
    with pytest.raises(ModelError, match='face_landmark.tflite is not the network expected'):
        FaceMesh(tmp_path)
    with pytest.raises(ModelError, match='cannot be read'):
        HeadPoseEstimator(tmp_path / 'nowhere')


def test_a_busy_frame_waits_but_not_for_ever():
    assert choose_readings([READ_EVERY_S], [100], 1 / 30, busy=True) == []
    assert choose_readings([READ_EVERY_S], [100], 1 / 30, busy=False) == [0]
    assert choose_readings([1.5 * READ_EVERY_S], [100], 1 / 30, busy=True) == [0]
    assert choose_readings([math.inf], [100], 1 / 30, busy=True) == [0]


def test_many_faces_are_spread_over_the_frames():
    ages_s = [0.5] * 20
    # twenty faces, each within a third of a second, are two a frame; near ones first
    assert choose_readings(ages_s, list(range(20)), 1 / 30, busy=False) == [19, 18]
    assert choose_readings([math.inf] * 20, list(range(20)), 1 / 30, busy=False) == [19, 18]
    assert choose_readings([0.1] * 20, list(range(20)), 1 / 30, busy=False) == []
    assert len(choose_readings(ages_s, [50] * 20, 1.0, busy=False)) == 20
    assert choose_readings([], [], math.inf, busy=False) == []
    # a small face that waits longest is not forgotten
    assert choose_readings([0.4, 0.7], [200, 20], 1 / 30, busy=False)[0] == 1


@pytest.mark.parametrize('angles', [(0, 0, 0), (30, -10, 5), (-50, 20, 40)])
@pytest.mark.parametrize('place', [(0, 0, 2), (1, -0.5, 1.5)])
def test_the_axes_of_a_head_are_those_of_its_angles(angles, place):
    rotation = rotation_of(*angles)
    seen = to_angles(toward_camera(np.array(place, float)) @ rotation)
    forward, left, up = head_axes(np.array(place, float), *seen).T
    assert forward == pytest.approx(rotation @ (0, 0, -1))
    # the left of a person who faces the camera is the right of the image
    assert left == pytest.approx(rotation @ (1, 0, 0))
    assert up == pytest.approx(rotation @ (0, -1, 0))


@pytest.mark.parametrize(
    ('rotate_deg', 'up'), [(0, (0, -1, 0)), (90, (-1, 0, 0)), (180, (0, 1, 0)), (270, (1, 0, 0))]
)
def test_the_axes_of_a_head_before_a_camera_that_hangs_turned(rotate_deg, up):
    """An image that becomes upright by a clockwise turn shows heads with their top at the left."""
    axes = head_axes(np.array((0.0, 0.0, 1.0)), 0.0, 0.0, 0.0, rotate_deg)
    assert axes[:, 0] == pytest.approx((0, 0, -1))
    assert axes[:, 2] == pytest.approx(up)
    assert np.linalg.det(axes) == pytest.approx(1)
