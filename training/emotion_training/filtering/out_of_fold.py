"""ValidationCallback each image with a network that never saw it: train on all folds but one, answer for that one."""

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.augmentation import Augmentation
from emotion_training.data.dataset import Dataset
from emotion_training.filtering.verdicts import FilterError

_NETWORK: dict[str, Any] = {'stem': 8, 'widths': (16, 32, 64, 128), 'depths': (1, 1, 1, 1)}
_LARGEST_BATCH = 128
_PEAK_RATE = 2e-3
_AUGMENTATION = Augmentation(degrade=0.0)


def assign_folds(data: Dataset, folds: int, seed: int) -> np.ndarray:
    """
    Return the fold of each image, int [N], balanced by class; pixel-identical images share one.

    Raises:
        FilterError: if a class has fewer different images than there are folds.

    """
    from sklearn.model_selection import StratifiedGroupKFold

    if folds < 2:
        raise FilterError(f'confident-learning: {folds} folds; at least 2 are needed')
    for index, label in enumerate(EMOTIONS):
        different = len(set(data.digests[data.labels == index]))
        if 0 < different < folds:
            raise FilterError(
                f'confident-learning: train has {different} different images of {label}, '
                f'too few for {folds} folds'
            )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    assigned = np.empty(len(data), int)
    rows = np.zeros(len(data))
    for fold, (_, held_out) in enumerate(splitter.split(rows, data.labels, data.digests)):
        assigned[held_out] = fold
    return assigned


def predict(
    data: Dataset, work: Path, folds: int = 4, epochs: int = 12, seed: int = 1
) -> np.ndarray:
    """
    Return out-of-fold probabilities, float32 [N, 7].

    The answers for a fold are saved in `work` as soon as they exist; started again with the same
    images and arguments, only the missing ones are made.

    Args:
        data: the split.
        work: a folder for the folds' answers.
        folds: number of trainings.
        epochs: of each.
        seed: of the folds, the weights, the order and the augmentation.

    """
    if epochs < 1:
        raise FilterError(f'confident-learning: {epochs} epochs; at least 1 is needed')
    assigned = assign_folds(data, folds, seed)
    key = _fingerprint(data, folds, epochs, seed)
    probabilities = np.zeros((len(data), len(EMOTIONS)), np.float32)
    for fold in range(folds):
        held_out = assigned == fold
        path = work / f'fold-{fold}.npz'
        answers = _saved(path, key)
        if answers is None:
            answers = _answer(data, held_out, epochs, seed + fold, f'fold {fold + 1} of {folds}')
            work.mkdir(parents=True, exist_ok=True)
            partial = work / f'partial-{fold}.npz'
            np.savez(partial, key=np.array(key), answers=answers)
            os.replace(partial, path)
        probabilities[held_out] = answers
    return probabilities


def _fingerprint(data: Dataset, folds: int, epochs: int, seed: int) -> str:
    recipe = json.dumps(
        [folds, epochs, seed, _NETWORK, _LARGEST_BATCH, _PEAK_RATE, repr(_AUGMENTATION)]
    )
    content = '\n'.join([recipe, *data.digests, *map(str, data.labels)])
    return hashlib.sha256(content.encode()).hexdigest()


def _saved(path: Path, key: str) -> np.ndarray | None:
    if not path.exists():
        return None
    try:
        with np.load(path) as stored:
            return stored['answers'] if str(stored['key']) == key else None
    except (OSError, KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile):
        return None  # what is there is damaged, or none of ours: made anew


def _answer(data: Dataset, held_out: np.ndarray, epochs: int, seed: int, name: str) -> np.ndarray:
    """Train on the rest and return the probabilities of the held-out images, flip averaged."""
    import keras

    from emotion_training.models.networks import expression_net

    keras.utils.set_random_seed(seed)
    network = expression_net(**_NETWORK)
    model = keras.Model(network.input, network.output['fer2013'])
    images, labels = data.images[~held_out], data.labels[~held_out]
    batches = _batches(images, labels, seed)
    steps = len(batches)
    rate = keras.optimizers.schedules.CosineDecay(
        _PEAK_RATE / 10, max(1, steps * (epochs - 1)), 0.01,
        warmup_target=_PEAK_RATE, warmup_steps=steps,
    )  # fmt: skip
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    with tqdm(total=epochs * steps, unit='batch', desc=name) as bar:
        model.fit(
            batches,
            epochs=epochs,
            verbose=0,
            callbacks=[
                keras.callbacks.LambdaCallback(
                    on_train_batch_end=lambda _, logs: bar.update(),
                    on_epoch_begin=lambda epoch, _: batches.start_epoch(epoch),
                    on_epoch_end=lambda _, logs: bar.set_postfix(loss=f'{logs["loss"]:.3f}'),
                )
            ],
        )
    return _ask(model, data.images[held_out][..., None])


def _ask(model, faces: np.ndarray, size: int = 512) -> np.ndarray:
    """Return the probabilities of uint8 [N, 48, 48, 1], each averaged with its mirror image's."""
    import keras

    answers = []
    for at in range(0, len(faces), size):
        batch = faces[at : at + size].astype(np.float32)
        both = (model(one, training=False) for one in (batch, batch[:, :, ::-1]))
        answers.append(
            np.mean([keras.ops.convert_to_numpy(keras.ops.softmax(one)) for one in both], axis=0)
        )
    return np.concatenate(answers)


def _batches(images: np.ndarray, labels: np.ndarray, seed: int):
    import keras

    size = min(_LARGEST_BATCH, max(1, len(images) // 8))

    class Batches(keras.utils.PyDataset):
        """Shuffled, augmented batches; the same for the same seed and epoch."""

        def __init__(self):
            super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
            self.start_epoch(0)

        def start_epoch(self, epoch: int) -> None:
            self._epoch = epoch
            self._order = np.random.default_rng((seed, epoch)).permutation(len(images))

        def __len__(self) -> int:
            return len(images) // size

        def __getitem__(self, index: int):
            rows = self._order[index * size : (index + 1) * size]
            rng = np.random.default_rng((seed, self._epoch, index))
            faces = _AUGMENTATION(images[rows], rng)
            return faces[..., None].astype(np.float32), labels[rows]

    return Batches()
