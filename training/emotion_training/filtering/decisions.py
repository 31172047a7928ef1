# SPDX-License-Identifier: Apache-2.0
"""What a filter method decides about each training image, and how decisions are combined."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.dataset import Dataset
from emotion_training.data.fer2013 import DatasetError
from emotion_training.evaluate.metrics import chance_remark, macro_recall


class FilterError(DatasetError):
    """A method cannot filter this dataset; the message says what to do."""


@dataclass(frozen=True)
class Decisions:
    """
    The decisions of one method about the images of a split.

    Attributes:
        method: name of the method.
        note: rule or weights that were used, for people.
        keep: bool [N].
        reasons: a short text for each image.
        suggested: suggested label, int64 [N], index into EMOTIONS; -1 where there is none.
        probabilities: float32 [N, 7] behind the decisions, or None.

    """

    method: str
    note: str
    keep: np.ndarray
    reasons: tuple[str, ...]
    suggested: np.ndarray
    probabilities: np.ndarray | None = None


Method = Callable[[Dataset], Decisions]


def combined(decisions: Sequence[Decisions], combine: str) -> np.ndarray:
    """
    Return which images are kept, bool [N].

    Args:
        decisions: of at least one method.
        combine: ``all``: keep an image if all methods keep it; ``any``: if at least one does.

    """
    if combine not in ('all', 'any'):
        raise ValueError(f'combine is {combine!r}, expected all or any')
    keeps = np.stack([one.keep for one in decisions])
    return np.all(keeps, axis=0) if combine == 'all' else np.any(keeps, axis=0)


def suggestions(decisions: Sequence[Decisions]) -> np.ndarray:
    """Return what the first method that removes an image suggests, int64 [N], else -1."""
    found = np.full(len(decisions[0].keep), -1)
    for one in reversed(decisions):
        found = np.where(one.keep, found, one.suggested)
    return found


def by_predictions(
    data: Dataset, probabilities: np.ndarray, method: str, note: str, name: str, advice: str
) -> Decisions:
    """
    Keep the images whose label is predicted, with ``NAME: PREDICTION 0.90, LABEL 0.05`` as reason.

    Args:
        data: a split.
        probabilities: float [N, 7].
        method: name of the method.
        note: as in `Decisions`; a warning follows it if the predictions are at chance.
        name: of what predicts, in the reasons.
        advice: what to do about predictions at chance.

    """
    best = probabilities.argmax(1)
    right = best == data.labels
    remark = chance_remark(macro_recall(right, data.labels), data.labels)
    if remark:
        note += f'; WARNING: the predictions are {remark}. What they remove is arbitrary; {advice}'
    reasons = (
        f'{name}: {EMOTIONS[top]} {row[top]:.2f}'
        + ('' if top == label else f', {EMOTIONS[label]} {row[label]:.2f}')
        for label, top, row in zip(data.labels, best, probabilities, strict=True)
    )
    return Decisions(method, note, right, tuple(reasons), best, probabilities)
