# SPDX-License-Identifier: Apache-2.0
"""Intervals of scores and differences between models: paired bootstrap, McNemar's test."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.evaluate.metrics import log_losses, macro_recall, plain, signed

SCORES = ('accuracy', 'macro_recall', 'log_loss')
"""The resampled scores. The ECE is not among them: resampling biases it upward."""
RESAMPLES = 2000
SEED = 1
_CHUNK = 200


def resample(
    outputs: Sequence[np.ndarray], labels: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED
) -> np.ndarray:
    """
    Score models on bootstrap samples of the images, the same samples for each model.

    Each score is a function of sums over images, so a sample is a vector of counts, and the sums
    of all samples are one matrix product.

    Args:
        outputs: probabilities of each model, float [N, 7].
        labels: int [N].
        resamples: number of samples.
        seed: of the samples.

    Returns:
        float [models, resamples, 3], in the order of `SCORES`.

    """
    rng, count = np.random.default_rng(seed), len(labels)
    members = (labels[:, None] == np.arange(len(EMOTIONS))).astype(np.float64)
    correct = np.stack([p.argmax(1) == labels for p in outputs], axis=1).astype(np.float64)
    loss = np.stack([log_losses(p, labels) for p in outputs], axis=1)
    # one column for each class of each model
    correct_of_class = (correct[:, :, None] * members[:, None]).reshape(count, -1)
    parts = []
    for start in range(0, resamples, _CHUNK):
        samples = min(_CHUNK, resamples - start)
        rows = rng.integers(0, count, (samples, count)) + count * np.arange(samples)[:, None]
        counts = np.bincount(rows.ravel(), minlength=samples * count).reshape(samples, count)
        hits = (counts @ correct_of_class).reshape(samples, len(outputs), -1)
        with np.errstate(invalid='ignore'):
            recalls = hits / (counts @ members)[:, None]
        scores = counts @ correct / count, np.nanmean(recalls, axis=2), counts @ loss / count
        parts.append(np.stack(scores, axis=2))
    return np.concatenate(parts).transpose(1, 0, 2)


def scores_of(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the scores of all images, float [3], in the order of `SCORES`."""
    correct = probabilities.argmax(1) == labels
    loss = log_losses(probabilities, labels).mean()
    return np.array([correct.mean(), macro_recall(correct, labels), loss])


def interval(values: np.ndarray) -> list[float]:
    """Return the 95 % percentile interval of resampled values, float [N], as [low, high]."""
    return [round(float(value), 4) for value in np.percentile(values, (2.5, 97.5))]


def mcnemar(first: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """
    Test whether two models have the same accuracy (McNemar, 1947; exact binomial, two-sided).

    Args:
        first: bool [N], images on which the first model is right.
        other: bool [N], the same of the other model.

    Returns:
        ``only_first_right`` and ``only_this_right``, numbers of images, and the p-value ``p``.

    """
    from scipy.stats import binomtest

    lost, won = int((first & ~other).sum()), int((other & ~first).sum())
    p = float(binomtest(won, lost + won).pvalue) if lost + won else 1.0
    return {'only_first_right': lost, 'only_this_right': won, 'p': float(f'{p:.4g}')}


def intervals(outputs: Sequence[np.ndarray], labels: np.ndarray) -> list[dict[str, Any]]:
    """
    Return the interval of each score of each model, and its difference to the first model.

    Args:
        outputs: probabilities of each model, float [N, 7].
        labels: int [N].

    Returns:
        For each model ``intervals``, by score [low, high]; except for the first ``against_first``
        with ``mcnemar`` and, by score, [difference, low, high], above 0 where this model's value
        is larger.

    """
    samples = resample(outputs, labels)
    exact = [scores_of(p, labels) for p in outputs]
    rows: list[dict[str, Any]] = []
    for index, p in enumerate(outputs):
        row: dict[str, Any] = {
            'intervals': {name: interval(samples[index, :, k]) for k, name in enumerate(SCORES)}
        }
        if index:
            row['against_first'] = {
                name: [
                    round(float(exact[index][k] - exact[0][k]), 4),
                    *interval(samples[index, :, k] - samples[0, :, k]),
                ]
                for k, name in enumerate(SCORES)
            }
            correct = outputs[0].argmax(1) == labels, p.argmax(1) == labels
            row['against_first']['mcnemar'] = mcnemar(*correct)
        rows.append(row)
    return rows


def comparison(models: Sequence[dict[str, Any]]) -> str:
    """
    Return the scores of several models as text, a table for each reference.

    Args:
        models: ``models`` of `evaluation.report_data`.

    """
    blocks = []
    for name, first in models[0]['questions'].items():
        rows = []
        for model in models:
            row = model['questions'][name]
            cells = [model['name']]
            for score in ('accuracy', 'macro_recall'):
                low, high = (100 * value for value in row['intervals'][score])
                cells.append(f'{row[score]:.2%} ({low:.1f}..{high:.1f})')
            cells += [f'{row["ece"]:.2%}', f'{row["log_loss"]:.4f}']
            if 'against_first' in row:
                gain = [100 * value for value in row['against_first']['accuracy']]
                p = row['against_first']['mcnemar']['p']
                cells += [signed(gain, 2), f'{p:.2g}']
            rows.append(cells)
        headers = ('', 'accuracy', 'macro recall', 'ECE', 'log loss', 'difference', 'p')
        title = (
            f'{name}, {first["images"]} images '
            "(95 % intervals; difference of accuracy and McNemar's "
            'p against the first)'
        )
        blocks.append(title + '\n' + plain(rows, headers))
    return '\n\n'.join(blocks)
