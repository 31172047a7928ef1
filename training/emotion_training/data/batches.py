"""Shuffled, augmented batches of a training split."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.dataset import Dataset
from emotion_training.train.config import TrainingConfig

Values = dict[str, np.ndarray]
Batch = tuple[np.ndarray, Values, Values]
"""Faces, targets of each head and weights of each head."""
Teacher = Callable[[np.ndarray], Values]
"""From faces, float32 [N, 48, 48, 1] in 0..255, to ``{head: probabilities, float32 [N, 7]}``."""


class Drawn(NamedTuple):
    """A batch before the teacher is asked: faces for the network and, the same or tighter, for the teacher."""

    faces: np.ndarray
    tight: np.ndarray
    wanted: Values
    weights: Values


def targets(data: Dataset, heads: tuple[str, ...]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """
    Return what each head should answer, float32 [N, 7], and the weight of each image, float32 [N].

    Raises:
        DatasetError: if a head needs votes and the dataset has none.

    """
    known = {
        'crowd': lambda: (data.crowd, data.crowd_weight),
        'fer2013': lambda: (
            np.eye(len(EMOTIONS), dtype=np.float32)[data.labels],
            np.ones(len(data), np.float32),
        ),
    }
    return {head: known[head]() for head in heads}


def _taught(wanted, weights, answers, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and weights with `share` of the teachers' answers, which always weigh 1."""
    own = (1 - share) * weights[:, None]
    total = own + share
    return ((own * wanted + share * answers) / total).astype(np.float32), total[:, 0]


def _mixed(faces, wanted, weights, share: np.float32):
    """Return each image mixed with the one before it, `share` its own, and the same of its targets."""
    faces = share * faces + (1 - share) * np.roll(faces, 1, axis=0)
    targets_of, weights_of = {}, {}
    for head, own in weights.items():
        here, other = share * own[:, None], (1 - share) * np.roll(own, 1)[:, None]
        total = here + other
        both = here * wanted[head] + other * np.roll(wanted[head], 1, axis=0)
        targets_of[head] = both / np.maximum(total, 1e-6)
        weights_of[head] = total[:, 0]
    return faces, targets_of, weights_of


class AugmentedBatches(keras.utils.PyDataset):
    """Batches for `fit`; the same for the same seed and epoch, whatever was trained before."""

    def __init__(
        self,
        data: Dataset,
        config: TrainingConfig,
        heads: tuple[str, ...],
        teacher: Teacher | None = None,
    ):
        """
        Shuffle for the first epoch; work goes on in a thread beside the training.

        Args:
            data: images and what is known of them.
            config: the recipe.
            heads: what the network answers.
            teacher: is asked for each batch as the network sees it, augmented and mixed (Beyer et al.,
                2022), but before faces are shown in loose crops; has its share in the targets.

        """
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=12)
        self._data, self._config, self._teacher = data, config, teacher
        self._targets = targets(data, heads)
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Shuffle for this epoch."""
        self._epoch = epoch
        order = np.random.default_rng((self._config.seed, epoch))
        self._order = order.permutation(len(self._data))

    def __len__(self) -> int:
        """Return the number of whole batches."""
        return max(len(self._data) // self._config.batch_size, 1)

    def __getitem__(self, index: int) -> Batch:
        """Return faces, targets and weights of one batch."""
        return self.taught(self.draw(index))

    def draw(self, index: int) -> Drawn:
        """Return a batch before the teacher is asked."""
        size = self._config.batch_size
        rows = self._order[index * size : (index + 1) * size]
        rng = np.random.default_rng((self._config.seed, self._epoch, index))
        faces = self._config.augmentation(self._data.images[rows], rng)[..., None]
        faces = faces.astype(np.float32)
        wanted = {head: values[rows] for head, (values, _) in self._targets.items()}
        weights = {head: values[rows] for head, (_, values) in self._targets.items()}
        if self._config.mixup:
            share = rng.beta(self._config.mixup, self._config.mixup)
            larger = np.float32(max(share, 1 - share))
            faces, wanted, weights = _mixed(faces, wanted, weights, larger)
        augmentation = self._config.augmentation
        loose = augmentation.loosen(faces, rng) if augmentation.loose else faces
        return Drawn(loose, faces, wanted, weights)

    def taught(self, drawn: Drawn) -> Batch:
        """Return a batch with the teacher's share in its targets."""
        faces, tight, wanted, weights = drawn
        if self._teacher is None:
            return faces, wanted, weights
        answers = self._teacher(tight)
        both = {
            head: _taught(wanted[head], weights[head], answers[head], self._config.teaching)
            for head in wanted
        }
        return (
            faces,
            {head: values for head, (values, _) in both.items()},
            {head: values for head, (_, values) in both.items()},
        )
