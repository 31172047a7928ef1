# SPDX-License-Identifier: Apache-2.0
"""Checks of model, detectors and speed, intact and damaged."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

from emotion_perception.classification import DEFAULT_MODEL, EmotionClassifier
from emotion_perception.detection import DETECTORS
from emotion_perception.doctor import inference
from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING
from emotion_perception.doctor.inference import (
    Choice,
    check_detector,
    check_model,
    check_speed,
    inference_checks,
)
from emotion_perception.runtime.metadata import read_metadata
from support.packaged_model import copy_packaged_model


@pytest.fixture
def model_copy(tmp_path):
    """Return the path of a copy of the packaged model, with its json."""
    return copy_packaged_model(tmp_path / DEFAULT_MODEL.name)


def test_packaged_model():
    result = check_model(Choice())
    sha256 = read_metadata(DEFAULT_MODEL.with_suffix('.json')).sha256
    assert result.status == OK
    assert sha256[:12] in result.text
    assert result.values['sha256'] == sha256
    assert sum(result.values['probabilities']) == pytest.approx(1, abs=1e-4)


def change_model(path):
    """Flip one bit of the model."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ('packaged', 'advice'),
    [(False, 'copy the model and its json again'), (True, 'install the package again')],
)
def test_damaged_model(model_copy, monkeypatch, packaged, advice):
    change_model(model_copy)
    monkeypatch.setattr('emotion_perception.classification.DEFAULT_MODEL', model_copy)
    result = check_model(Choice(model='' if packaged else str(model_copy)))
    assert result.status == PROBLEM
    assert 'its sha256 is' in result.text
    assert advice in result.advice


@pytest.mark.parametrize('value', [np.nan, 0.3])
def test_model_without_probabilities(monkeypatch, value):
    wrong = np.full((2, 7), value, np.float32)
    monkeypatch.setattr(EmotionClassifier, 'classify', lambda self, faces: wrong)
    result = check_model(Choice())
    assert result.status == PROBLEM
    assert 'which do not sum to 1' in result.text


@pytest.mark.parametrize('detector', ['', 'eagle'])
def test_every_detector_is_checked(detector):
    names = [name for name, _ in inference_checks(Choice(detector=detector))]
    assert names == ['model', *([detector] if detector else []), *DETECTORS, 'speed']


@pytest.mark.parametrize(
    ('name', 'choice', 'status', 'text', 'values'),
    [
        ('blazeface', Choice(), OK, 'loads, and finds 1 face in a drawing',
         {'needed': True, 'available': True}),
        ('yunet', Choice(), OK, 'yunet needs the path of',
         {'needed': False, 'available': False}),
        ('yunet', Choice('yunet', '/nowhere/yunet.onnx'), PROBLEM, 'yunet', {'needed': True}),
        ('eagle', Choice('eagle'), PROBLEM, 'choose one of blazeface, yunet, haar',
         {'needed': True}),
    ],
)  # fmt: skip
def test_detectors(name, choice, status, text, values):
    result = check_detector(name, choice)
    assert (result.status, result.values) == (status, values)
    assert text in result.text


def test_speed():
    result = check_speed(Choice())
    assert 0 < result.values['p50_ms'] <= result.values['p99_ms']
    assert result.values['faces'] == 1
    assert result.values['cores'] >= 1


def test_slow_processor_is_a_warning(monkeypatch):
    ticks = iter(range(1000))
    clock = SimpleNamespace(perf_counter=lambda: next(ticks) * 0.05, monotonic=time.monotonic)
    monkeypatch.setattr(inference, 'time', clock)
    result = check_speed(Choice())
    assert result.status == WARNING
    assert result.values['p50_ms'] == pytest.approx(50)
    assert 'detect_every' in result.advice


def test_speed_without_a_model(tmp_path):
    assert check_speed(Choice(model=str(tmp_path / 'none.tflite'))).status == PROBLEM
