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
    flow.remember(image)
    first, second = flow.move(shift(image, *step), faces)
    assert np.array(first.box[:2]) - 80 == pytest.approx(np.array(step), abs=0.5)
    assert first.landmarks - LANDMARKS == pytest.approx(np.tile(step, (3, 1)), abs=0.5)
    assert np.array(second.box[:2]) - (300, 200) == pytest.approx(np.array(step), abs=0.5)
    assert (first.box[2:], first.score, second.landmarks) == ((80, 80), 0.7, None)


def test_nothing_to_compare_with():
    image, flow = texture((640, 480)), LandmarkFlow()
    face = Detection((80.0, 80.0, 80.0, 80.0), 0.7, LANDMARKS)
    assert flow.move(image, [face]) == [face]
    flow.remember(image)
    assert flow.move(texture((320, 240)), [face]) == [face]
    assert flow.move(image, []) == []
    flow.reset()
    assert flow.move(shift(image, 5, 5), [face]) == [face]


@pytest.mark.parametrize(
    'box', [(-500.0, -500.0, 40.0, 40.0), (630.0, 470.0, 90.0, 90.0), (5.0, 5.0, 0.0, 0.0)]
)
def test_a_box_outside_the_image(box):
    flow = LandmarkFlow()
    flow.remember(texture((640, 480)))
    (face,) = flow.move(texture((640, 480)), [Detection(box, 0.5)])
    assert np.isfinite(face.box).all()
