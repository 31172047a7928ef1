"""Intervals and tests between models, against slow or exact other ways to the same numbers."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from emotion_training.evaluate.assessment import names_of
from emotion_training.evaluate.metrics import measure
from emotion_training.evaluate.model_comparison import (
    comparison,
    interval,
    intervals,
    mcnemar,
    resample,
)
from support.probabilities import guesses, normed


def test_a_draw_scores_what_scikit_learn_scores_on_it():
    (first, labels), (second, _) = guesses(90, 1), guesses(90, 2)
    drawn = resample([first, second], labels, resamples=20, seed=3)
    rows = np.random.default_rng(3).integers(0, 90, (20, 90))
    for model, p in enumerate((first, second)):
        for draw, at in enumerate(rows):
            answers, true = p[at].argmax(1), labels[at]
            expected = (
                accuracy_score(true, answers),
                balanced_accuracy_score(true, answers),
                log_loss(true, normed(p[at]), labels=range(7)),
            )
            assert drawn[model, draw] == pytest.approx(expected, abs=1e-6)


def test_the_seed_decides():
    probabilities, labels = guesses(50)
    one, again, other = (resample([probabilities], labels, 300, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_the_interval_of_an_accuracy_is_that_of_the_binomial():
    labels = np.zeros(1000, int)
    probabilities = np.eye(7)[np.where(np.arange(1000) < 800, 0, 1)]
    low, high = interval(resample([probabilities], labels)[0, :, 0])
    half = 1.96 * np.sqrt(0.8 * 0.2 / 1000)
    assert (low, high) == pytest.approx((0.8 - half, 0.8 + half), abs=0.003)


def test_a_class_that_a_draw_lacks_is_left_out_of_its_mean():
    labels = np.array([0] * 9 + [1])
    drawn = resample([np.eye(7)[labels]], labels, 400)
    assert np.array_equal(drawn[0, :, 1], np.ones(400))


def test_mcnemar_by_hand():
    first = np.array([True] * 5 + [True] + [False] * 9 + [False] * 3)
    other = np.array([True] * 5 + [False] + [True] * 9 + [False] * 3)
    found = mcnemar(first, other)
    # at most one of ten tosses, either way round: 2 * (1 + 10) / 2 ** 10
    assert found == {'only_first_right': 1, 'only_this_right': 9, 'p': 0.02148}
    assert mcnemar(first, first)['p'] == 1


def test_a_model_does_not_differ_from_itself():
    probabilities, labels = guesses(200)
    first, second = intervals([probabilities, probabilities], labels)
    assert 'against_first' not in first
    assert second['against_first'] == {
        'accuracy': [0, 0, 0], 'macro_recall': [0, 0, 0], 'log_loss': [0, 0, 0],
        'mcnemar': {'only_first_right': 0, 'only_this_right': 0, 'p': 1},
    }  # fmt: skip


def test_pairing_makes_small_differences_certain():
    probabilities, labels = guesses(400)
    worse = probabilities.copy()
    right = np.flatnonzero(probabilities.argmax(1) == labels)[:20]
    worse[right] = np.roll(worse[right], 1, axis=1)
    first, second = intervals([probabilities, worse], labels)
    mean, low, high = second['against_first']['accuracy']
    assert mean == pytest.approx(-0.05)
    assert low < mean < high < 0
    # alone, their intervals overlap widely
    assert second['intervals']['accuracy'][1] > first['intervals']['accuracy'][0] + 0.03


def test_the_text_says_who_is_better():
    (first, labels), (second, _) = guesses(300, 1), guesses(300, 2)
    models = [
        {'name': name, 'questions': {'FER2013 label': measure(p, labels) | row}}
        for name, p, row in zip(
            ('a', 'b'), (first, second), intervals([first, second], labels), strict=True
        )
    ]
    title, heading, a, b = comparison(models).splitlines()
    assert title.startswith('FER2013 label, 300 images')
    assert heading.split()[-2:] == ['difference', 'p']
    difference = models[1]['questions']['FER2013 label']['against_first']['accuracy'][0]
    assert f'{100 * difference:+.2f}' in b
    assert len(a) < len(b) == len(heading)


@pytest.mark.parametrize(
    ('paths', 'names'),
    [
        (['runs/a/best.keras'], ['best.keras']),
        (['runs/a/best.keras', 'runs/b/best.keras'], ['a/best.keras', 'b/best.keras']),
        (['x/a/m.h5', 'y/a/m.h5', 'n.h5'], ['x/a/m.h5', 'y/a/m.h5', 'n.h5']),
        (['m.h5', 'm.h5'], ['1: m.h5', '2: m.h5']),
    ],
)
def test_models_are_told_apart_by_short_names(paths, names):
    assert names_of([Path(path) for path in paths]) == names
