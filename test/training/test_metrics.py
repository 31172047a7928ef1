# SPDX-License-Identifier: Apache-2.0
"""Metrics, references and calibration, against values by hand and against scikit-learn."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from emotion_perception.emotions import EMOTIONS
from emotion_perception.tracking import TrackingSettings
from emotion_training.data.dataset import Dataset
from emotion_training.data.fer2013 import VOTE_COLUMNS
from emotion_training.evaluate import metrics
from emotion_training.evaluate.calibration import fit_balanced, fit_temperature
from emotion_training.evaluate.evaluation import evaluate, references, table
from support.probabilities import guesses, normed


def dataset(labels, votes=None, digests=None):
    """Return a split with these labels; `votes` are dicts of names to numbers."""
    count = len(labels)
    columns = votes and np.array(
        [[v.get(name, 0) for name in VOTE_COLUMNS] for v in votes], np.uint8
    )
    return Dataset(
        np.zeros((count, 48, 48), np.uint8),
        np.array([EMOTIONS.index(label) for label in labels]),
        columns,
        np.array(digests or [f'{i}' for i in range(count)]),
        tuple(f'validation/{label}/{i:05}.png' for i, label in enumerate(labels)),
    )


def sample(probabilities, rng):
    """Return a label for each row, drawn with these probabilities."""
    return (probabilities.cumsum(1) < rng.random((len(probabilities), 1))).sum(1)


def test_ece_and_reliability_by_hand():
    # one bin (0.8 to 0.8667): three of four right at 0.82; another (0.4667 to 0.5333): one of two
    # at 0.5
    confidence = np.array([0.82, 0.82, 0.82, 0.82, 0.5, 0.5])
    correct = np.array([True, True, True, False, True, False])
    assert metrics.expected_calibration_error(confidence, correct) == pytest.approx(4 / 6 * 0.07)
    bins = metrics.reliability(confidence, correct)
    assert bins['images'].tolist() == [0] * 7 + [2] + [0] * 4 + [4, 0, 0]
    assert bins['accuracy'][[7, 12]].tolist() == [0.5, 0.75]
    assert bins['confidence'][[7, 12]] == pytest.approx([0.5, 0.82])
    assert np.isnan(bins['accuracy'][0])


def test_score_by_hand_and_by_scikit_learn():
    found = metrics.score(np.eye(7)[[0, 0, 1, 3, 3]], np.array([0, 1, 1, 3, 3]))
    assert found == {'images': 5, 'accuracy': 0.8, 'macro_recall': 0.8333, 'ece': 0.2}
    probabilities, labels = guesses(500)
    predicted = probabilities.argmax(1)
    found = metrics.measure(probabilities, labels)
    expected = {
        'accuracy': accuracy_score(labels, predicted),
        'macro_recall': balanced_accuracy_score(labels, predicted),
        'log_loss': log_loss(labels, normed(probabilities), labels=range(7)),
    }
    assert {key: found[key] for key in expected} == pytest.approx(expected, abs=1e-4)
    losses = metrics.log_losses(np.eye(7)[[0, 1]], np.array([0, 0]))
    assert losses == pytest.approx([0, -np.log(1e-7)])  # finite


def test_each_class_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 2])
    found = metrics.per_class(labels, np.array([0, 0, 1, 1, 3, 0]))
    rows = {name: tuple(values.values()) for name, values in found.items()}
    assert rows['anger'] == (0.6667, 0.6667, 0.6667, 3)
    assert rows['disgust'] == (0.5, 0.5, 0.5, 2)
    assert rows['fear'] == (None, 0.0, 0.0, 1)
    assert rows['happiness'] == (0.0, None, 0.0, 0)
    assert rows['sadness'] == (None, None, None, 0)
    confusion = metrics.measure(np.eye(7)[[0, 3, 3]], np.array([0, 0, 4]))['confusion']
    assert (confusion[0][0], confusion[0][3], confusion[4][3], np.sum(confusion)) == (1, 1, 1, 3)


def test_risk_and_coverage_by_hand():
    confidence = np.array([0.3, 0.9, 0.7, 0.8])
    curve = metrics.risk_coverage(confidence, np.array([False, True, True, False]))
    # most confident first: right, wrong, right, wrong
    at = [curve['coverage'].index(coverage) for coverage in (0.25, 0.5, 0.75, 1.0)]
    assert [curve['risk'][k] for k in at] == [0.0, 0.5, 0.3333, 0.5]
    assert [curve['threshold'][k] for k in at] == [0.9, 0.8, 0.7, 0.3]
    assert curve['area'] == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4, abs=1e-4)
    threshold = TrackingSettings().uncertain_below
    assert curve['robot'] == {'threshold': threshold, 'coverage': 0.5, 'accuracy': 0.5}


def test_the_most_confident_mistakes_come_first():
    probabilities = np.full((4, 7), 0.05)
    probabilities[[0, 1, 2, 3], [0, 1, 2, 3]] = (0.5, 0.7, 0.6, 0.7)
    labels = np.array([6, 1, 6, 6])
    assert metrics.most_confident_mistakes(probabilities, labels, 9).tolist() == [3, 2, 0]
    assert metrics.most_confident_mistakes(probabilities, labels, 2).tolist() == [3, 2]


VOTES = [
    {'fear': 6, 'surprise': 4},  # a majority
    {'fear': 5, 'surprise': 5},  # half is none
    {'NF': 6, 'neutral': 4},  # most votes are for no face
    {'NF': 10},
    {'happiness': 5, 'unknown': 4},  # more than half of the nine votes
]


def test_references_of_a_split():
    split = dataset(['fear', 'fear', 'neutral', 'anger', 'happiness'], VOTES, list('abcde'))
    by_name = {reference.name: reference for reference in references(split, {'a', 'x'})}
    assert {name: reference.rows.tolist() for name, reference in by_name.items()} == {
        'FER2013 label': [True] * 5,
        'FER+ majority': [True, False, False, False, True],
        'FER+ all faces': [True, True, True, False, True],
        'FER2013 label, leak-free': [False, True, True, True, True],
        'FER+ majority, leak-free': [False, False, False, False, True],
    }
    assert by_name['FER+ majority'].labels[0] == EMOTIONS.index('fear')
    assert by_name['FER+ all faces'].head == 'crowd'
    assert [r.name for r in references(dataset(['fear']), None)] == ['FER2013 label']
    no_faces = dataset(['fear', 'anger'], [{'NF': 10}] * 2)
    assert [r.name for r in references(no_faces, {'0', '1'})] == ['FER2013 label']


def test_scores_of_a_model_and_their_table():
    split = dataset(['fear', 'anger'])
    scores = evaluate({'fer2013': np.eye(7)[[2, 2]]}, split, dataset(['fear'], digests=['1']))
    assert scores == {
        'FER2013 label': {'images': 2, 'accuracy': 0.5, 'macro_recall': 0.5, 'ece': 0.5},
        'FER2013 label, leak-free': {
            'images': 1,
            'accuracy': 1.0,
            'macro_recall': 1.0,
            'ece': 0.0,
        },
    }
    assert 'log loss' not in table(scores)
    lines = table({'FER2013 label': scores['FER2013 label'] | {'log_loss': 1.25}}).splitlines()
    assert lines[0].split() == ['images', 'accuracy', 'macro', 'recall', 'ECE', 'log', 'loss']
    assert lines[1].split() == ['FER2013', 'label', '2', '50.00%', '50.00%', '50.00%', '1.2500']


@pytest.mark.parametrize('temperature', [0.5, 2.0])
def test_the_temperature_of_the_labels_is_recovered(temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (20000, 7))
    labels = sample(softmax(logits / temperature, axis=1), rng)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.04)


@pytest.mark.parametrize('balance', [0.0, 0.5])
def test_balance_removes_that_part_of_the_class_frequencies(balance):
    rng = np.random.default_rng(0)
    frequencies = np.array([0.3, 0.02, 0.08, 0.2, 0.25, 0.05, 0.1])
    logits = rng.normal(0, 3, (20000, 7)) + np.log(frequencies)
    labels = sample(softmax(logits, axis=1), rng)
    offset, temperature = fit_balanced(logits, labels, frequencies, balance)
    expected = -balance * np.log(frequencies)
    assert offset == pytest.approx(expected - expected.mean(), abs=0.04)
    assert temperature == fit_temperature(logits + offset, labels)
