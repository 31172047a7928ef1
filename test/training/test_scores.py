"""Scores and calibration against values worked out by hand."""

import numpy as np
import pytest
from emotion_training.calibration import expected_calibration_error, fit_temperature
from emotion_training.evaluate import score


def test_expected_calibration_error_by_hand():
    # one bin (0.8 to 0.8667): three of four right at 0.82; another (0.4667 to 0.5333): one of two at 0.5
    confidence = np.array([0.82, 0.82, 0.82, 0.82, 0.5, 0.5])
    correct = np.array([True, True, True, False, True, False])
    assert expected_calibration_error(confidence, correct) == pytest.approx(4 / 6 * 0.07)


def test_score_by_hand():
    probabilities = np.eye(7)[[0, 0, 1, 3, 3]]
    found = score(probabilities, np.array([0, 1, 1, 3, 3]))
    assert found == {'images': 5, 'accuracy': 0.8, 'macro_recall': 0.8333, 'ece': 0.2}


@pytest.mark.parametrize('temperature', [0.5, 1.0, 2.0])
def test_the_temperature_that_made_the_labels_is_found(temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (20000, 7))
    shares = np.exp(logits / temperature)
    shares /= shares.sum(1, keepdims=True)
    labels = (shares.cumsum(1) < rng.random((len(shares), 1))).sum(1)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.04)
