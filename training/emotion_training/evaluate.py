"""Score a model on a split: FER2013's own labels, the crowd's majority, without twins, and calibration."""

from dataclasses import dataclass

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.calibration import expected_calibration_error
from emotion_training.dataset import Dataset


@dataclass(frozen=True)
class Question:
    """One way to score: a head's answers against labels on the images that have one."""

    name: str
    head: str
    labels: np.ndarray
    rows: np.ndarray


def questions(split: Dataset, train: Dataset | None) -> list[Question]:
    """
    Return what a split can be asked.

    Args:
        split: what is scored.
        train: what the model learned from; its images are twins that ``leak-free`` leaves out.

    """
    every = np.ones(len(split), bool)
    asked = [Question('FER2013 label', 'fer2013', split.labels, every)]
    if split.votes is not None:
        asked.append(Question('FER+ majority', 'crowd', split.majority, split.majority >= 0))
        seen = split.crowd_weight > 0
        asked.append(Question('FER+ all faces', 'crowd', split.crowd.argmax(1), seen))
    if train is not None:
        fresh = ~np.isin(split.digests, train.digests)
        asked += [
            Question(f'{q.name}, leak-free', q.head, q.labels, q.rows & fresh)
            for q in asked
            if q.name != 'FER+ all faces'
        ]
    return asked


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


def evaluate(
    probabilities: dict[str, np.ndarray], split: Dataset, train: Dataset | None = None
) -> dict[str, dict[str, float]]:
    """
    Return the scores of every question that the split can be asked.

    Args:
        probabilities: float [N, 7] of each head, for all images of the split.
        split: what is scored.
        train: what the model learned from, to leave twins out.

    """
    return {
        q.name: score(probabilities[q.head][q.rows], q.labels[q.rows])
        for q in questions(split, train)
        if q.head in probabilities
    }


def table(scores: dict[str, dict[str, float]]) -> str:
    """Return the scores as lines of text."""
    lines = [f'{"":<28}{"images":>8}{"accuracy":>10}{"macro recall":>14}{"ECE":>8}']
    for name, row in scores.items():
        lines.append(
            f'{name:<28}{row["images"]:>8}{row["accuracy"]:>10.2%}{row["macro_recall"]:>14.2%}{row["ece"]:>8.2%}'
        )
    return '\n'.join(lines)
