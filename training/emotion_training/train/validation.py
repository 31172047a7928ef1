# SPDX-License-Identifier: Apache-2.0
"""Validation after each epoch: scores for the other callbacks, and the rows of the epoch log."""

import csv
import time
from pathlib import Path

import keras
import numpy as np
from scipy.special import log_softmax

from emotion_training.data.batches import targets
from emotion_training.data.dataset import Dataset
from emotion_training.evaluate.metrics import macro_recall
from emotion_training.files import atomic_file
from emotion_training.train.epoch_log import EPOCHS, read_epochs

_BATCH = 512
_DIGITS = 6
"""Decimals in the epoch log, by which the best epoch is chosen, also after resuming."""


class ValidationCallback(keras.callbacks.Callback):
    """
    Scores the validation split with the (averaged) weights after each epoch.

    Adds ``val_loss`` (log loss), ``val_accuracy`` and ``val_macro_recall``, means over the heads,
    to the logs for the callbacks after it. The label of the head `crowd` is the FER+ majority.
    """

    def __init__(self, data: Dataset, heads: tuple[str, ...], run: Path):
        """Write the epoch log to the folder `run`."""
        super().__init__()
        self._heads, self._path = heads, run / EPOCHS
        self._faces = data.images[..., None].astype(np.float32)
        self._targets = targets(data, heads)
        self._labels = {'crowd': data.majority, 'fer2013': data.labels}
        self._row: dict[str, float] = {}
        rows = read_epochs(self._path)
        self._started = time.monotonic() - (rows[-1]['elapsed_s'] if rows else 0.0)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Score; `write_row` logs the scores."""
        logs = {} if logs is None else logs
        logits = self._predict()
        row = {'epoch': epoch, 'learning_rate': float(self.model.optimizer.learning_rate)}
        row['loss'] = float(logs.get('loss', np.nan))
        for head in self._heads:
            accuracy = logs.get(f'{head}_accuracy', logs.get('accuracy', np.nan))
            row[f'{head}_accuracy'] = float(accuracy)
            wanted, weights = self._targets[head]
            log_probabilities = log_softmax(logits[head], axis=1)
            losses = -(wanted * log_probabilities).sum(1)
            labeled = self._labels[head] >= 0
            labels = self._labels[head][labeled]
            correct = log_probabilities.argmax(1)[labeled] == labels
            row[f'val_{head}_loss'] = float(np.average(losses, weights=weights))
            row[f'val_{head}_accuracy'] = float(correct.mean())
            row[f'val_{head}_macro_recall'] = macro_recall(correct, labels)
        row['elapsed_s'] = round(time.monotonic() - self._started, 1)
        self._row = {key: round(value, _DIGITS) for key, value in row.items()}
        for score in ('loss', 'accuracy', 'macro_recall'):
            of_heads = [self._row[f'val_{head}_{score}'] for head in self._heads]
            logs[f'val_{score}'] = float(np.mean(of_heads))

    def _predict(self) -> dict[str, np.ndarray]:
        """Return the logits of each head; not with `predict`, which frees the buffers on jax."""
        parts = [
            self.model(self._faces[start : start + _BATCH], training=False)
            for start in range(0, len(self._faces), _BATCH)
        ]
        return {
            head: np.concatenate([keras.ops.convert_to_numpy(part[head]) for part in parts])
            for head in self._heads
        }

    def write_row(self) -> None:
        """Append the row of this epoch, and replace that of an interrupted one."""
        rows = [old for old in read_epochs(self._path) if old['epoch'] < self._row['epoch']]
        with atomic_file(self._path) as stream:
            writer = csv.DictWriter(stream, list(self._row))
            writer.writeheader()
            writer.writerows({**row, 'epoch': int(row['epoch'])} for row in [*rows, self._row])
