# SPDX-License-Identifier: Apache-2.0
"""Shuffled, augmented batches of a training split."""

from collections.abc import Callable

import keras
import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.dataset import Dataset, mean_neutral_face
from emotion_training.models.networks import TEACHER_FEATURES
from emotion_training.train.config import TrainingConfig

Values = dict[str, np.ndarray]
Batch = tuple[np.ndarray, Values, Values]
"""Faces, and targets and weights of each head, and of TEACHER_FEATURES if they are taught."""
Teacher = Callable[[np.ndarray], Values]
"""From faces, float32 [N, 48, 48, 1] in 0..255, to ``{head: probabilities, float32 [N, 7]}``, and
with ``feature_distillation`` to ``{TEACHER_FEATURES: float16 [N, channels]}``."""


def targets(data: Dataset, heads: tuple[str, ...]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """
    Return target probabilities, float32 [N, 7], and sample weights, float32 [N], of each head.

    Raises:
        DatasetError: if a head needs votes and the dataset has none.

    """
    one_hot = np.eye(len(EMOTIONS), dtype=np.float32)
    known = {
        'crowd': lambda: (data.crowd, data.crowd_weight),
        'fer2013': lambda: (one_hot[data.labels], np.ones(len(data), np.float32)),
    }
    return {head: known[head]() for head in heads}


def _sharpened(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities [N, 7] with their logarithms divided by `temperature`; 0 stays 0."""
    powers = probabilities ** (1 / temperature)
    return powers / np.maximum(powers.sum(1, keepdims=True), 1e-12)


def _distill(own, weights, teacher, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and weights with `share` of the teacher's probabilities, which weigh 1."""
    own_share = (1 - share) * weights[:, None]
    total = own_share + share
    return ((own_share * own + share * teacher) / total).astype(np.float32), total[:, 0]


def _mixup(faces, own, weights, share: np.float32):
    """Mix each image and its targets with the previous ones; `share` is the own part."""
    mixed_targets, mixed_weights = {}, {}
    for head, weight in weights.items():
        here, other = share * weight[:, None], (1 - share) * np.roll(weight, 1)[:, None]
        total = here + other
        both = here * own[head] + other * np.roll(own[head], 1, axis=0)
        mixed_targets[head] = both / np.maximum(total, 1e-6)
        mixed_weights[head] = total[:, 0]
    return share * faces + (1 - share) * np.roll(faces, 1, axis=0), mixed_targets, mixed_weights


class AugmentedBatches(keras.utils.PyDataset):
    """Batches for `fit`, the same for the same seed and epoch, independent of earlier batches."""

    def __init__(
        self,
        data: Dataset,
        config: TrainingConfig,
        heads: tuple[str, ...],
        teacher: Teacher | None = None,
    ):
        """
        Shuffle for the first epoch; Keras prepares batches in a background thread.

        Args:
            data: training split.
            config: the recipe.
            heads: heads of the network.
            teacher: predicts each augmented and mixed batch (Beyer et al., 2022), before the loose
                crops, with ``config.clean_teacher`` also before weaker expressions and
                corruptions; ``config.distillation`` is its part of the targets.

        """
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=12)
        self._data, self._config, self._teacher = data, config, teacher
        self._targets = {
            head: (_sharpened(values, config.target_temperature.get(head, 1.0)), weights)
            for head, (values, weights) in targets(data, heads).items()
        }
        self._neutral = mean_neutral_face(data)
        self._predicted: dict[tuple[int, int], Values] = {}
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Shuffle for this epoch."""
        cycle = self._config.distillation_cycle or epoch + 1
        self._epoch, self._mirrored = epoch % cycle, epoch // cycle % 2 == 1
        self._passed = epoch
        rng = np.random.default_rng((self._config.seed, self._epoch))
        passes = -(-len(self) * self._config.batch_size // len(self._data))
        self._order = np.concatenate([rng.permutation(len(self._data)) for _ in range(passes)])

    def __len__(self) -> int:
        """Return the number of complete batches, of repeated images where they are few."""
        return max(len(self._data) // self._config.batch_size, self._config.min_steps)

    def __getitem__(self, index: int) -> Batch:
        """Return faces, targets and weights of one batch."""
        size = self._config.batch_size
        rows = self._order[index * size : (index + 1) * size]
        rng = np.random.default_rng((self._config.seed, self._epoch, index))
        augmentation = self._config.augmentation
        augment = augmentation.moved if self._config.clean_teacher else augmentation
        faces = augment(self._data.images[rows], rng)[..., None].astype(np.float32)
        own = {head: values[rows] for head, (values, _) in self._targets.items()}
        weights = {head: values[rows] for head, (_, values) in self._targets.items()}
        if self._config.mixup:
            share = rng.beta(self._config.mixup, self._config.mixup)
            faces, own, weights = _mixup(faces, own, weights, np.float32(max(share, 1 - share)))
        predicted = self._predict(index, faces)
        if self._config.clean_teacher:
            # the teacher's predictions repeat in a cycle, what only the student sees does not
            rng = np.random.default_rng((self._config.seed, self._passed, index, 1))
            faces = augmentation.weaken(faces, self._neutral, rng)
            faces = augmentation.corrupted(faces, rng)
        if augmentation.loose:
            faces = augmentation.loose_crops(faces, rng)
        if predicted is None:
            return faces, own, weights
        if self._mirrored:
            faces = faces[:, :, ::-1]
        both = {
            head: _distill(own[head], weights[head], predicted[head], self._config.distillation)
            for head in own
        }
        if TEACHER_FEATURES in predicted:
            features = predicted[TEACHER_FEATURES].astype(np.float32)
            both[TEACHER_FEATURES] = features, np.ones(len(faces), np.float32)
        return (
            faces,
            {name: values for name, (values, _) in both.items()},
            {name: values for name, (_, values) in both.items()},
        )

    def _predict(self, index: int, faces: np.ndarray) -> Values | None:
        """Return the teacher's probabilities of one batch, in a repeated epoch the known ones."""
        if self._teacher is None:
            return None
        key = self._epoch, index
        predicted = self._predicted.get(key)
        if predicted is None:
            predicted = self._teacher(faces)
            for head, temperature in self._config.target_temperature.items():
                predicted[head] = _sharpened(predicted[head], temperature)
        if self._config.distillation_cycle:
            self._predicted[key] = predicted
        return predicted
