"""What the filtering experiment compares: one way to choose training images each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.dataset import Dataset
from emotion_training.filtering.decisions import Decisions, Method


@dataclass(frozen=True)
class Variant:
    """
    A way to choose what to learn from.

    Attributes:
        name: in the table and in the file system.
        methods: judges of an image, by name; none keeps all.
        combine: ``all`` or ``any`` of them must keep an image.
        head: what is learned, ``fer2013`` (the label) or ``crowd`` (the shares of the votes).

    """

    name: str
    methods: tuple[str, ...] = ()
    combine: str = 'all'
    head: str = 'fer2013'


ARMS = (
    Variant('raw'),
    Variant('deepface', ('deepface',)),
    Variant('votes', ('votes',)),
    Variant('confident-learning', ('confident-learning',)),
    Variant('votes-and-confident', ('votes', 'confident-learning')),
    Variant('votes-or-confident', ('votes', 'confident-learning'), 'any'),
    Variant('as-many-as-votes', ('as-many-as-votes',)),
    Variant('vote-shares', head='crowd'),
)
"""The first is what the others are compared with; the last two are controls that filter no label."""


_FOLD_EPOCHS = 6
"""Of the networks that confident learning asks; as many as the network learns that is scored."""


def judges(weights: Path | None, work: Path) -> dict[str, Method]:
    """
    Return the judges that the arms name; each asks its networks once.

    Args:
        weights: of DeepFace's emotion network, or None: looked for where DeepFace keeps them.
        work: folder for the answers of the confident-learning folds.

    """
    from emotion_training.filtering import confident_learning, deepface_agreement, out_of_fold
    from emotion_training.filtering import votes as crowd

    def deepface(data: Dataset) -> Decisions:
        path = deepface_agreement.find_weights(weights)
        return deepface_agreement.decide(
            data,
            lambda images: deepface_agreement.classify(images, path),
            deepface_agreement.describe(path),
        )

    def confident(data: Dataset) -> Decisions:
        return confident_learning.decide(
            data, lambda images: out_of_fold.predict(images, work, epochs=_FOLD_EPOCHS)
        )

    votes = _once(crowd.decide)
    return {
        'votes': votes,
        'deepface': _once(deepface),
        'confident-learning': _once(confident),
        'as-many-as-votes': lambda data: as_many(data, votes(data).keep),
    }


def _once(judge: Method) -> Method:
    """Return a judge that remembers its verdicts: an experiment asks about one split only."""
    said: list[Decisions] = []

    def remembered(data: Dataset) -> Decisions:
        if not said:
            said.append(judge(data))
        return said[0]

    return remembered


def as_many(data: Dataset, keep: np.ndarray, seed: int = 1) -> Decisions:
    """
    Keep as many images of each class as `keep` does, drawn at random: the control for their number.

    Args:
        data: a split.
        keep: bool [N].
        seed: of the draw.

    """
    rng, drawn = np.random.default_rng(seed), np.zeros(len(data), bool)
    for label in range(len(EMOTIONS)):
        rows = np.flatnonzero(data.labels == label)
        drawn[rng.choice(rows, int(keep[rows].sum()), replace=False)] = True
    words = {True: 'drawn', False: 'not drawn'}
    return Decisions(
        'as-many-as-votes',
        f'drawn at random, as many of each class as the votes keep, seed {seed}',
        drawn,
        tuple(words[bool(one)] for one in drawn),
        np.full(len(data), -1),
    )


def folder_of(
    arm: Variant, dataset: Path, out: Path, known: Callable[[], dict[str, Method]]
) -> Path:
    """
    Return the dataset of an arm, filtered into ``out/data`` unless it is there already.

    Args:
        arm: what to keep.
        dataset: folder that build made.
        out: of the experiment.
        known: returns the judges by name.

    """
    from emotion_training.filtering.filtered_dataset import filter_dataset

    if not arm.methods:
        return dataset
    folder = out / 'data' / arm.name
    if not folder.exists():
        methods = [known()[name] for name in arm.methods]
        filter_dataset(dataset, folder, methods, arm.combine)
    return folder
