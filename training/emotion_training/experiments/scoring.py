# SPDX-License-Identifier: Apache-2.0
"""Scores of several training runs of each variant, with intervals over images and seeds."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from emotion_training.data.dataset import Dataset
from emotion_training.evaluate.evaluation import FER2013_LABEL, MAJORITY, references
from emotion_training.evaluate.model_comparison import (
    RESAMPLES,
    SCORES,
    SEED,
    interval,
    resample,
    scores_of,
)


def score_variants(
    outputs: Mapping[str, Sequence[np.ndarray]],
    split: Dataset,
    train_digests: Collection[str] | None,
) -> dict[str, dict[str, Any]]:
    """
    Return the scores of each variant against labels and majority, over its runs.

    An interval is the middle 95 % of `RESAMPLES` bootstrap samples of both images and runs
    (Davison & Hinkley, 1997, section 3.8); all variants share the samples of the images. With few
    runs it is a rough one.

    Args:
        outputs: probabilities float [N, 7] of each run, by variant; the first is the baseline.
        split: what is scored.
        train_digests: of training images, which ``leak-free`` leaves out.

    Returns:
        By reference: ``images`` and, by variant in ``arms``, ``accuracy`` and ``macro_recall``
        with ``mean``, ``runs``, ``interval`` and, except for the baseline, ``against_first`` as
        [difference, low, high]; 0..1.

    """
    rng = np.random.default_rng(SEED)
    results: dict[str, dict[str, Any]] = {}
    for reference in references(split, train_digests):
        if not reference.name.startswith((FER2013_LABEL, MAJORITY)):
            continue
        labels = reference.labels[reference.rows]
        flat = [run[reference.rows] for runs in outputs.values() for run in runs]
        resampled, exact = iter(resample(flat, labels)), (scores_of(p, labels) for p in flat)
        arms: dict[str, dict[str, Any]] = {}
        baseline: tuple[np.ndarray, np.ndarray] | None = None
        for name, runs in outputs.items():
            samples = np.stack([next(resampled) for _ in runs])
            picked = rng.integers(0, len(runs), (len(runs), RESAMPLES))
            means = samples[picked, np.arange(RESAMPLES)].mean(0)
            scores = np.stack([next(exact) for _ in runs])
            arms[name] = _score_rows(scores, means, baseline)
            baseline = baseline or (scores, means)
        results[reference.name] = {'images': len(labels), 'arms': arms}
    return results


def _score_rows(
    scores: np.ndarray, means: np.ndarray, baseline: tuple[np.ndarray, np.ndarray] | None
) -> dict[str, dict[str, Any]]:
    """Return a variant's rows from float [runs, scores] and means float [samples, scores]."""
    rows: dict[str, dict[str, Any]] = {}
    for k, name in enumerate(SCORES[:2]):
        rows[name] = {
            'mean': round(float(scores[:, k].mean()), 4),
            'runs': [round(float(value), 4) for value in scores[:, k]],
            'interval': interval(means[:, k]),
        }
        if baseline:
            difference = round(float(scores[:, k].mean() - baseline[0][:, k].mean()), 4)
            rows[name]['against_first'] = [difference, *interval(means[:, k] - baseline[1][:, k])]
    return rows
