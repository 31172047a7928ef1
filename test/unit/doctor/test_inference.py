"""Model, detectors and speed, whole and damaged."""

import json
import shutil

import numpy as np
import pytest

from emotion_perception.classification import DEFAULT_MODEL, EmotionClassifier
from emotion_perception.detection import DETECTORS, make_detector
from emotion_perception.doctor import inference
from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING
from emotion_perception.doctor.inference import (
    Choice,
    check_detector,
    check_model,
    check_recognition,
    check_speed,
    drawn_picture,
)
from emotion_perception.runtime.metadata import read_metadata


@pytest.fixture
def copied(tmp_path):
    """Return the path of a copy of the model, with its json."""
    for suffix in ('.tflite', '.json'):
        shutil.copy(DEFAULT_MODEL.with_suffix(suffix), tmp_path)
    return tmp_path / DEFAULT_MODEL.name


def test_the_drawing_is_always_the_same_and_shows_a_face():
    picture = drawn_picture()
    assert (picture.shape, picture.dtype) == ((480, 640, 3), np.uint8)
    assert np.array_equal(picture, drawn_picture())
    (face,) = make_detector().detect(picture)
    x, y, w, h = face.box
    assert x < 320 < x + w
    assert y < 250 < y + h


def test_the_packaged_model_is_whole():
    finding = check_model(Choice())
    description = read_metadata(DEFAULT_MODEL.with_suffix('.json'))
    assert finding.status == OK
    assert description.sha256[:12] in finding.text
    assert finding.values['sha256'] == description.sha256
    assert sum(finding.values['drawn']) == pytest.approx(1, abs=1e-4)


def test_a_changed_model_file(copied):
    data = bytearray(copied.read_bytes())
    data[len(data) // 2] ^= 1
    copied.write_bytes(data)
    finding = check_model(Choice(model=str(copied)))
    assert finding.status == PROBLEM
    assert f'{copied} is not the file that its json describes: its sha256 is' in finding.text
    assert 'copy the model and its json again' in finding.do


def test_a_changed_model_of_the_package(copied, monkeypatch):
    copied.write_bytes(copied.read_bytes() + b'x')
    monkeypatch.setattr('emotion_perception.classification.DEFAULT_MODEL', copied)
    finding = check_model(Choice())
    assert finding.status == PROBLEM
    assert 'install the package again' in finding.do


def test_a_model_that_is_missing_garbage_or_without_its_json(copied):
    missing = check_model(Choice(model=str(copied.with_name('other.tflite'))))
    assert (missing.status, 'there is no model file' in missing.text) == (PROBLEM, True)
    copied.with_suffix('.json').unlink()
    alone = check_model(Choice(model=str(copied)))
    assert (alone.status, 'a model needs its json' in alone.text) == (PROBLEM, True)
    copied.write_bytes(b'<html>')
    garbage = check_model(Choice(model=str(copied)))
    assert (garbage.status, 'is not a LiteRT' in garbage.text) == (PROBLEM, True)


def test_labels_in_another_order(copied):
    path = copied.with_suffix('.json')
    values = json.loads(path.read_text())
    values['labels'].reverse()
    path.write_text(json.dumps(values))
    finding = check_model(Choice(model=str(copied)))
    assert finding.status == PROBLEM
    assert 'in this order' in finding.text


@pytest.mark.parametrize('answer', [np.nan, 0.3])
def test_a_model_that_gives_no_probabilities(monkeypatch, answer):
    wrong = np.full((2, 7), answer, np.float32)
    monkeypatch.setattr(EmotionClassifier, 'classify', lambda self, faces: wrong)
    finding = check_model(Choice())
    assert finding.status == PROBLEM
    assert 'which are no probabilities' in finding.text


def test_every_detector_is_looked_at():
    names = [name for name, _ in check_recognition(Choice())]
    assert names == ['model', *DETECTORS, 'speed']


def test_a_detector_that_is_here():
    finding = check_detector('blazeface', Choice())
    assert (finding.status, finding.values) == (OK, {'needed': True, 'here': True})
    assert finding.text == 'loads, and sees 1 face in a drawing'


def test_a_detector_that_is_not_here_is_a_problem_only_where_it_is_chosen():
    finding = check_detector('yunet', Choice())
    assert (finding.status, finding.values) == (OK, {'needed': False, 'here': False})
    assert finding.text.startswith('not here, and not chosen: yunet needs')
    chosen = Choice(detector='yunet', detector_model='/nowhere/yunet.onnx')
    finding = check_detector('yunet', chosen)
    assert (finding.status, finding.values['needed']) == (PROBLEM, True)
    assert 'yunet' in finding.text


def test_a_detector_that_nobody_knows():
    names = [name for name, _ in check_recognition(Choice(detector='eagle'))]
    assert names[1] == 'eagle'
    finding = check_detector('eagle', Choice(detector='eagle'))
    assert finding.status == PROBLEM
    assert 'choose one of blazeface, yunet, haar' in finding.text


def test_speed():
    finding = check_speed(Choice())
    assert 0.1 < finding.values['p50_ms'] <= finding.values['p99_ms']
    assert finding.values['faces'] == 1
    assert finding.values['cores'] >= 1
    assert finding.status == (WARNING if finding.values['p50_ms'] > 33.4 else OK)


def test_a_slow_processor_is_a_warning_and_the_measurement_ends(monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setattr(inference.time, 'perf_counter', lambda: next(ticks) * 0.05)
    finding = check_speed(Choice())
    assert finding.status == WARNING
    assert finding.values['p50_ms'] == pytest.approx(50)
    assert 'detect_every' in finding.do


def test_speed_without_a_model(tmp_path):
    finding = check_speed(Choice(model=str(tmp_path / 'none.tflite')))
    assert finding.status == PROBLEM
