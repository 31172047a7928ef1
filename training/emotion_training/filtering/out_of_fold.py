# SPDX-License-Identifier: Apache-2.0
"""Predict each image with a network that was trained on the other folds."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.augmentation import Augmentation
from emotion_training.data.dataset import Dataset
from emotion_training.filtering import predictions
from emotion_training.filtering.decisions import FilterError
from emotion_training.train.config import TrainingConfig

_NETWORK: dict[str, Any] = {'stem': 8, 'widths': (16, 32, 64, 128), 'depths': (1, 1, 1, 1)}
_MAX_BATCH = 128
_PEAK_RATE = 2e-3
_AUGMENTATION = Augmentation(corrupt=0.0)


def _groups(data: Dataset, folds: int) -> np.ndarray:
    """
    Return which images share a fold: duplicates and images of one person, str [N].

    Where these are fewer in a class than folds only exact duplicates do.
    """
    if data.groups is None:
        return data.digests
    if min(len(set(data.groups[data.labels == label])) for label in set(data.labels)) >= folds:
        return data.groups
    print(
        'note: there are too few people for folds without near duplicates and images of one '
        'person in two of them: the networks are better than they would be on strangers',
        file=sys.stderr,
    )
    return data.digests


def assign_folds(data: Dataset, folds: int, seed: int) -> np.ndarray:
    """
    Return the fold of each image, int [N], stratified by class; `_groups` stay together.

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
                f'too few for {folds} folds; add images, or choose fewer --folds'
            )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    assigned = np.empty(len(data), int)
    rows = np.zeros(len(data))
    groups = _groups(data, folds)
    for fold, (_, held_out) in enumerate(splitter.split(rows, data.labels, groups)):
        assigned[held_out] = fold
    return assigned


def predict(
    data: Dataset, work: Path, folds: int = 4, epochs: int = 12, seed: int = 1
) -> np.ndarray:
    """
    Return out-of-fold probabilities, float32 [N, 7].

    The predictions of a completed fold are saved in `work`; a second call with the same images
    and arguments trains the missing folds only.

    Args:
        data: a split.
        work: folder for the predictions of the folds.
        folds: number of trainings.
        epochs: epochs of each training.
        seed: of the folds, the weights, the order and the augmentation.

    """
    if epochs < 1:
        raise FilterError(f'confident-learning: {epochs} epochs; at least 1 is needed')
    assigned = assign_folds(data, folds, seed)
    training = [_NETWORK, _MAX_BATCH, TrainingConfig.min_steps, _PEAK_RATE, repr(_AUGMENTATION)]
    content = '\n'.join(
        [json.dumps([folds, epochs, seed, *training]), *data.digests, *map(str, data.labels)]
        + ([] if data.groups is None else [*map(str, assigned)])
    )
    key = hashlib.sha256(content.encode()).hexdigest()[:12]
    probabilities = np.zeros((len(data), len(EMOTIONS)), np.float32)
    for fold in range(folds):
        held_out = data.subset(assigned == fold)
        path = work / f'{key}-fold-{fold}.npz'
        try:
            found = predictions.read(path, held_out)
        except FilterError:  # missing or damaged
            name = f'fold {fold + 1} of {folds}'
            train = data.subset(assigned != fold)
            found = fit_and_predict(train, held_out, epochs, seed + fold, name)
            predictions.save(path, held_out, found)
        probabilities[assigned == fold] = found
    return probabilities


def fit_and_predict(
    train: Dataset, held_out: Dataset, epochs: int, seed: int, name: str
) -> np.ndarray:
    """Train a network on `train` and return the probabilities of `held_out`, float32 [N, 7]."""
    import keras
    from scipy.special import softmax
    from tqdm.keras import TqdmCallback

    from emotion_training.data.batches import AugmentedBatches
    from emotion_training.models.networks import expression_net

    keras.utils.set_random_seed(seed)
    network = expression_net(**_NETWORK)
    model = keras.Model(network.input, {'fer2013': network.output['fer2013']})
    config = TrainingConfig(
        name='fold',
        network='expression_net',
        batch_size=min(_MAX_BATCH, max(1, len(train) // 8)),
        augmentation=_AUGMENTATION,
        seed=seed,
    )
    batches = AugmentedBatches(train, config, ('fer2013',))
    steps = len(batches)
    rate = keras.optimizers.schedules.CosineDecay(
        _PEAK_RATE / 10, max(1, steps * (epochs - 1)), 0.01,
        warmup_target=_PEAK_RATE, warmup_steps=steps,
    )  # fmt: skip
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.02),
        {'fer2013': keras.losses.CategoricalCrossentropy(from_logits=True)},
    )
    start_epoch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, _: batches.start_epoch(epoch)
    )
    progress = TqdmCallback(desc=name)
    model.fit(batches, epochs=epochs, verbose=0, callbacks=[start_epoch, progress])
    faces = held_out.images[..., None].astype(np.float32)
    both = [
        model.predict(view, batch_size=512, verbose=0)['fer2013']
        for view in (faces, faces[:, :, ::-1])
    ]
    return softmax(both, axis=-1).mean(0).astype(np.float32)
