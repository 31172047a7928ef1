"""What a method says about each training image, and how several are combined."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.dataset import Dataset
from emotion_training.data.fer2013 import DatasetError


class FilterError(DatasetError):
    """A method cannot judge this dataset; the message says what to do."""


@dataclass(frozen=True)
class Verdicts:
    """
    One method's opinion of every image of a split.

    Attributes:
        method: its name.
        note: how it was done, for people: the rule, or which weights.
        keep: bool [N].
        reasons: a short sentence for each image.
        suggested: int64 [N], index into EMOTIONS of what the image shows instead or too; -1 where
            the method cannot say.
        probabilities: float32 [N, 7] that it rests on, or None.

    """

    method: str
    note: str
    keep: np.ndarray
    reasons: tuple[str, ...]
    suggested: np.ndarray
    probabilities: np.ndarray | None = None


Method = Callable[[Dataset], Verdicts]


def combined(verdicts: Sequence[Verdicts], combine: str) -> np.ndarray:
    """
    Return which images stay, bool [N].

    Args:
        verdicts: of at least one method.
        combine: ``all``: an image stays if all methods keep it; ``any``: if one of them does.

    """
    keeps = np.stack([one.keep for one in verdicts])
    if combine == 'all':
        return np.all(keeps, axis=0)
    if combine == 'any':
        return np.any(keeps, axis=0)
    raise ValueError(f'combine is {combine!r}, expected all or any')


def suggestions(verdicts: Sequence[Verdicts]) -> np.ndarray:
    """Return for each image what the first method that removes it suggests, int64 [N], or -1."""
    found = np.full(len(verdicts[0].keep), -1)
    for one in reversed(verdicts):
        found = np.where(one.keep, found, one.suggested)
    return found


def name_of(index: int) -> str:
    """Return the label of an index into EMOTIONS; blank for -1."""
    return EMOTIONS[index] if index >= 0 else ''
