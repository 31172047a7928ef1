"""Faces are cut out with eyes and mouth where FER2013 has them."""

import cv2
import numpy as np
import pytest

from emotion_perception.alignment import FACE_SIDE_PX, FER2013_LANDMARKS, crop_face, crop_matrix
from emotion_perception.geometry import similarity_transform
from emotion_perception.types import Detection


def transform(scale, degrees, shift):
    """Return a similarity_transform, float [2, 3]."""
    angle = np.radians(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack((turn, shift))


def apply(matrix, points):
    """Return the points, [N, 2], moved by a [2, 3] matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


@pytest.mark.parametrize('scale', [0.03, 1.0, 20.0])
@pytest.mark.parametrize('degrees', [0.0, 10.0, -75.0, 180.0])
@pytest.mark.parametrize('count', [2, 3, 50])
def test_similarity_recovers_a_transform(scale, degrees, count):
    """Points that were moved by a similarity_transform give that similarity_transform back."""
    source = np.random.default_rng(count).uniform(-300, 900, (count, 2))
    wanted = transform(scale, degrees, (123.0, -45.0))
    found = similarity_transform(source, apply(wanted, source))
    assert np.allclose(found, wanted, rtol=1e-9, atol=1e-9)


def test_similarity_by_hand():
    """A quarter turn: x goes down, y goes left."""
    source = np.array([[0.0, 0.0], [1.0, 0.0]])
    target = np.array([[5.0, 5.0], [5.0, 7.0]])
    assert np.allclose(similarity_transform(source, target), [[0, -2, 5], [2, 0, 5]])


def test_similarity_is_the_best():
    """Of points that no similarity_transform brings together, no other comes closer."""
    rng = np.random.default_rng(1)
    source, target = rng.uniform(0, 48, (2, 3, 2))

    def error(matrix):
        return ((apply(matrix, source) - target) ** 2).sum()

    best = similarity_transform(source, target)
    for _ in range(200):
        scale, angle = rng.normal(0, 0.02, 2)
        other = best.copy()
        other[:, :2] = transform(1 + scale, np.degrees(angle), (0, 0))[:, :2] @ best[:, :2]
        other[:, 2] += rng.normal(0, 0.3, 2)
        assert error(other) > error(best)


def test_similarity_never_mirrors():
    """A mirrored face, as a wrong order of the eyes would give, is turned and not mirrored."""
    mirrored = FER2013_LANDMARKS * (-1, 1) + (48, 0)
    shuffled = mirrored + np.array([[1, 2], [3, -1], [0, 2]])
    assert np.linalg.det(similarity_transform(shuffled, FER2013_LANDMARKS)[:, :2]) > 0


def draw_face(landmarks, size, sigma):
    """Return three BGR pictures, each with a soft dot at one landmark (coordinates from edges)."""
    y, x = np.mgrid[: size[1], : size[0]] + 0.5
    pictures = []
    for point in landmarks:
        dot = np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * sigma**2))
        pictures.append(np.rint(250 * dot).astype(np.uint8)[..., None].repeat(3, axis=2))
    return pictures


def centroid(crop):
    """Return the middle of what is bright (coordinates from edges)."""
    weights = crop.astype(float)
    y, x = np.mgrid[: crop.shape[0], : crop.shape[1]] + 0.5
    return np.array(((weights * x).sum(), (weights * y).sum())) / weights.sum()


def check_markers(side, degrees, middle, size):
    """Assert that a drawn face of `side` pixels comes out where it should."""
    scale = side / FACE_SIDE_PX
    turned = transform(scale, degrees, (0.0, 0.0))
    landmarks = apply(turned, FER2013_LANDMARKS - 24) + middle
    box = (middle[0] - side / 2, middle[1] - side / 2, side, side)
    face = Detection(box, 0.9, landmarks.astype(np.float32))
    dots = draw_face(landmarks, size, max(0.9, 1.3 * scale))
    for dot, expected in zip(dots, FER2013_LANDMARKS, strict=True):
        found = centroid(crop_face(dot, face))
        assert np.hypot(*(found - expected)) < 0.6, (found, expected)


@pytest.mark.parametrize('side', [24, 31, 48, 60, 95, 97, 150, 300, 600])
@pytest.mark.parametrize('degrees', [0, 12, -30, 90, 180])
def test_markers(side, degrees):
    """Eyes and mouth land on their places at every size and rotation."""
    length = int(side * 1.5) + 8
    check_markers(side, degrees, (length / 2 + 0.3, length / 2 - 0.4), (length, length))


@pytest.mark.parametrize('side', [24, 60, 200])
@pytest.mark.parametrize('edge', ['left', 'right', 'top', 'bottom'])
def test_markers_near_the_border(side, edge):
    """A face of which only the rim is outside the image is placed as exactly."""
    length = 2 * side + 3
    offset = 0.4 * side
    middle = {
        'left': (offset, length / 2),
        'right': (length - offset, length / 2),
        'top': (length / 2, offset),
        'bottom': (length / 2, length - 0.5 * side),
    }[edge]
    check_markers(side, 5, middle, (length, length))


@pytest.mark.parametrize(
    ('side', 'cell'), [(200, 1), (333, 1), (400, 2), (600, 2), (600, 3), (1000, 1), (1000, 5)]
)
@pytest.mark.parametrize('degrees', [0, 7, 45])
def test_no_aliasing(side, cell, degrees):
    """A chequerboard of at least four cells a pixel of the cut-out becomes flat gray."""
    y, x = np.mgrid[: side + 100, : side + 100] // cell
    board = ((x + y) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    turned = transform(side / 48, degrees, (0.0, 0.0))
    landmarks = apply(turned, FER2013_LANDMARKS - 24) + (side / 2 + 50.2, side / 2 + 49.7)
    crop = crop_face(board, Detection((50, 50, side, side), 0.9, landmarks.astype(np.float32)))
    inner = crop[12:36, 12:36].astype(float)  # turned by 45 degrees the corners are outside
    assert abs(inner.mean() - 127.5) < 2
    assert inner.std() < 15
    assert np.abs(inner - 127.5).max() < 45


def test_detail_is_kept():
    """What is as coarse as the cut-out's pixels keeps its contrast."""
    y, x = np.mgrid[:480, :480] // 40
    board = ((x + y) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    crop = crop_face(board, Detection((0, 0, 480, 480), 0.9))
    assert crop[1:3, 1:3].max() < 10
    assert crop[1:3, 5:7].min() > 245


@pytest.fixture(scope='module')
def noise():
    """Return BGR uint8 [90, 120, 3]."""
    return np.random.default_rng(7).integers(0, 256, (90, 120, 3), dtype=np.uint8)


def test_box_without_landmarks(noise):
    """A box of 48x48 is cut out as it is."""
    crop = crop_face(noise, Detection((10.0, 20.0, 48.0, 48.0), 0.9))
    gray = cv2.cvtColor(noise, cv2.COLOR_BGR2GRAY)
    assert np.array_equal(crop, gray[20:68, 10:58])


@pytest.mark.parametrize('box', [(10.0, 20.0, 30.0, 48.0), (1.0, 38.0, 48.0, 12.0)])
def test_square_about_a_box(noise, box):
    """A box that is not square is widened about its middle."""
    crop = crop_face(noise, Detection(box, 0.9))
    gray = cv2.cvtColor(noise, cv2.COLOR_BGR2GRAY)
    assert np.array_equal(crop, gray[20:68, 1:49])


def test_box_of_twice_the_size(noise):
    """Shrinking by two averages each block of four pixels."""
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    crop = crop_face(smooth[:, :100], Detection((2.0, 0.0, 96.0, 90.0), 0.9))
    gray = cv2.cvtColor(smooth, cv2.COLOR_BGR2GRAY).astype(float)
    means = (gray[::2] + gray[1::2])[:, 2:98] / 2
    means = (means[:, ::2] + means[:, 1::2]) / 2
    # the square about the box begins three rows above the image
    middle = crop[3:46].astype(float)
    shifted = (means[:-1] + means[1:]) / 2
    assert np.abs(middle[:42] - shifted[1:43]).max() < 3


@pytest.mark.parametrize(
    'landmarks',
    [np.full((3, 2), 30, np.float32), np.array([[30, 30], [31, 30], [30, 31]], np.float32)],
    ids=['one point', 'within a pixel'],
)
def test_landmarks_in_one_place(noise, landmarks):
    """Landmarks that tell nothing are not used; the box is."""
    with_landmarks = crop_face(noise, Detection((10.0, 20.0, 48.0, 48.0), 0.9, landmarks))
    without = crop_face(noise, Detection((10.0, 20.0, 48.0, 48.0), 0.9))
    assert np.array_equal(with_landmarks, without)


@pytest.mark.parametrize(
    ('x', 'y'), [(-24, 10), (96, 10), (40, -20), (40, 70), (-24, -20), (96, 70), (-200, 300)]
)
def test_face_partly_outside(noise, x, y):
    """What lies outside repeats the border of the image."""
    crop = crop_face(noise, Detection((float(x), float(y), 48.0, 48.0), 0.9))
    gray = cv2.cvtColor(noise, cv2.COLOR_BGR2GRAY)
    rows = np.clip(np.arange(y, y + 48), 0, 89)
    columns = np.clip(np.arange(x, x + 48), 0, 119)
    assert np.array_equal(crop, gray[np.ix_(rows, columns)])


@pytest.mark.parametrize(
    ('color', 'gray'), [((255, 0, 0), 29), ((0, 255, 0), 150), ((0, 0, 255), 76)]
)
@pytest.mark.parametrize('box', [(1.0, 1.0, 3.0, 3.0), (5.0, 5.0, 77.0, 80.0), (0, 0, 900, 900)])
def test_grey_of_colors(color, gray, box):
    """Blue, green and red weigh as in ITU-R BT.601, the same at every size."""
    image = np.full((100, 100, 3), color, np.uint8)
    crop = crop_face(image, Detection(tuple(map(float, box)), 0.9))
    assert crop.dtype == np.uint8
    assert crop.shape == (48, 48)
    assert (crop == gray).all()


@pytest.mark.parametrize('box', [(0, 0, 1, 1), (-50, -50, 100, 100), (0, 0, 0, 0), (9, 9, 2, 2)])
def test_image_of_one_pixel(box):
    """One pixel makes a flat face."""
    image = np.full((1, 1, 3), 99, np.uint8)
    for landmarks in (None, np.array([[0, 0], [40, 0], [20, 40]], np.float32)):
        crop = crop_face(image, Detection(tuple(map(float, box)), 0.9, landmarks))
        assert crop.shape == (48, 48)
        assert (crop == 99).all()


@pytest.mark.parametrize('scale', [0.51, 0.8, 1.0, 1.7])
@pytest.mark.parametrize('degrees', [0, 20])
def test_same_as_warping_the_whole_image(noise, scale, degrees):
    """Only what surrounds the face is looked at, and nothing is missing at its rim."""
    turned = transform(1 / scale, degrees, (0.0, 0.0))
    landmarks = apply(turned, FER2013_LANDMARKS - 24) + (61.3, 44.8)
    face = Detection((40, 20, 40, 40), 0.9, landmarks.astype(np.float32))
    matrix = crop_matrix(face)
    matrix[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
    gray = cv2.cvtColor(noise, cv2.COLOR_BGR2GRAY)
    whole = cv2.warpAffine(gray, matrix, (48, 48), borderMode=cv2.BORDER_REPLICATE)
    difference = np.abs(crop_face(noise, face).astype(int) - whole)
    assert difference.max() <= 12  # OpenCV rounds places to 1/32 pixel, from another origin here
    assert difference.mean() < 1.5


def test_places_of_fer2013():
    """Eyes and mouth are symmetric about the middle, and where FER2013's images have them."""
    left, right, mouth = FER2013_LANDMARKS
    assert left[0] + right[0] == pytest.approx(48)
    assert left[1] == right[1]
    assert mouth[0] == 24
    assert left == pytest.approx((15, 19), abs=1)
    assert mouth[1] == pytest.approx(37, abs=1)


def test_crop_matrix_of_landmarks():
    """Landmarks where FER2013 has them need no change at all."""
    face = Detection((0, 0, 48, 48), 0.9, FER2013_LANDMARKS.astype(np.float32))
    assert np.allclose(crop_matrix(face), [[1, 0, 0], [0, 1, 0]], atol=1e-5)


def test_image_is_not_changed(noise):
    """The caller's picture stays as it was."""
    before = noise.copy()
    crop_face(noise, Detection((10.0, 20.0, 60.0, 48.0), 0.9))
    assert np.array_equal(noise, before)


def test_portrait(portrait, detector):
    """In the portrait's cut-out the dark pupils are where FER2013 has its eyes."""
    crop = crop_face(portrait, detector.detect(portrait)[0])
    for x, y in FER2013_LANDMARKS[:2]:
        window = crop[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5].astype(float)
        row, column = np.unravel_index(cv2.GaussianBlur(window, (3, 3), 0).argmin(), window.shape)
        assert abs(row - 4) <= 2
        assert abs(column - 4) <= 2
