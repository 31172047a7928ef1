# SPDX-License-Identifier: Apache-2.0
"""Metrics of predicted probabilities against labels: scores, reliability, risk and coverage."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tabulate import tabulate

from emotion_perception.emotions import EMOTIONS
from emotion_perception.tracking import TrackingSettings

ECE_BINS = 15
AT_CHANCE = 0.1
"""Macro recall, adjusted to 0 for guessing and 1 for no mistake, from which it is no guessing."""
SMALLEST_PROBABILITY = 1e-7
"""Lower limit of probabilities in the log loss, which would be infinite at 0."""

_COVERAGES = np.linspace(0.01, 1, 100)


def percent(value: float | None, digits: int = 1) -> str:
    """Return a fraction in per cent without the sign; an empty string for None."""
    return '' if value is None else f'{100 * value:.{digits}f}'


def signed(
    mean_and_interval: Sequence[float], digits: int = 1, of_interval: int | None = None
) -> str:
    """Return a difference, [mean, low, high], with signs and its interval in brackets."""
    of_interval = digits if of_interval is None else of_interval
    mean, low, high = mean_and_interval
    return f'{mean:+.{digits}f} ({low:+.{of_interval}f} .. {high:+.{of_interval}f})'


def markdown(rows: list[list[Any]], headers: list[str]) -> str:
    """Return a Markdown table."""
    return tabulate(rows, headers, 'github', disable_numparse=True)


def plain(rows: list[list[Any]], headers: Sequence[str]) -> str:
    """Return a table for the terminal: the first column aligned left, the others right."""
    align = ['left', *['right'] * (len(headers) - 1)]
    return tabulate(rows, headers, 'plain', colalign=align, disable_numparse=True)


def log_losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the log loss of each image in nats, float [N], from float [N, 7] and int [N]."""
    of_label = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return -np.log(np.clip(of_label, SMALLEST_PROBABILITY, 1))


def macro_recall(correct: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean recall of the classes that occur in `labels`."""
    return float(np.mean([correct[labels == label].mean() for label in np.unique(labels)]))


def chance_remark(recall: float, labels: np.ndarray) -> str:
    """
    Return a remark if a macro recall is about that of guessing, else an empty text.

    Args:
        recall: macro recall, 0..1.
        labels: int [N], which it was measured on; of few, guessing may name many.

    """
    images = np.unique(labels, return_counts=True)[1]
    chance = 1 / len(images)
    deviation = chance * np.sqrt(chance * (1 - chance) * np.sum(1 / images))
    if chance == 1 or recall - chance >= max(AT_CHANCE * (1 - chance), 2 * deviation):
        return ''
    return f'no better than guessing: macro recall {recall:.1%}, by chance {chance:.1%}'


def reliability(confidence: np.ndarray, correct: np.ndarray) -> dict[str, np.ndarray]:
    """
    Return the values of a reliability diagram with `ECE_BINS` bins of equal width.

    Args:
        confidence: float [N], 0..1.
        correct: bool [N].

    Returns:
        ``images`` int [bins], and the mean ``confidence`` and ``accuracy`` of each bin, float
        [bins], NaN where a bin is empty.

    """
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    images = np.bincount(bins, minlength=ECE_BINS)
    with np.errstate(invalid='ignore'):
        return {
            'images': images,
            'confidence': np.bincount(bins, confidence, ECE_BINS) / images,
            'accuracy': np.bincount(bins, correct, ECE_BINS) / images,
        }


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """
    Return the ECE of Guo et al. (2017) with `ECE_BINS` bins of equal width, 0..1.

    Args:
        confidence: float [N], 0..1.
        correct: bool [N].

    """
    bins = reliability(confidence, correct)
    gaps = np.abs(bins['accuracy'] - bins['confidence']) * bins['images']
    return float(np.nansum(gaps) / len(confidence))


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """
    Return accuracy, macro recall and ECE, each 0..1, and the number of images.

    Args:
        probabilities: float [N, 7].
        labels: int [N].

    """
    correct = probabilities.argmax(1) == labels
    return {
        'images': len(labels),
        'accuracy': round(float(correct.mean()), 4),
        'macro_recall': round(macro_recall(correct, labels), 4),
        'ece': round(expected_calibration_error(probabilities.max(1), correct), 4),
    }


def risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> dict[str, Any]:
    """
    Return the error rate of the most confident predictions by coverage (El-Yaniv, 2010).

    Args:
        confidence: float [N], 0..1.
        correct: bool [N].

    Returns:
        ``coverage``, ``risk`` (error rate of the covered predictions) and ``threshold`` (their
        lowest confidence), each of 100 floats; ``area``, the mean risk over all coverages;
        ``robot``, coverage and accuracy at the node's default threshold for `uncertain`.

    """
    order = np.argsort(-confidence, kind='stable')
    risks = np.cumsum(~correct[order]) / np.arange(1, len(order) + 1)
    at = np.maximum(np.ceil(_COVERAGES * len(order) - 1e-9).astype(int), 1) - 1
    threshold = TrackingSettings().uncertain_below
    covered = confidence >= threshold
    return {
        'coverage': _json_list((at + 1) / len(order)),
        'risk': _json_list(risks[at]),
        'threshold': _json_list(confidence[order][at]),
        'area': round(float(risks.mean()), 4),
        'robot': {
            'threshold': threshold,
            'coverage': round(float(covered.mean()), 4),
            'accuracy': round(float(correct[covered].mean()), 4) if covered.any() else None,
        },
    }


def per_class(labels: np.ndarray, predicted: np.ndarray) -> dict[str, dict[str, Any]]:
    """
    Return precision, recall, F1 and support of each expression.

    Args:
        labels: int [N].
        predicted: int [N].

    Returns:
        By name. Undefined values are None: recall without such an image, precision without such a
        prediction, F1 without either.

    """
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(
        labels, predicted, labels=range(len(EMOTIONS)), zero_division=np.nan
    )
    names = ('precision', 'recall', 'f1', 'support')
    return {
        emotion: {
            name: _json_number(column[k]) for name, column in zip(names, columns, strict=True)
        }
        for k, emotion in enumerate(EMOTIONS)
    }


def measure(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """
    Return all metrics of a report, ready for json.

    Args:
        probabilities: float [N, 7].
        labels: int [N].

    """
    from sklearn.metrics import confusion_matrix

    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    correct = predicted == labels
    return score(probabilities, labels) | {
        'log_loss': round(float(log_losses(probabilities, labels).mean()), 4),
        'per_class': per_class(labels, predicted),
        'confusion': confusion_matrix(labels, predicted, labels=range(len(EMOTIONS))).tolist(),
        'reliability': {
            name: _json_list(values) for name, values in reliability(confidence, correct).items()
        },
        'risk_coverage': risk_coverage(confidence, correct),
    }


def most_confident_mistakes(
    probabilities: np.ndarray, labels: np.ndarray, count: int
) -> np.ndarray:
    """Return the rows of the wrong predictions with the highest confidence, highest first."""
    wrong = np.flatnonzero(probabilities.argmax(1) != labels)
    order = np.argsort(-probabilities.max(1)[wrong], kind='stable')
    return wrong[order][:count]


def _json_number(value: Any) -> int | float | None:
    if isinstance(value, (int, np.integer)):
        return int(value)
    return None if np.isnan(value) else round(float(value), 4)


def _json_list(values: np.ndarray) -> list[int | float | None]:
    return [_json_number(value) for value in values]
