# SPDX-License-Identifier: Apache-2.0
"""Boxes, crops, similarity transforms and downscaling."""

import cv2
import numpy as np
import pytest

from emotion_perception.geometry import (
    central_face,
    clip_box,
    crop_region,
    crop_square,
    find_duplicate,
    halve,
    halving_count,
    is_duplicate,
    is_repeated,
    outside_share,
    remove_duplicates,
    roll_deg,
    similarity_transform,
    to_image_coordinates,
    unrotate_box,
    unrotate_points,
    warp_square,
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
    others = [face(500, 500), face(100, 100)]
    assert is_duplicate(face(*other, side=10), others) is duplicate
    assert find_duplicate(face(*other, side=10), others) == (1 if duplicate else None)


@pytest.mark.parametrize(('width', 'repeated'), [(20, True), (14, True), (13, False), (31, False)])
def test_a_repeated_face_has_about_the_same_width(width, repeated):
    others = [face(0, 0, side=20), face(50, 50, side=20)]
    moved = face(50, 52, side=width)
    assert is_repeated(moved, others) is repeated
    assert not is_repeated(face(57, 50, side=20), others)


def test_remove_duplicates_keeps_the_best_first():
    faces = [face(100, 100, score=0.6), face(300, 100, score=0.7), face(110, 100, score=0.8)]
    assert remove_duplicates(faces) == [faces[2], faces[1]]


def test_central_face():
    faces = [face(10, 50), face(74, 26, 20), face(50, 50)]
    assert central_face(faces, 100) is faces[1]
    assert central_face(faces[:1], 100) is None


@pytest.mark.parametrize(
    ('box', 'share'),
    [
        ((0, 0, 100, 50), 0.0),
        ((10, 10, 20, 20), 0.0),
        ((-5, 0, 20, 20), 0.25),
        ((90, 40, 20, 20), 0.75),
        ((-10, -10, 120, 70), 1 - 5000 / 8400),
        ((200, 0, 10, 10), 1.0),
        ((5, 5, 0, 10), 1.0),
    ],
)
def test_the_share_of_a_box_outside_the_image(box, share):
    assert outside_share(box, (50, 100, 3)) == pytest.approx(share)


def test_crop_square_and_back():
    image = np.zeros((200, 300, 3), np.uint8)
    image[80:120, 130:170] = 255
    crop = crop_square(image, (150.0, 100.0), 80.0, 40)
    assert crop.scale == 0.5
    assert crop.to_image(np.zeros(2)).tolist() == [110, 60]
    assert (crop.pixels[11:29, 11:29] == 255).all()
    assert (crop.pixels[:9] == 0).all()
    found = Detection((10.0, 10.0, 20.0, 20.0), 0.9, np.full((3, 2), 20, np.float32))
    moved = to_image_coordinates(found, crop)
    assert moved.box == (130, 80, 40, 40)
    assert moved.landmarks.tolist() == [[150, 100]] * 3


@pytest.mark.parametrize('angle_deg', [0.0, 30.0, 90.0, 180.0, -120.0])
def test_a_region_shows_a_turned_face_upright(angle_deg):
    """Eyes on a line that is turned clockwise are level in the crop, the left one at the left."""
    angle = np.radians(angle_deg)
    eye = 20 * np.array((np.cos(angle), np.sin(angle)))
    center = np.array((150.0, 100.0))
    image = np.zeros((200, 300, 3), np.uint8)
    for point in (center - eye, center + eye):
        cv2.circle(image, tuple(np.round(point - 0.5).astype(int)), 3, (255, 255, 255), -1)
    landmarks = np.stack((center - eye, center + eye, center)).astype(np.float32)
    turned = Detection((130.0, 80.0, 40.0, 40.0), 0.9, landmarks)
    assert roll_deg(landmarks) == pytest.approx(angle_deg if angle_deg > -180 else 180, abs=1e-3)
    crop = crop_region(image, turned, 2.0, 80)
    assert crop.scale == pytest.approx(1)
    assert crop.pixels[40, 20].min() > 200
    assert crop.pixels[40, 60].min() > 200
    assert crop.pixels.mean() < 10
    assert crop.to_image(np.array((20.0, 40.0))) == pytest.approx(center - eye)
    found = Detection((10.0, 30.0, 20.0, 20.0), 0.8, np.array([[20, 40]] * 3, np.float32))
    moved = to_image_coordinates(found, crop)
    assert np.array(moved.box[:2]) + 10 == pytest.approx(center - eye, abs=1e-4)
    assert moved.box[2:] == pytest.approx((20, 20))


def test_roll_without_landmarks():
    assert roll_deg(None) == 0


@pytest.mark.parametrize('rotate_deg', [0, 90, 180, 270])
def test_a_box_of_a_rotated_image_is_found_in_the_original(rotate_deg):
    image = np.zeros((48, 64), np.uint8)
    image[10:15, 20:28] = 255
    rotated = np.rot90(image, -rotate_deg // 90)
    rows, columns = np.nonzero(rotated)
    box = (
        float(columns.min()),
        float(rows.min()),
        float(np.ptp(columns) + 1),
        float(np.ptp(rows) + 1),
    )
    assert unrotate_box(box, rotate_deg, 64, 48) == (20, 10, 8, 5)
    x, y, w, h = box
    corners = unrotate_points(np.array([[x, y], [x + w, y + h]]), rotate_deg, 64, 48)
    assert sorted(corners[:, 0].tolist()) == [20, 28]
    assert sorted(corners[:, 1].tolist()) == [10, 15]


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


def scaling(scale):
    """Return the transform of an image to one that is `scale` times as large."""
    return np.array([[scale, 0, 0], [0, scale, 0.0]])


@pytest.mark.parametrize('size', [(640, 480), (1920, 1080), (1279, 721), (100, 1), (3, 3)])
def test_a_warp_keeps_places(size):
    width, height = size
    ramp = np.broadcast_to(np.linspace(0, 255, width)[None, :, None], (height, width, 3))
    scale = 192 / width
    small = warp_square(ramp.astype(np.uint8), scaling(scale), 192, border=cv2.BORDER_REPLICATE)
    middle = small[int(height * scale / 2), :, 0].astype(float)
    at = (np.arange(192) + 0.5) / scale - 0.5
    wanted = np.clip(np.interp(at, np.arange(width), np.linspace(0, 255, width)), 0, 255)
    assert np.abs(middle - wanted).max() < 2.5


def test_a_warp_does_not_alias():
    stripes = np.zeros((480, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    small = warp_square(stripes, scaling(0.3), 192, gray=True)
    assert small.shape == (192, 192)
    assert np.ptp(small[:140]) <= 2
    assert cv2.resize(stripes, (192, 144), interpolation=cv2.INTER_LINEAR).std() > 50


def test_a_warp_is_black_outside_the_image():
    image = np.full((100, 100, 3), 200, np.uint8)
    moved = warp_square(image, np.array([[1.0, 0, 300], [0, 1, 0]]), 64)
    assert (moved == 0).all()
