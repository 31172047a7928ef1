# SPDX-License-Identifier: Apache-2.0
"""Crops have eyes and mouth where FER2013 has them."""

import cv2
import numpy as np
import pytest

from emotion_perception.alignment import FACE_SIDE_PX, FER2013_LANDMARKS, crop_face, crop_matrix
from emotion_perception.types import Detection


def face_at(center, side, degrees):
    """Return a detection with FER2013's landmarks, `side` pixels large and rotated."""
    angle, scale = np.radians(degrees), side / FACE_SIDE_PX
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    landmarks = (FER2013_LANDMARKS - 24) @ turn.T + center
    box = (center[0] - side / 2, center[1] - side / 2, side, side)
    return Detection(box, 0.9, landmarks.astype(np.float32))


def check_landmarks(face, length):
    """Assert that a soft dot drawn at each landmark is at FER2013's place in the crop."""
    sigma = max(0.9, 1.3 * face.box[2] / FACE_SIDE_PX)
    y, x = np.mgrid[:length, :length] + 0.5
    rows, columns = np.mgrid[:48, :48] + 0.5
    for (px, py), expected in zip(face.landmarks, FER2013_LANDMARKS, strict=True):
        dot = np.rint(250 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)))
        crop = crop_face(dot.astype(np.uint8)[..., None].repeat(3, axis=2), face).astype(float)
        found = np.array(((crop * columns).sum(), (crop * rows).sum())) / crop.sum()
        assert np.hypot(*(found - expected)) < 0.6, (found, expected)


@pytest.mark.parametrize('side', [24, 48, 60, 95, 97, 300, 600])
@pytest.mark.parametrize('degrees', [0, -30, 180])
def test_landmarks_at_every_size_and_rotation(side, degrees):
    length = int(side * 1.5) + 8
    check_landmarks(face_at((length / 2 + 0.3, length / 2 - 0.4), side, degrees), length)


@pytest.mark.parametrize('side', [24, 200])
@pytest.mark.parametrize('center', [(0.4, 1.0), (1.6, 1.0), (1.0, 0.4), (1.0, 1.5)])
def test_landmarks_near_the_border(side, center):
    check_landmarks(face_at(np.array(center) * side, side, 5), 2 * side + 3)


@pytest.mark.parametrize(
    ('side', 'cell'), [(200, 1), (333, 1), (400, 2), (600, 3), (1000, 1), (1000, 5)]
)
@pytest.mark.parametrize('degrees', [0, 7, 45])
def test_no_aliasing(side, cell, degrees):
    """A checkerboard of at least four cells a pixel of the crop becomes flat gray."""
    y, x = np.mgrid[: side + 100, : side + 100] // cell
    board = ((x + y) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    crop = crop_face(board, face_at((side / 2 + 50.2, side / 2 + 49.7), side, degrees))
    inner = crop[12:36, 12:36].astype(float)  # rotated by 45 degrees the corners are outside
    assert abs(inner.mean() - 127.5) < 2
    assert inner.std() < 15
    assert np.abs(inner - 127.5).max() < 45


def test_detail_is_kept():
    y, x = np.mgrid[:480, :480] // 40
    board = ((x + y) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    crop = crop_face(board, Detection((0, 0, 480, 480), 0.9))
    assert crop[1:3, 1:3].max() < 10
    assert crop[1:3, 5:7].min() > 245


@pytest.fixture(scope='module')
def noise():
    """Return BGR uint8 [90, 120, 3], read-only."""
    image = np.random.default_rng(7).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    image.flags.writeable = False
    return image


@pytest.mark.parametrize(
    ('box', 'corner'),
    [
        ((10.0, 20.0, 48.0, 48.0), (10, 20)),
        ((10.0, 20.0, 30.0, 48.0), (1, 20)),
        ((1.0, 38.0, 48.0, 12.0), (1, 20)),
        *(
            ((float(x), float(y), 48.0, 48.0), (x, y))
            for x, y in ((-24, 10), (96, 70), (-200, 300))
        ),
    ],
)
@pytest.mark.parametrize(
    'landmarks',
    [None, np.full((3, 2), 30, np.float32), np.array([[30, 30], [31, 30], [30, 31]], np.float32)],
    ids=['none', 'one point', 'within a pixel'],
)
def test_without_usable_landmarks_the_square_around_the_box_is_cropped(
    noise, box, corner, landmarks
):
    """Outside the image its border is repeated."""
    gray = cv2.cvtColor(noise, cv2.COLOR_BGR2GRAY)
    rows = np.clip(np.arange(corner[1], corner[1] + 48), 0, 89)
    columns = np.clip(np.arange(corner[0], corner[0] + 48), 0, 119)
    crop = crop_face(noise, Detection(box, 0.9, landmarks))
    assert np.array_equal(crop, gray[np.ix_(rows, columns)])


@pytest.mark.parametrize(
    ('color', 'gray'), [((255, 0, 0), 29), ((0, 255, 0), 150), ((0, 0, 255), 76)]
)
@pytest.mark.parametrize('box', [(1.0, 1.0, 3.0, 3.0), (5.0, 5.0, 77.0, 80.0), (0, 0, 900, 900)])
def test_gray_is_itu_bt_601(color, gray, box):
    crop = crop_face(np.full((100, 100, 3), color, np.uint8), Detection(box, 0.9))
    assert crop.dtype == np.uint8
    assert np.array_equal(crop, np.full((48, 48), gray))


@pytest.mark.parametrize('box', [(0, 0, 1, 1), (-50, -50, 100, 100), (0, 0, 0, 0), (9, 9, 2, 2)])
@pytest.mark.parametrize('landmarks', [None, np.array([[0, 0], [40, 0], [20, 40]], np.float32)])
def test_image_of_one_pixel(box, landmarks):
    crop = crop_face(np.full((1, 1, 3), 99, np.uint8), Detection(box, 0.9, landmarks))
    assert np.array_equal(crop, np.full((48, 48), 99))


@pytest.mark.parametrize('scale', [0.51, 0.8, 1.0, 1.7])
@pytest.mark.parametrize('degrees', [0, 20])
def test_same_as_warping_the_whole_image(noise, scale, degrees):
    face = face_at((61.3, 44.8), 48 / scale, degrees)
    matrix = crop_matrix(face)
    matrix[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
    gray = cv2.cvtColor(noise, cv2.COLOR_BGR2GRAY)
    whole = cv2.warpAffine(gray, matrix, (48, 48), borderMode=cv2.BORDER_REPLICATE)
    difference = np.abs(crop_face(noise, face).astype(int) - whole)
    assert difference.max() <= 12  # OpenCV rounds places to 1/32 pixel, from another origin here
    assert difference.mean() < 1.5


def test_fer2013_landmarks_are_symmetric_and_need_no_transform():
    left, right, mouth = FER2013_LANDMARKS
    assert (left[0] + right[0], left[1]) == pytest.approx((48, right[1]))
    assert left == pytest.approx((15, 19), abs=1)
    assert mouth == pytest.approx((24, 37), abs=1)
    face = Detection((0, 0, 48, 48), 0.9, FER2013_LANDMARKS.astype(np.float32))
    assert np.allclose(crop_matrix(face), [[1, 0, 0], [0, 1, 0]], atol=1e-5)


def test_pupils_of_the_portrait(portrait, detector):
    crop = crop_face(portrait, detector.detect(portrait)[0])
    for x, y in FER2013_LANDMARKS[:2]:
        window = crop[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5].astype(float)
        darkest = cv2.GaussianBlur(window, (3, 3), 0).argmin()
        assert np.abs(np.subtract(np.unravel_index(darkest, window.shape), 4)).max() <= 2
