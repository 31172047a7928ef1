# SPDX-License-Identifier: Apache-2.0
"""Boxes, crops, similarity transforms and downscaling."""

import cv2
import numpy as np
import pytest

from emotion_perception.geometry import (
    central_face,
    clip_box,
    crop_square,
    downscale,
    halve,
    halving_count,
    is_duplicate,
    remove_duplicates,
    similarity_transform,
    to_image_coordinates,
)
from emotion_perception.types import Box, Detection


def transform(scale, degrees, shift):
    """Return a similarity transform, float [2, 3]."""
    angle = np.radians(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack((turn, shift))


def apply(matrix, points):
    """Return the points, [N, 2], moved by a [2, 3] matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


@pytest.mark.parametrize('scale', [0.03, 1.0, 20.0])
@pytest.mark.parametrize('degrees', [0.0, -75.0, 180.0])
@pytest.mark.parametrize('count', [2, 3, 50])
def test_similarity_transform_is_recovered(scale, degrees, count):
    source = np.random.default_rng(count).uniform(-300, 900, (count, 2))
    wanted = transform(scale, degrees, (123.0, -45.0))
    found = similarity_transform(source, apply(wanted, source))
    assert np.allclose(found, wanted, rtol=1e-9, atol=1e-9)


def test_similarity_transform_by_hand():
    source = np.array([[0.0, 0.0], [1.0, 0.0]])
    target = np.array([[5.0, 5.0], [5.0, 7.0]])
    assert np.allclose(similarity_transform(source, target), [[0, -2, 5], [2, 0, 5]])


def test_similarity_transform_has_the_least_error_and_no_reflection():
    rng = np.random.default_rng(1)
    source, target = rng.uniform(0, 48, (2, 3, 2))
    best = similarity_transform(source, target)
    for _ in range(200):
        scale, angle = rng.normal(0, 0.02, 2)
        other = best.copy()
        other[:, :2] = transform(1 + scale, np.degrees(angle), (0, 0))[:, :2] @ best[:, :2]
        other[:, 2] += rng.normal(0, 0.3, 2)
        errors = [((apply(m, source) - target) ** 2).sum() for m in (best, other)]
        assert errors[0] < errors[1]
    mirrored = target * (-1, 1) + (48, 0)
    assert np.linalg.det(similarity_transform(mirrored, target)[:, :2]) > 0


@pytest.mark.parametrize(
    ('box', 'expected'),
    [
        ((10.4, 20.6, 30.0, 40.0), (10, 21, 30, 40)),
        ((-5.0, -7.0, 20.0, 20.0), (0, 0, 15, 13)),
        ((630.0, 470.0, 50.0, 50.0), (630, 470, 10, 10)),
        ((-100.0, -100.0, 2000.0, 2000.0), (0, 0, 640, 480)),
        ((-50.0, 100.0, 20.0, 20.0), (0, 100, 1, 20)),
        ((900.0, 900.0, 20.0, 20.0), (639, 479, 1, 1)),
        ((100.0, 100.0, 0.0, 0.0), (100, 100, 1, 1)),
    ],
)
def test_clip_box(box, expected):
    clipped = clip_box(box, 640, 480)
    assert clipped == Box(*expected)
    assert all(isinstance(value, int) for value in clipped)
    assert clipped.area == expected[2] * expected[3]


def face(x, y, side=80.0, score=0.9):
    """Return a detection with its center at (x, y)."""
    return Detection((x - side / 2, y - side / 2, side, side), score)


@pytest.mark.parametrize(
    ('other', 'duplicate'),
    [((100, 100), True), ((119, 81), True), ((121, 100), False), ((100, 121), False)],
)
def test_a_duplicate_has_its_center_in_the_middle_half(other, duplicate):
    assert is_duplicate(face(*other, side=10), [face(500, 500), face(100, 100)]) is duplicate


def test_remove_duplicates_keeps_the_best_first():
    faces = [face(100, 100, score=0.6), face(300, 100, score=0.7), face(110, 100, score=0.8)]
    assert remove_duplicates(faces) == [faces[2], faces[1]]


def test_central_face():
    faces = [face(10, 50), face(74, 26, 20), face(50, 50)]
    assert central_face(faces, 100) is faces[1]
    assert central_face(faces[:1], 100) is None


def test_crop_square_and_back():
    image = np.zeros((200, 300, 3), np.uint8)
    image[80:120, 130:170] = 255
    crop = crop_square(image, (130.0, 80.0, 40.0, 40.0), 2.0, 40)
    assert crop.scale == 0.5
    assert crop.corner.tolist() == [110, 60]
    assert (crop.pixels[11:29, 11:29] == 255).all()
    assert (crop.pixels[:9] == 0).all()
    found = Detection((10.0, 10.0, 20.0, 20.0), 0.9, np.full((3, 2), 20, np.float32))
    moved = to_image_coordinates(found, crop)
    assert moved.box == (130, 80, 40, 40)
    assert moved.landmarks.tolist() == [[150, 100]] * 3


@pytest.mark.parametrize(
    ('size', 'scale', 'times'),
    [
        *(((100, 100), scale, 0) for scale in (4.0, 1.0, 0.51)),
        *(
            ((100, 100), scale, times)
            for scale, times in ((0.5, 1), (0.3, 1), (0.25, 2), (0.1, 3))
        ),
        ((5, 90), 0.001, 2),
    ],
)
def test_halving_count(size, scale, times):
    assert halving_count(np.zeros(size, np.uint8), scale) == times


def test_halve_averages_and_leaves_out_the_remainder():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    means = image.reshape(4, 2, 4, 2).mean((1, 3))
    assert np.abs(halve(image, 1) - means).max() <= 0.5
    assert halve(image, 0) is image
    odd = np.full((11, 9, 3), 200, np.uint8)
    odd[8:], odd[:, 8:] = 0, 0
    assert np.array_equal(halve(odd, 2), np.full((2, 2, 3), 200))


@pytest.mark.parametrize('size', [(640, 480), (1920, 1080), (1279, 721), (100, 1), (3, 3)])
def test_downscale_keeps_places(size):
    width, height = size
    ramp = np.broadcast_to(np.linspace(0, 255, width)[None, :, None], (height, width, 3))
    small = downscale(ramp.astype(np.uint8), 192 / max(size))
    assert max(small.shape) in (191, 192)
    middle = small[small.shape[0] // 2, :, 0].astype(float)
    at = (np.arange(len(middle)) + 0.5) * max(size) / 192 - 0.5
    wanted = np.clip(np.interp(at, np.arange(width), np.linspace(0, 255, width)), 0, 255)
    assert np.abs(middle - wanted).max() < 2.5


def test_downscale_does_not_alias():
    stripes = np.zeros((480, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(downscale(stripes, 0.3)) <= 2
    assert cv2.resize(stripes, (192, 144), interpolation=cv2.INTER_LINEAR).std() > 50
