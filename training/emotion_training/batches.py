"""Shuffled, augmented batches of a training split."""

import keras
import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.config import TrainingConfig
from emotion_training.dataset import Dataset


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


class AugmentedBatches(keras.utils.PyDataset):
    """Batches for `fit`; the same for the same seed and epoch, whatever was trained before."""

    def __init__(self, data: Dataset, config: TrainingConfig, heads: tuple[str, ...]):
        """Shuffle for the first epoch; work goes on in a thread beside the training."""
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=12)
        self._data, self._config = data, config
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

    def __getitem__(self, index: int):
        """Return faces, targets and weights of one batch."""
        size = self._config.batch_size
        rows = self._order[index * size : (index + 1) * size]
        rng = np.random.default_rng((self._config.seed, self._epoch, index))
        faces = self._config.augmentation(self._data.images[rows], rng)[..., None]
        wanted = {head: values[rows] for head, (values, _) in self._targets.items()}
        weights = {head: values[rows] for head, (_, values) in self._targets.items()}
        return faces.astype(np.float32), wanted, weights
