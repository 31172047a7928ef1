"""Measures of one model's answers to one question: what the tables and figures of a report show."""

from typing import Any

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_perception.tracking import TrackingSettings
from emotion_training.evaluate.calibration import (
    expected_calibration_error,
    reliability,
)

SMALLEST_PROBABILITY = 1e-7
"""Below this a probability counts as this much in the log loss, which would be infinite at 0."""

_COVERAGES = np.linspace(0.01, 1, 100)


def losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return each image's log loss in nats, float [N], from float [N, 7] and int [N]."""
    named = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return -np.log(np.clip(named, SMALLEST_PROBABILITY, 1))


def score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """
    Return accuracy, macro recall and ECE, each 0..1, and the number of images.

    Args:
        probabilities: float [N, 7].
        labels: int [N].

    """
    answers = probabilities.argmax(1)
    correct = answers == labels
    recalls = [
        float(correct[labels == k].mean()) for k in range(len(EMOTIONS)) if (labels == k).any()
    ]
    return {
        'images': len(labels),
        'accuracy': round(float(correct.mean()), 4),
        'macro_recall': round(float(np.mean(recalls)), 4),
        'ece': round(expected_calibration_error(probabilities.max(1), correct), 4),
    }


def risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> dict[str, Any]:
    """
    Return how wrong the answers are if only the most confident ones are given (El-Yaniv et al., 2010).

    Args:
        confidence: float [N], 0..1.
        correct: bool [N].

    Returns:
        ``coverage``, ``risk`` (share of wrong answers among those given) and ``threshold`` (lowest
        confidence among them), each of 100 floats; ``area``, the mean risk over all coverages;
        ``robot``, what the robot's own threshold for `uncertain` gives.

    """
    order = np.argsort(-confidence, kind='stable')
    risks = np.cumsum(~correct[order]) / np.arange(1, len(order) + 1)
    at = np.maximum(np.ceil(_COVERAGES * len(order) - 1e-9).astype(int), 1) - 1
    threshold = TrackingSettings().uncertain_below
    given = confidence >= threshold
    return {
        'coverage': _numbers((at + 1) / len(order)),
        'risk': _numbers(risks[at]),
        'threshold': _numbers(confidence[order][at]),
        'area': round(float(risks.mean()), 4),
        'robot': {
            'threshold': threshold,
            'coverage': round(float(given.mean()), 4),
            'accuracy': round(float(correct[given].mean()), 4) if given.any() else None,
        },
    }


def per_class(labels: np.ndarray, answers: np.ndarray) -> dict[str, dict[str, Any]]:
    """
    Return precision, recall, F1 and support of each expression.

    Args:
        labels: int [N].
        answers: int [N].

    Returns:
        By name; None where a value is undefined: recall without such an image, precision without
        such an answer, F1 without either.

    """
    from sklearn.metrics import precision_recall_fscore_support

    values = precision_recall_fscore_support(
        labels, answers, labels=range(len(EMOTIONS)), zero_division=np.nan
    )
    names = ('precision', 'recall', 'f1', 'support')
    return {
        emotion: {name: _number(column[k]) for name, column in zip(names, values, strict=True)}
        for k, emotion in enumerate(EMOTIONS)
    }


def measure(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """
    Return everything that a report says of one model's answers to one question, as json has it.

    Args:
        probabilities: float [N, 7].
        labels: int [N].

    """
    from sklearn.metrics import confusion_matrix

    answers, confidence = probabilities.argmax(1), probabilities.max(1)
    correct = answers == labels
    return score(probabilities, labels) | {
        'log_loss': round(float(losses(probabilities, labels).mean()), 4),
        'per_class': per_class(labels, answers),
        'confusion': confusion_matrix(labels, answers, labels=range(len(EMOTIONS))).tolist(),
        'reliability': {
            name: _numbers(values) for name, values in reliability(confidence, correct).items()
        },
        'risk_coverage': risk_coverage(confidence, correct),
    }


def most_confident_mistakes(
    probabilities: np.ndarray, labels: np.ndarray, count: int
) -> np.ndarray:
    """Return the rows of the wrong answers with the highest confidence, highest first, int [<= count]."""
    answers, confidence = probabilities.argmax(1), probabilities.max(1)
    wrong = np.flatnonzero(answers != labels)
    return wrong[np.argsort(-confidence[wrong], kind='stable')][:count]


def _number(value: Any) -> int | float | None:
    if isinstance(value, (int, np.integer)):
        return int(value)
    return None if np.isnan(value) else round(float(value), 4)


def _numbers(values: np.ndarray) -> list[int | float | None]:
    return [_number(value) for value in values]
