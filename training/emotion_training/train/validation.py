"""Score a model after each epoch: a row of epochs.csv, and the values others wait for."""

import csv
import time
from pathlib import Path

import keras
import numpy as np

from emotion_training.data.batches import targets
from emotion_training.data.dataset import Dataset
from emotion_training.files import whole_file
from emotion_training.train.epoch_log import EPOCHS, read_epochs

_AT_ONCE = 512
_DIGITS = 6
"""In epochs.csv; the best epoch is chosen by what stands there, so that a restart chooses alike."""


class ValidationCallback(keras.callbacks.Callback):
    """
    Scores the validation split with the weights as they are (SwapEMAWeights puts the averaged ones there).

    Adds ``val_loss`` (log loss) and ``val_accuracy``, means over the heads, to the logs for the
    callbacks behind it: what FER2013's label says for that head, what most people say for the crowd's.
    """

    def __init__(self, data: Dataset, heads: tuple[str, ...], run: Path):
        """Write to the folder `run`."""
        super().__init__()
        self._heads, self._run = heads, run
        self._faces = data.images[..., None].astype(np.float32)
        self._targets = targets(data, heads)
        self._labels = {'crowd': data.majority, 'fer2013': data.labels}
        self._row: dict[str, float] = {}
        before = read_epochs(run / EPOCHS)
        self._started = time.monotonic() - (before[-1]['elapsed_s'] if before else 0.0)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Score; `write_row` keeps what was found."""
        logs = {} if logs is None else logs
        answers = self.ask(self._faces)
        row = {'epoch': epoch, 'learning_rate': float(self.model.optimizer.learning_rate)}
        row['loss'] = float(logs.get('loss', np.nan))
        losses, accuracies = [], []
        for head in self._heads:
            row[f'{head}_accuracy'] = float(
                logs.get(f'{head}_accuracy', logs.get('accuracy', np.nan))
            )
            wanted, weights = self._targets[head]
            shares = np.asarray(keras.ops.log_softmax(answers[head]))
            losses.append(float(np.average(-(wanted * shares).sum(1), weights=weights)))
            asked = self._labels[head] >= 0
            accuracies.append(float((shares.argmax(1) == self._labels[head])[asked].mean()))
            row[f'val_{head}_loss'], row[f'val_{head}_accuracy'] = losses[-1], accuracies[-1]
        row['elapsed_s'] = round(time.monotonic() - self._started, 1)
        self._row = {key: round(value, _DIGITS) for key, value in row.items()}
        logs.update(
            val_loss=float(np.mean(losses)),
            val_accuracy=float(np.mean([round(value, _DIGITS) for value in accuracies])),
        )

    def ask(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """
        Return the logits of each head for float32 [N, 48, 48, 1]; an engine may put its own in this place.

        Not with `predict`, whose jax version gives the buffers away.
        """
        parts = [
            self.model(faces[at : at + _AT_ONCE], training=False)
            for at in range(0, len(faces), _AT_ONCE)
        ]
        return {
            head: np.concatenate([keras.ops.convert_to_numpy(part[head]) for part in parts])
            for head in self._heads
        }

    def write_row(self) -> None:
        """Append the row of this epoch; those of epochs that are trained again after an interruption go."""
        path, row = self._run / EPOCHS, self._row
        rows = [old for old in read_epochs(path) if old['epoch'] < row['epoch']]
        with whole_file(path) as stream:
            writer = csv.DictWriter(stream, list(row))
            writer.writeheader()
            writer.writerows({**each, 'epoch': int(each['epoch'])} for each in [*rows, row])
