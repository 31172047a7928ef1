"""Scores and calibration against values worked out by hand, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from emotion_perception.emotions import EMOTIONS
from emotion_perception.tracking import TrackingSettings
from emotion_training.data.dataset import Dataset
from emotion_training.data.fer2013 import VOTE_COLUMNS
from emotion_training.evaluate import metrics
from emotion_training.evaluate.calibration import (
    expected_calibration_error,
    fit_balanced,
    fit_temperature,
    reliability,
)
from emotion_training.evaluate.evaluation import evaluate, questions, score, table
from support.probabilities import guesses, normed


def dataset(labels, votes=None, digests=None):
    """Return a split with these labels; `votes` are dicts of names to numbers."""
    count = len(labels)
    table = votes and np.array(
        [[v.get(name, 0) for name in VOTE_COLUMNS] for v in votes], np.uint8
    )
    return Dataset(
        np.zeros((count, 48, 48), np.uint8),
        np.array([EMOTIONS.index(label) for label in labels]),
        table,
        np.array(digests or [f'{i}' for i in range(count)]),
        tuple(f'validation/{label}/{i:05}.png' for i, label in enumerate(labels)),
    )


def test_expected_calibration_error_by_hand():
    # one bin (0.8 to 0.8667): three of four right at 0.82; another (0.4667 to 0.5333): one of two at 0.5
    confidence = np.array([0.82, 0.82, 0.82, 0.82, 0.5, 0.5])
    correct = np.array([True, True, True, False, True, False])
    assert expected_calibration_error(confidence, correct) == pytest.approx(4 / 6 * 0.07)
    bins = reliability(confidence, correct)
    assert bins['images'].tolist() == [0] * 7 + [2] + [0] * 4 + [4, 0, 0]
    assert bins['accuracy'][[7, 12]].tolist() == [0.5, 0.75]
    assert bins['confidence'][[7, 12]] == pytest.approx([0.5, 0.82])
    assert np.isnan(bins['accuracy'][0])


def test_score_by_hand():
    probabilities = np.eye(7)[[0, 0, 1, 3, 3]]
    found = score(probabilities, np.array([0, 1, 1, 3, 3]))
    assert found == {'images': 5, 'accuracy': 0.8, 'macro_recall': 0.8333, 'ece': 0.2}


def test_scores_are_those_of_scikit_learn():
    probabilities, labels = guesses(500)
    answers = probabilities.argmax(1)
    found = metrics.measure(probabilities, labels)
    assert found['accuracy'] == pytest.approx(accuracy_score(labels, answers), abs=1e-4)
    expected = balanced_accuracy_score(labels, answers)
    assert found['macro_recall'] == pytest.approx(expected, abs=1e-4)
    expected = log_loss(labels, normed(probabilities), labels=range(7))
    assert found['log_loss'] == pytest.approx(expected, abs=1e-4)


def test_the_log_loss_of_an_impossible_label_is_finite():
    assert metrics.losses(np.eye(7)[[0, 1]], np.array([0, 0])) == pytest.approx([0, -np.log(1e-7)])


def test_each_class_by_hand():
    labels = np.array([0, 0, 0, 1, 1, 2])
    answers = np.array([0, 0, 1, 1, 3, 0])
    found = metrics.per_class(labels, answers)
    assert found['anger'] == {'precision': 0.6667, 'recall': 0.6667, 'f1': 0.6667, 'support': 3}
    assert found['disgust'] == {'precision': 0.5, 'recall': 0.5, 'f1': 0.5, 'support': 2}
    assert found['fear'] == {'precision': None, 'recall': 0.0, 'f1': 0.0, 'support': 1}
    assert found['happiness'] == {'precision': 0.0, 'recall': None, 'f1': 0.0, 'support': 0}
    assert found['sadness'] == {'precision': None, 'recall': None, 'f1': None, 'support': 0}


def test_rows_of_the_confusion_matrix_are_the_labels():
    confusion = metrics.measure(np.eye(7)[[0, 3, 3]], np.array([0, 0, 4]))['confusion']
    assert (confusion[0][0], confusion[0][3], confusion[4][3]) == (1, 1, 1)
    assert np.sum(confusion) == 3


def test_risk_and_coverage_by_hand():
    confidence = np.array([0.3, 0.9, 0.7, 0.8])
    correct = np.array([False, True, True, False])
    curve = metrics.risk_coverage(confidence, correct)
    # most confident first: right, wrong, right, wrong
    at = [curve['coverage'].index(coverage) for coverage in (0.25, 0.5, 0.75, 1.0)]
    assert [curve['risk'][k] for k in at] == [0.0, 0.5, 0.3333, 0.5]
    assert [curve['threshold'][k] for k in at] == [0.9, 0.8, 0.7, 0.3]
    assert curve['area'] == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4, abs=1e-4)
    threshold = TrackingSettings().uncertain_below
    assert curve['robot'] == {'threshold': threshold, 'coverage': 0.75, 'accuracy': 0.6667}


def test_the_most_confident_mistakes_come_first():
    probabilities = np.full((4, 7), 0.05)
    probabilities[[0, 1, 2, 3], [0, 1, 2, 3]] = (0.5, 0.7, 0.6, 0.7)
    labels = np.array([6, 1, 6, 6])
    assert metrics.most_confident_mistakes(probabilities, labels, 9).tolist() == [3, 2, 0]
    assert metrics.most_confident_mistakes(probabilities, labels, 2).tolist() == [3, 2]


VOTES = [
    {'fear': 6, 'surprise': 4},  # a majority
    {'fear': 5, 'surprise': 5},  # half is none
    {'NF': 6, 'neutral': 4},  # most see no face
    {'NF': 10},
    {'happiness': 5, 'unknown': 4},  # more than half of the nine who answered
]


def test_the_questions():
    split = dataset(['fear', 'fear', 'neutral', 'anger', 'happiness'], VOTES, list('abcde'))
    asked = {q.name: q for q in questions(split, {'a', 'x'})}
    assert {name: q.rows.tolist() for name, q in asked.items()} == {
        'FER2013 label': [True] * 5,
        'FER+ majority': [True, False, False, False, True],
        'FER+ all faces': [True, True, True, False, True],
        'FER2013 label, leak-free': [False, True, True, True, True],
        'FER+ majority, leak-free': [False, False, False, False, True],
    }
    assert asked['FER+ majority'].labels[0] == EMOTIONS.index('fear')
    assert {q.name: q.head for q in asked.values()}['FER+ all faces'] == 'crowd'


def test_questions_without_votes_twins_or_images():
    split = dataset(['fear', 'anger'])
    assert [q.name for q in questions(split, None)] == ['FER2013 label']
    nobody = dataset(['fear', 'anger'], [{'NF': 10}] * 2)
    assert [q.name for q in questions(nobody, {'0', '1'})] == ['FER2013 label']


def test_what_a_model_s_json_and_the_table_say():
    split = dataset(['fear', 'anger'])
    scores = evaluate({'fer2013': np.eye(7)[[2, 2]]}, split, dataset(['fear'], digests=['1']))
    assert scores == {
        'FER2013 label': {'images': 2, 'accuracy': 0.5, 'macro_recall': 0.5, 'ece': 0.5},
        'FER2013 label, leak-free': {
            'images': 1, 'accuracy': 1.0, 'macro_recall': 1.0, 'ece': 0.0,
        },
    }  # fmt: skip
    assert 'log loss' not in table(scores)
    lines = table({'FER2013 label': scores['FER2013 label'] | {'log_loss': 1.25}}).splitlines()
    assert lines[0].split() == ['images', 'accuracy', 'macro', 'recall', 'ECE', 'log', 'loss']
    assert lines[1].split() == ['FER2013', 'label', '2', '50.00%', '50.00%', '50.00%', '1.2500']


@pytest.mark.parametrize('temperature', [0.5, 1.0, 2.0])
def test_the_temperature_that_made_the_labels_is_found(temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (20000, 7))
    shares = np.exp(logits / temperature)
    shares /= shares.sum(1, keepdims=True)
    labels = (shares.cumsum(1) < rng.random((len(shares), 1))).sum(1)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.04)


@pytest.mark.parametrize('balance', [0.0, 0.5, 1.0])
def test_balanced_answers_forget_how_often_each_expression_was_shown(balance):
    rng = np.random.default_rng(0)
    evidence = rng.normal(0, 3, (20000, 7))
    shares = np.array([0.3, 0.02, 0.08, 0.2, 0.25, 0.05, 0.1])
    learned = evidence + np.log(shares)
    odds = np.exp(learned)
    labels = ((odds / odds.sum(1, keepdims=True)).cumsum(1) < rng.random((20000, 1))).sum(1)
    offset, temperature = fit_balanced(learned, labels, shares, balance)
    wanted = -balance * np.log(shares)
    assert offset == pytest.approx(wanted - wanted.mean(), abs=0.04)
    assert temperature == fit_temperature(learned + offset, labels)
