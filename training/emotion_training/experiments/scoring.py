"""Scores of several trainings an arm, with intervals that cover both the images and the seeds."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from emotion_training.data.dataset import Dataset
from emotion_training.evaluate.evaluation import questions
from emotion_training.evaluate.model_comparison import (
    RESAMPLES,
    SCORES,
    SEED,
    interval,
    resample,
    scores_of,
)

_SHOWN = SCORES[:2]
_ASKED = ('FER2013 label', 'FER+ majority')
"""Questions that are scored, each also without twins; the third one is mostly noise."""


def score_arms(
    answers: Mapping[str, Sequence[np.ndarray]], split: Dataset, learned: Collection[str] | None
) -> dict[str, dict[str, Any]]:
    """
    Return how well each arm answers each question: mean over its runs, their range, and intervals.

    An interval holds the middle 95 % of `RESAMPLES` draws of both images and runs with replacement
    (a bootstrap in two ways: Davison & Hinkley, 1997, section 3.8); of the images, all arms get the
    same draw. With few runs an arm it is a rough one.

    Args:
        answers: for each arm, probabilities float [N, 7] of each of its runs; the first arm is what
            the others are compared with.
        split: what is scored.
        learned: digests of training images, which ``leak-free`` leaves out.

    Returns:
        By question: ``images`` and, by arm, ``accuracy`` and ``macro_recall`` with ``mean``, ``runs``,
        ``interval`` and, but for the first arm, ``against_first`` as [difference, low, high]; 0..1.

    """
    rng = np.random.default_rng(SEED)
    found: dict[str, dict[str, Any]] = {}
    for q in questions(split, learned):
        if not q.name.startswith(_ASKED):
            continue
        labels = q.labels[q.rows]
        flat = [run[q.rows] for runs in answers.values() for run in runs]
        drawn, exact = iter(resample(flat, labels)), (scores_of(p, labels) for p in flat)
        arms = {}
        for arm, runs in answers.items():
            draws = np.stack([next(drawn) for _ in runs])
            picked = rng.integers(0, len(runs), (len(runs), RESAMPLES))
            arms[arm] = (
                np.stack([next(exact) for _ in runs]),
                draws[picked, np.arange(RESAMPLES)].mean(0),
            )
        first = next(iter(arms.values()))
        found[q.name] = {
            'images': len(labels),
            'arms': {
                arm: _rows(own, None if own is first else first) for arm, own in arms.items()
            },
        }
    return found


_Scored = tuple[np.ndarray, np.ndarray]
"""Of an arm: the scores of each run, float [runs, scores], and of each draw, float [draws, scores]."""


def _rows(own: _Scored, first: _Scored | None) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for k, name in enumerate(_SHOWN):
        runs, draws = own[0][:, k], own[1][:, k]
        rows[name] = {
            'mean': round(float(runs.mean()), 4),
            'runs': [round(float(value), 4) for value in runs],
            'interval': interval(draws),
        }
        if first:
            difference = round(float(runs.mean() - first[0][:, k].mean()), 4)
            rows[name]['against_first'] = [difference, *interval(draws - first[1][:, k])]
    return rows
