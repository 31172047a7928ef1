# SPDX-License-Identifier: Apache-2.0
"""Faces that move along with the image."""

import cv2
import numpy as np
import pytest

from emotion_perception.detection.landmark_flow import LandmarkFlow
from emotion_perception.types import Detection

LANDMARKS = np.array(((100, 100), (140, 100), (120, 140)), np.float32)


def texture(size, seed=0):
    """Return a smooth random image, BGR uint8."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (size[1] // 10, size[0] // 10, 3), np.uint8)
    return cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)


def shift(image, dx, dy):
    """Move the content of an image to the right and down."""
    matrix = np.array([[1.0, 0, dx], [0, 1, dy]])
    return cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)


@pytest.mark.parametrize('size', [(640, 480), (1280, 720)])
@pytest.mark.parametrize('step', [(0, 0), (3, -2), (-7.5, 6), (12, 0)])
def test_a_face_moves_by_the_shift_of_the_image(size, step):
    image, flow = texture(size), LandmarkFlow()
    faces = [
        Detection((80.0, 80.0, 80.0, 80.0), 0.7, LANDMARKS),
        Detection((300.0, 200.0, 120.0, 120.0), 0.6),
    ]
    flow.remember(image, faces)
    (first, second), reliable = flow.move(shift(image, *step), faces)
    assert reliable == [True, True]
    assert np.array(first.box[:2]) - 80 == pytest.approx(np.array(step), abs=0.5)
    assert first.landmarks - LANDMARKS == pytest.approx(np.tile(step, (3, 1)), abs=0.5)
    assert np.array(second.box[:2]) - (300, 200) == pytest.approx(np.array(step), abs=0.5)
    assert first.box[2:] == pytest.approx((80, 80), abs=0.5)
    assert (first.score, second.landmarks) == (0.7, None)


@pytest.mark.parametrize(('scale', 'angle_deg'), [(1.05, 0), (0.95, 0), (1, 4), (1.04, -3)])
def test_a_face_grows_and_turns_as_the_image_does(scale, angle_deg):
    image, flow = texture((640, 480)), LandmarkFlow()
    face = Detection((80.0, 80.0, 80.0, 80.0), 0.7, LANDMARKS)
    flow.remember(image, [face])
    # OpenCV's rotation is counterclockwise and counts from the center of the first pixel
    matrix = cv2.getRotationMatrix2D((119.5, 119.5), -angle_deg, scale)
    (moved,), reliable = flow.move(cv2.warpAffine(image, matrix, (640, 480)), [face])
    assert reliable == [True]
    assert moved.box == pytest.approx((120 - 40 * scale,) * 2 + (80 * scale,) * 2, abs=0.7)
    center = np.array((120, 120))
    cos, sin = (scale * f(np.radians(angle_deg)) for f in (np.cos, np.sin))
    expected = (LANDMARKS - center) @ np.array(((cos, sin), (-sin, cos))) + center
    assert moved.landmarks == pytest.approx(expected, abs=0.7)


def test_a_sudden_growth_is_not_reliable():
    image, flow = texture((640, 480)), LandmarkFlow()
    face = Detection((80.0, 80.0, 80.0, 80.0), 0.7, LANDMARKS)
    flow.remember(image, [face])
    matrix = cv2.getRotationMatrix2D((119.5, 119.5), 0, 1.25)
    _, reliable = flow.move(cv2.warpAffine(image, matrix, (640, 480)), [face])
    assert reliable == [False]


def test_nothing_to_compare_with():
    image, flow = texture((640, 480)), LandmarkFlow()
    face = Detection((80.0, 80.0, 80.0, 80.0), 0.7, LANDMARKS)
    kept = [face], [False]
    assert flow.move(image, [face]) == kept
    flow.remember(image, [face])
    assert flow.move(texture((320, 240)), [face]) == kept
    assert flow.move(image, []) == ([], [])
    flow.reset()
    assert flow.move(shift(image, 5, 5), [face]) == kept
    flow.remember(image, [])
    assert flow.move(shift(image, 5, 5), [face]) == kept


@pytest.mark.parametrize(
    'change',
    [
        lambda image: texture(image.shape[1::-1], seed=1),
        lambda image: shift(image, 60, 0),
        lambda image: np.full_like(image, 90),
        # half of the face is covered
        lambda image: np.where(np.arange(640)[:, None] < 120, image, texture((640, 480), seed=1)),
    ],
    ids=['another image', 'far away', 'nothing to see', 'half of it covered'],
)
def test_a_face_whose_points_do_not_move_alike_is_not_reliable(change):
    image, flow = texture((640, 480)), LandmarkFlow()
    face = Detection((80.0, 80.0, 80.0, 80.0), 0.7, LANDMARKS)
    flow.remember(image, [face])
    (moved,), reliable = flow.move(change(image), [face])
    assert reliable == [False]
    assert np.isfinite(moved.box).all()


def test_a_small_face_is_not_reliable():
    image, flow = texture((640, 480)), LandmarkFlow()
    face = Detection((80.0, 80.0, 30.0, 30.0), 0.7)
    flow.remember(image, [face])
    (moved,), reliable = flow.move(shift(image, 3, 2), [face])
    assert (np.array(moved.box[:2]) - 80).tolist() == pytest.approx((3, 2), abs=0.5)
    assert reliable == [False]


@pytest.mark.parametrize(
    'box', [(-500.0, -500.0, 40.0, 40.0), (630.0, 470.0, 90.0, 90.0), (5.0, 5.0, 0.0, 0.0)]
)
def test_a_box_outside_the_image(box):
    flow = LandmarkFlow()
    flow.remember(texture((640, 480)), [Detection(box, 0.5)])
    (face,), _ = flow.move(texture((640, 480)), [Detection(box, 0.5)])
    assert np.isfinite(face.box).all()
