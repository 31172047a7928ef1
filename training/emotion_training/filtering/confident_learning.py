# SPDX-License-Identifier: Apache-2.0
"""Find wrong labels by confident learning (Northcutt et al., 2021), with cleanlab."""

import dataclasses
from collections.abc import Callable

import numpy as np

from emotion_training.data.dataset import Dataset
from emotion_training.filtering import PRUNINGS
from emotion_training.filtering.decisions import Decisions, FilterError, by_predictions


def decide(
    data: Dataset, predict: Callable[[Dataset], np.ndarray], prune: str = PRUNINGS[0]
) -> Decisions:
    """
    Remove the label issues that cleanlab finds.

    Args:
        data: a split.
        predict: returns out-of-fold probabilities, float [N, 7].
        prune: one of `PRUNINGS`.

    Raises:
        FilterError: if fewer than two classes have images or an option is unknown.

    """
    from cleanlab.filter import find_label_issues

    if prune not in PRUNINGS:
        raise FilterError(f'confident-learning: {prune!r} is none of {", ".join(PRUNINGS)}')
    present = np.unique(data.labels)
    if len(present) < 2:
        raise FilterError('confident-learning: train contains only one class; two are needed')
    probabilities = predict(data)
    # cleanlab requires labels without gaps, so classes without images are removed
    of_present = probabilities[:, present]
    of_present = of_present / np.maximum(of_present.sum(1, keepdims=True), 1e-12)
    wrong = find_label_issues(
        np.searchsorted(present, data.labels), of_present, filter_by=prune, n_jobs=1
    )
    right = (probabilities.argmax(1) == data.labels).mean()
    decisions = by_predictions(
        data,
        probabilities,
        'confident-learning',
        f'{prune}; the networks predict {right:.1%} of the labels',
        'out of fold',
        'train longer (--epochs), or give the --predictions of a better network',
    )
    return dataclasses.replace(decisions, keep=~wrong)
