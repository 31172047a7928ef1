# SPDX-License-Identifier: Apache-2.0
"""The choice of a detector by its name, and the detectors YuNet and Haar."""

import cv2
import numpy as np
import pytest

from emotion_perception.detection import DETECTORS, make_detector
from emotion_perception.detection.blazeface import BlazeFaceDetector
from emotion_perception.detection.haar import HaarDetector, find_cascade
from emotion_perception.detection.yunet import YuNetDetector
from emotion_perception.errors import DetectorError

CASCADE = 'haarcascade_frontalface_default.xml'
FLAT_SIZES = [
    (240, 320),
    (1, 1),
    (1, 500),
    (500, 1),
    (8, 8),
    (31, 31),
    (32, 32),
    (40, 33),
    (4000, 6),
]


@pytest.fixture(scope='module')
def yunet_path(shared):
    """Return the path of the YuNet network."""
    return shared / 'yunet' / 'face_detection_yunet_2023mar.onnx'


@pytest.fixture(scope='module')
def yunet(yunet_path):
    """Return YuNet with default settings; not to be changed."""
    return make_detector('yunet', yunet_path)


def test_names():
    assert DETECTORS == ('blazeface', 'yunet', 'haar')
    assert isinstance(make_detector(), BlazeFaceDetector)
    with pytest.raises(
        ValueError, match="unknown detector 'mtcnn'; choose one of blazeface, yunet, haar"
    ):
        make_detector('mtcnn')


@pytest.mark.parametrize(('name', 'score'), [('blazeface', 0.7), ('haar', 0.0), ('yunet', 0.7)])
def test_settings_are_passed_on(request, name, score):
    """A cascade has no score."""
    path = request.getfixturevalue('yunet_path') if name == 'yunet' else ''
    detector = make_detector(name, path, min_detection_score=0.7, min_face_px=33, threads=2)
    assert (detector.min_detection_score, detector.min_face_px) == (score, 33)


def test_yunet_finds_the_portrait(portrait, detector, yunet):
    (face,) = yunet.detect(portrait)
    (same,) = detector.detect(portrait)
    assert face.score > 0.8
    assert face.landmarks.dtype == np.float32
    assert face.landmarks == pytest.approx(same.landmarks, abs=8)
    assert face.landmarks[:2] == pytest.approx(same.landmarks[:2], abs=5)
    assert face.box == pytest.approx(same.box, abs=16)


@pytest.mark.parametrize('scale', [0.5, 1.5, 4.0])
def test_yunet_at_other_sizes(portrait, yunet, scale):
    """Coordinates and widths are those of the image, also if it is scaled for the network."""
    (expected,) = yunet.detect(portrait)
    large = cv2.resize(portrait, None, fx=scale, fy=scale)
    (face,) = yunet.detect(large)
    assert face.landmarks / scale == pytest.approx(expected.landmarks, abs=6)
    assert np.array(face.box) / scale == pytest.approx(np.array(expected.box), abs=8)
    assert len(yunet.detect(large, min_face_px=int(face.box[2]))) == 1
    assert yunet.detect(large, min_face_px=int(face.box[2]) + 1) == []


def test_yunet_thresholds_may_change(portrait, yunet_path):
    yunet = make_detector('yunet', yunet_path)
    (face,) = yunet.detect(portrait)
    for name, below, above in (
        ('min_detection_score', face.score - 0.02, face.score + 0.02),
        ('min_face_px', int(face.box[2]), int(face.box[2]) + 1),
    ):
        before = getattr(yunet, name)
        setattr(yunet, name, above)
        assert yunet.detect(portrait) == []
        assert len(yunet.detect(portrait, **{name: below})) == 1
        setattr(yunet, name, below)
        assert len(yunet.detect(portrait)) == 1
        assert yunet.detect(portrait, **{name: above}) == []
        setattr(yunet, name, before)


def test_yunet_finds_a_group_best_first(shared, yunet):
    faces = yunet.detect(cv2.imread(str(shared / 'media' / 'multi_face.jpg')))
    scores = [face.score for face in faces]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize('size', FLAT_SIZES)
def test_yunet_finds_nothing_in_a_flat_image(yunet, size):
    """OpenCV itself finds random faces in tiny images."""
    for _ in range(5):
        assert yunet.detect(np.full((*size, 3), 127, np.uint8)) == []


def test_yunet_in_a_tiny_image(portrait, yunet):
    tiny = cv2.resize(portrait[60:190, 160:290], (30, 30), interpolation=cv2.INTER_AREA)
    (face,) = yunet.detect(tiny, min_face_px=10)
    expected = (np.array(((203.0, 101.3), (246.2, 103.5), (224.0, 146.5))) - (160, 60)) * 30 / 130
    assert face.landmarks == pytest.approx(expected, abs=4)


def test_yunet_without_its_file(tmp_path):
    with pytest.raises(
        DetectorError,
        match=r'needs the path of face_detection_yunet_2023mar.onnx \(opencv_zoo\) as',
    ):
        make_detector('yunet')
    with pytest.raises(DetectorError, match=f'yunet: there is no file {tmp_path}/yunet.onnx'):
        make_detector('yunet', tmp_path / 'yunet.onnx')


@pytest.mark.parametrize('contents', [b'', b'<!DOCTYPE html>', bytes(10000), None])
@pytest.mark.parametrize('name', ['yunet.onnx', 'yunet'])
def test_yunet_damaged_file(tmp_path, yunet_path, contents, name):
    path = tmp_path / name
    path.write_bytes(yunet_path.read_bytes()[:100_000] if contents is None else contents)
    with pytest.raises(DetectorError, match=f'yunet: {path} cannot be loaded'):
        make_detector('yunet', path)


def test_yunet_needs_a_newer_opencv(monkeypatch, tmp_path):
    """OpenCV of Ubuntu 24.04 is too old."""
    monkeypatch.setattr(cv2, '__version__', '4.6.0')
    with pytest.raises(DetectorError, match=r'yunet needs OpenCV 4.8 or newer, this is 4.6.0'):
        YuNetDetector(tmp_path / 'yunet.onnx')


def test_haar_finds_the_portrait(portrait):
    haar = make_detector('haar')
    assert isinstance(haar, HaarDetector)
    (face,) = haar.detect(portrait)
    assert face.box == pytest.approx((177, 67, 93, 93), abs=12)
    assert face.landmarks is None
    assert 0.3 < face.score < 1
    assert haar.detect(portrait, min_face_px=150) == []
    haar.min_face_px = 150
    assert haar.detect(portrait) == []
    assert len(haar.detect(portrait, min_detection_score=0.99, min_face_px=20)) == 1


@pytest.mark.parametrize('size', [(480, 640), (1, 1), (1, 500)])
def test_haar_finds_nothing_in_a_flat_image(size):
    assert make_detector('haar').detect(np.full((*size, 3), 127, np.uint8)) == []


def test_haar_without_cascades(monkeypatch):
    """OpenCV 5 has none."""
    monkeypatch.delattr(cv2, 'CascadeClassifier')
    with pytest.raises(DetectorError, match='has no haar cascades; use the detector blazeface'):
        make_detector('haar')


def test_haar_without_files(monkeypatch, tmp_path):
    monkeypatch.setattr(cv2.data, 'haarcascades', str(tmp_path))
    monkeypatch.setattr('emotion_perception.detection.haar.CASCADE_FOLDERS', ())
    with pytest.raises(
        DetectorError, match=f'{CASCADE} was not found; install opencv-data or use the detector'
    ):
        make_detector('haar')
    # Debian's OpenCV has no files of its own
    monkeypatch.setattr(
        'emotion_perception.detection.haar.CASCADE_FOLDERS', (str(tmp_path / 'deb'),)
    )
    (tmp_path / 'deb').mkdir()
    (tmp_path / 'deb' / CASCADE).write_text('')
    assert find_cascade() == tmp_path / 'deb' / CASCADE


@pytest.mark.parametrize('contents', ['', '<html>'])
def test_haar_damaged_file(monkeypatch, tmp_path, contents):
    (tmp_path / CASCADE).write_text(contents)
    monkeypatch.setattr(cv2.data, 'haarcascades', str(tmp_path))
    with pytest.raises(
        DetectorError, match=f'{CASCADE} cannot be loaded; install opencv-data again or use'
    ):
        make_detector('haar')
