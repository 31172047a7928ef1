"""Score a model on a split: FER2013's own labels, the crowd's majority, without twins, and calibration."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from emotion_training.data.dataset import Dataset
from emotion_training.evaluate.metrics import score

_ALL_FACES = 'FER+ all faces'
_LEAK_FREE = ', leak-free'


@dataclass(frozen=True)
class Question:
    """One way to score: a head's answers against labels on the images that have one."""

    name: str
    head: str
    labels: np.ndarray
    rows: np.ndarray


def questions(split: Dataset, learned: Collection[str] | None) -> list[Question]:
    """
    Return what a split can be asked; a question that no image answers is left out.

    Args:
        split: what is scored.
        learned: digests of the images that the model learned from, which ``leak-free`` leaves out.

    """
    every = np.ones(len(split), bool)
    asked = [Question('FER2013 label', 'fer2013', split.labels, every)]
    if split.votes is not None:
        asked.append(Question('FER+ majority', 'crowd', split.majority, split.majority >= 0))
        seen = split.crowd_weight > 0
        asked.append(Question(_ALL_FACES, 'crowd', split.crowd.argmax(1), seen))
    if learned is not None:
        fresh = ~np.isin(split.digests, list(learned))
        asked += [
            Question(q.name + _LEAK_FREE, q.head, q.labels, q.rows & fresh)
            for q in asked
            if q.name != _ALL_FACES
        ]
    return [q for q in asked if q.rows.any()]


def is_main(question: str) -> bool:
    """Tell whether a report shows a question in full: neither a subset of another nor mostly noise."""
    return question != _ALL_FACES and not question.endswith(_LEAK_FREE)


def evaluate(
    probabilities: dict[str, np.ndarray], split: Dataset, train: Dataset | None = None
) -> dict[str, dict[str, float]]:
    """
    Return the scores of every question that the split can be asked and `probabilities` answer.

    Args:
        probabilities: float [N, 7] of each head, for all images of the split.
        split: what is scored.
        train: what the model learned from, to leave twins out.

    """
    return {
        q.name: score(probabilities[q.head][q.rows], q.labels[q.rows])
        for q in questions(split, None if train is None else train.digests)
        if q.head in probabilities
    }


def table(scores: dict[str, dict[str, float]]) -> str:
    """Return scores as lines of text, with the log loss where they have it."""
    lossy = any('log_loss' in row for row in scores.values())
    heading = f'{"":<28}{"images":>8}{"accuracy":>10}{"macro recall":>14}{"ECE":>8}'
    lines = [heading + (f'{"log loss":>10}' if lossy else '')]
    for name, row in scores.items():
        line = f'{name:<28}{row["images"]:>8}{row["accuracy"]:>10.2%}{row["macro_recall"]:>14.2%}{row["ece"]:>8.2%}'
        lines.append(line + (f'{row["log_loss"]:>10.4f}' if lossy else ''))
    return '\n'.join(lines)
