# SPDX-License-Identifier: Apache-2.0
"""Bootstrap intervals and McNemar's test, against scikit-learn and values by hand."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from emotion_training.evaluate.evaluation import short_names
from emotion_training.evaluate.metrics import measure
from emotion_training.evaluate.model_comparison import (
    comparison,
    interval,
    intervals,
    mcnemar,
    resample,
)
from support.probabilities import guesses, normed


def test_scores_of_a_bootstrap_sample_are_those_of_scikit_learn():
    (first, labels), (second, _) = guesses(90, 1), guesses(90, 2)
    samples = resample([first, second], labels, resamples=20, seed=3)
    rows = np.random.default_rng(3).integers(0, 90, (20, 90))
    for model, p in enumerate((first, second)):
        for sample, at in enumerate(rows):
            predicted, true = p[at].argmax(1), labels[at]
            expected = (
                accuracy_score(true, predicted),
                balanced_accuracy_score(true, predicted),
                log_loss(true, normed(p[at]), labels=range(7)),
            )
            assert samples[model, sample] == pytest.approx(expected, abs=1e-6)


def test_the_interval_of_an_accuracy_is_that_of_the_binomial():
    labels = np.zeros(1000, int)
    probabilities = np.eye(7)[np.where(np.arange(1000) < 800, 0, 1)]
    low, high = interval(resample([probabilities], labels)[0, :, 0])
    half = 1.96 * np.sqrt(0.8 * 0.2 / 1000)
    assert (low, high) == pytest.approx((0.8 - half, 0.8 + half), abs=0.003)


def test_a_class_that_a_sample_lacks_is_left_out_of_its_mean():
    labels = np.array([0] * 9 + [1])
    samples = resample([np.eye(7)[labels]], labels, 400)
    assert np.array_equal(samples[0, :, 1], np.ones(400))


def test_mcnemar_by_hand():
    first = np.array([True] * 5 + [True] + [False] * 9 + [False] * 3)
    other = np.array([True] * 5 + [False] + [True] * 9 + [False] * 3)
    # at most one of ten tosses, either way round: 2 * (1 + 10) / 2 ** 10
    assert mcnemar(first, other) == {'only_first_right': 1, 'only_this_right': 9, 'p': 0.02148}
    assert mcnemar(first, first)['p'] == 1


def test_differences_to_the_first_model():
    probabilities, labels = guesses(400)
    worse = probabilities.copy()
    right = np.flatnonzero(probabilities.argmax(1) == labels)[:20]
    worse[right] = np.roll(worse[right], 1, axis=1)
    first, same, other = intervals([probabilities, probabilities, worse], labels)
    assert 'against_first' not in first
    assert same['against_first'] == {
        'accuracy': [0, 0, 0], 'macro_recall': [0, 0, 0], 'log_loss': [0, 0, 0],
        'mcnemar': {'only_first_right': 0, 'only_this_right': 0, 'p': 1},
    }  # fmt: skip
    mean, low, high = other['against_first']['accuracy']
    assert mean == pytest.approx(-0.05)
    assert low < mean < high < 0  # paired: alone, the intervals overlap widely
    assert other['intervals']['accuracy'][1] > first['intervals']['accuracy'][0] + 0.03


def test_the_text_of_a_comparison():
    (first, labels), (second, _) = guesses(300, 1), guesses(300, 2)
    models = [
        {'name': name, 'questions': {'FER2013 label': measure(p, labels) | row}}
        for name, p, row in zip(
            ('a', 'b'), (first, second), intervals([first, second], labels), strict=True
        )
    ]
    title, headers, a, b = comparison(models).splitlines()
    assert title.startswith('FER2013 label, 300 images')
    assert headers.split()[-2:] == ['difference', 'p']
    row = models[1]['questions']['FER2013 label']
    assert f'{row["accuracy"]:.2%}' in b
    assert f'{100 * row["against_first"]["accuracy"][0]:+.2f}' in b
    assert '..' in a


@pytest.mark.parametrize(
    ('paths', 'names'),
    [
        (['runs/a/best.keras'], ['best.keras']),
        (['runs/a/best.keras', 'runs/b/best.keras'], ['a/best.keras', 'b/best.keras']),
        (['x/a/m.h5', 'y/a/m.h5', 'n.h5'], ['x/a/m.h5', 'y/a/m.h5', 'n.h5']),
        (['m.h5', 'm.h5'], ['1: m.h5', '2: m.h5']),
    ],
)
def test_models_have_short_distinct_names(paths, names):
    assert short_names([Path(path) for path in paths]) == names
