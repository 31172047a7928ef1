# SPDX-License-Identifier: Apache-2.0
"""The variants of the filtering experiment: ways to choose the training images."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.dataset import Dataset
from emotion_training.filtering.decisions import Decisions, Method


@dataclass(frozen=True)
class Variant:
    """
    A way to choose the training images and their targets.

    Attributes:
        name: in the table and in the file system.
        methods: names of filter methods; none keeps all images.
        combine: ``all`` or ``any`` of the methods must keep an image.
        head: the trained head, ``fer2013`` (labels) or ``crowd`` (vote shares).

    """

    name: str
    methods: tuple[str, ...] = ()
    combine: str = 'all'
    head: str = 'fer2013'


VARIANTS = (
    Variant('raw'),
    Variant('deepface', ('deepface',)),
    Variant('votes', ('votes',)),
    Variant('confident-learning', ('confident-learning',)),
    Variant('votes-and-confident', ('votes', 'confident-learning')),
    Variant('votes-or-confident', ('votes', 'confident-learning'), 'any'),
    Variant('as-many-as-votes', ('as-many-as-votes',)),
    Variant('vote-shares', head='crowd'),
)
"""The first is the baseline; the last two are controls that filter no label."""

_FOLD_EPOCHS = 6
"""Epochs of the confident-learning networks, as many as of the scored network."""


def filter_methods(weights: Path | None, work: Path) -> dict[str, Method]:
    """
    Return the filter methods of the variants by name; each runs its networks once.

    Args:
        weights: of DeepFace's emotion network; None searches DeepFace's folder.
        work: folder for the predictions of the confident-learning folds.

    """
    from emotion_training.filtering import (
        confident_learning,
        deepface_agreement,
        out_of_fold,
        votes,
    )

    predict = partial(out_of_fold.predict, work=work, epochs=_FOLD_EPOCHS)
    by_votes = _once(votes.decide)
    return {
        'votes': by_votes,
        'deepface': _once(lambda data: deepface_agreement.method(weights)(data)),
        'confident-learning': _once(partial(confident_learning.decide, predict=predict)),
        'as-many-as-votes': lambda data: random_subset(data, by_votes(data).keep),
    }


def _once(method: Method) -> Method:
    """Return a method that keeps its decisions: an experiment filters one split only."""
    decisions: list[Decisions] = []

    def once(data: Dataset) -> Decisions:
        if not decisions:
            decisions.append(method(data))
        return decisions[0]

    return once


def random_subset(data: Dataset, keep: np.ndarray, seed: int = 1) -> Decisions:
    """
    Keep as many random images of each class as `keep` does: the control for their number.

    Args:
        data: a split.
        keep: bool [N].
        seed: of the random choice.

    """
    rng, chosen = np.random.default_rng(seed), np.zeros(len(data), bool)
    for label in range(len(EMOTIONS)):
        rows = np.flatnonzero(data.labels == label)
        chosen[rng.choice(rows, int(keep[rows].sum()), replace=False)] = True
    return Decisions(
        'as-many-as-votes',
        f'drawn at random, as many of each class as the votes keep, seed {seed}',
        chosen,
        tuple(np.where(chosen, 'drawn', 'not drawn').tolist()),
        np.full(len(data), -1),
    )


def variant_dataset(
    variant: Variant, dataset: Path, out: Path, methods: Callable[[], dict[str, Method]]
) -> Path:
    """
    Return the dataset of a variant; it is filtered into ``out/data`` unless it exists.

    Args:
        variant: which images to keep.
        dataset: folder made by build.
        out: folder of the experiment.
        methods: returns the filter methods by name.

    """
    from emotion_training.filtering.filtered_dataset import filter_dataset

    if not variant.methods:
        return dataset
    folder = out / 'data' / variant.name
    if not folder.exists():
        chosen = [methods()[name] for name in variant.methods]
        filter_dataset(dataset, folder, chosen, variant.combine)
    return folder
