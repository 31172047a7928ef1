# SPDX-License-Identifier: Apache-2.0
"""Faces turned by known angles, the average face, and the table of the part `head_pose`."""

import math

import cv2
import numpy as np
import pytest

from benchmarks import head_pose, result_tables
from benchmarks.average_face import average_face, read_meshes, similarity
from benchmarks.face_scenes import portrait_face
from benchmarks.turned_faces import SIZE
from emotion_perception.detection.blazeface import find_networks
from emotion_perception.head_pose import AVERAGE_FACE, HeadPoseEstimator
from emotion_perception.imaging.codecs import read_image
from emotion_perception.imaging.sources import portrait_path
from emotion_perception.types import Detection
from support.tables import cells_of


@pytest.fixture(scope='module')
def turner():
    """Return the portrait's face, which can be turned."""
    face = portrait_face()
    image = read_image(face.photo)
    (turner,) = head_pose.frontal_faces([(image, Detection(face.box, 1.0))])
    return turner


@pytest.fixture(scope='module')
def angles_of(turner, detector):
    """Return a function to the angles in degrees that are read of the turned portrait."""
    estimator = HeadPoseEstimator(find_networks())
    return lambda angles, offset=(0.0, 0.0): head_pose.read_angles(
        turner.show(angles, offset), detector, estimator
    )


def test_an_unturned_face_looks_at_the_camera_wherever_it_is(angles_of):
    for offset in ((0, 0), (180, 60), (-180, -60)):
        assert angles_of((0, 0, 0), offset) == pytest.approx((0, 0, 0), abs=7), offset


@pytest.mark.parametrize(
    'angles', [(25, 0, 0), (-25, 0, 0), (0, 20, 0), (0, -20, 0), (0, 0, 40), (20, -10, -30)]
)
def test_a_face_turned_by_known_angles(angles_of, angles):
    assert angles_of(angles) == pytest.approx(angles, abs=10)


@pytest.mark.parametrize('yaw', [-50, 50])
def test_large_turns_are_read_as_smaller(angles_of, yaw):
    found = angles_of((yaw, 0, 0))[0]
    assert math.copysign(1, found) == math.copysign(1, yaw)
    assert 28 < abs(found) < 58


def test_a_turned_face_is_drawn_around_the_offset(turner, detector):
    image = turner.show((0, 0, 0), (150, -60))
    assert image.shape == (SIZE[1], SIZE[0], 3)
    (face,) = detector.detect(image)
    assert face.box[0] + face.box[2] / 2 == pytest.approx(320 + 150, abs=12)
    assert face.box[1] + face.box[3] / 2 == pytest.approx(240 - 60, abs=20)


def test_similarity_is_found():
    rng = np.random.default_rng(3)
    points = rng.normal(size=(10, 3))
    rotation, _ = cv2.Rodrigues(np.array((0.3, -0.5, 0.2)))
    scale, found, shift = similarity(points, 2.5 * points @ rotation.T + (1, 2, 3))
    assert scale == pytest.approx(2.5)
    assert found == pytest.approx(rotation)
    assert shift == pytest.approx((1, 2, 3))


def test_the_average_of_one_face_resembles_the_average_face():
    (mesh,) = read_meshes([portrait_path()])
    mean, count = average_face([mesh])
    assert count == 1
    assert np.linalg.norm(mean - AVERAGE_FACE, axis=1).mean() < 0.06
    assert np.linalg.norm(mean[11] - mean[10]) == pytest.approx(1)


def test_the_average_does_not_depend_on_the_turn_of_single_faces():
    rng = np.random.default_rng(5)
    meshes = []
    for _ in range(20):
        rotation, _ = cv2.Rodrigues(np.radians(rng.uniform(-8, 8, 3)))
        meshes.append(80 * AVERAGE_FACE @ rotation.T + (300, 200, 0))
    mean, count = average_face(meshes)
    assert count == 20
    # the mean direction is straight ahead: twenty faces leave a degree or two
    assert np.abs(mean - AVERAGE_FACE).max() < 0.03


def test_the_table_without_labeled_faces():
    """`make bench` without --boxes and --expressions."""
    names = ('reading', 'reading_ms', 'reading_without_eyes')
    names += tuple(f'frame_{with_}{end}' for with_ in ('with', 'without') for end in ('', '_p99'))
    found = {'faces': 1, 'turns': [{'turned': 'yaw', 'degrees': 90, 'read': 0.0}], 'clips': []}
    found |= {'expressions': [], 'eyes': {}, 'alignment': {}, 'cost': dict.fromkeys(names, 2.5)}
    turns, clips, cost = result_tables.head_pose({'head_pose': found}).split('\n\n')
    assert cells_of(turns)[-1] == ['yaw', '90', '0%', *[''] * 5]
    assert clips.startswith('| clip')
    assert cost.startswith('A reading takes 2.5 yardsticks (2.50 ms), without the eyes 2.5. One')
