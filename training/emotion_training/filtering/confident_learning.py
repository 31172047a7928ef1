"""Find wrong labels by confident learning (Northcutt et al., 2021), with cleanlab."""

from collections.abc import Callable

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.dataset import Dataset
from emotion_training.filtering import PRUNINGS
from emotion_training.filtering.verdicts import FilterError, Verdicts


def judge(
    data: Dataset, predict: Callable[[Dataset], np.ndarray], prune: str = PRUNINGS[0]
) -> Verdicts:
    """
    Remove what cleanlab takes for a wrong label.

    Args:
        data: a split.
        predict: gives the probabilities of networks that did not learn from the image they
            judge, float [N, 7].
        prune: one of `PRUNINGS`.

    Raises:
        FilterError: if fewer than two classes have images or an option is unknown.

    """
    from cleanlab.filter import find_label_issues

    if prune not in PRUNINGS:
        raise FilterError(f'confident-learning: {prune!r} is none of {", ".join(PRUNINGS)}')
    present = np.unique(data.labels)
    if len(present) < 2:
        raise FilterError('confident-learning: train holds one class only; there is no other')
    probabilities = predict(data)
    # cleanlab wants labels without gaps: classes that have no image take no part
    shares = probabilities[:, present]
    shares = shares / np.maximum(shares.sum(1, keepdims=True), 1e-12)
    wrong = find_label_issues(
        np.searchsorted(present, data.labels), shares, filter_by=prune, n_jobs=1
    )
    best = probabilities.argmax(1)
    reasons = tuple(
        f'out of fold: {EMOTIONS[answer]} {row[answer]:.2f}'
        + ('' if answer == label else f', {EMOTIONS[label]} {row[label]:.2f}')
        for label, answer, row in zip(data.labels, best, probabilities, strict=True)
    )
    accuracy = float((best == data.labels).mean())
    return Verdicts(
        'confident-learning',
        f'{prune}; the networks name {accuracy:.1%} of the labels',
        ~wrong,
        reasons,
        best,
        probabilities,
    )
