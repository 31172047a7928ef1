"""Train one recipe on a built dataset; resumable, with everything needed to repeat it beside it."""

import csv
import dataclasses
import hashlib
import json
import platform
import subprocess
import time
from pathlib import Path

import keras
import numpy as np

from emotion_training import networks
from emotion_training.config import TrainingConfig
from emotion_training.dataset import Dataset, load


class AugmentedBatches(keras.utils.PyDataset):
    """Shuffled, augmented batches of a training split; the same for the same seed and epoch."""

    def __init__(self, data: Dataset, config: TrainingConfig):
        """Shuffle for the first epoch."""
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=12)
        self._data, self._config = data, config
        self._crowd, self._weight = data.crowd, data.crowd_weight
        self._labels = np.eye(7, dtype=np.float32)[data.labels]
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Shuffle for this epoch."""
        self._epoch = epoch
        self._order = np.random.default_rng((self._config.seed, epoch)).permutation(
            len(self._data)
        )

    def __len__(self) -> int:
        return len(self._data) // self._config.batch_size

    def __getitem__(self, index: int):
        size = self._config.batch_size
        rows = self._order[index * size : (index + 1) * size]
        rng = np.random.default_rng((self._config.seed, self._epoch, index))
        images = self._config.augmentation(self._data.images[rows], rng)
        faces = images[..., None].astype(np.float32)
        targets = {'crowd': self._crowd[rows], 'fer2013': self._labels[rows]}
        weights = {'crowd': self._weight[rows], 'fer2013': np.ones(len(rows), np.float32)}
        return faces, targets, weights


class _Judge(keras.callbacks.Callback):
    """Score the averaged weights on the validation split after each epoch, and keep the best."""

    def __init__(self, data: Dataset, run: Path, batch_size: int = 512):
        super().__init__()
        self._data, self._run, self._batch_size = data, run, batch_size
        self._faces = data.images[..., None].astype(np.float32)
        self._table = run / 'epochs.csv'
        self._started = time.time()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Append a row to epochs.csv; SwapEMAWeights has put the averaged weights in place."""
        answers = self.model.predict(self._faces, batch_size=self._batch_size, verbose=0)
        clear = self._data.majority >= 0
        own = float((answers['fer2013'].argmax(1) == self._data.labels).mean())
        crowd = float((answers['crowd'].argmax(1) == self._data.majority)[clear].mean())
        row = {
            'epoch': epoch,
            'loss': round(float((logs or {}).get('loss', 0)), 5),
            'val_fer2013_accuracy': round(own, 5),
            'val_crowd_accuracy': round(crowd, 5),
            'elapsed_s': round(time.time() - self._started, 1),
        }
        self._write(row)
        if logs is not None:
            logs.update({'val_fer2013': own, 'val_crowd': crowd, 'val_mean': (own + crowd) / 2})
        print('  ' + '  '.join(f'{key} {value}' for key, value in row.items()), flush=True)

    def _write(self, row: dict) -> None:
        """Append a row; those of epochs that are trained again after an interruption go."""
        rows = []
        if self._table.exists():
            with self._table.open(newline='') as stream:
                rows = [old for old in csv.DictReader(stream) if int(old['epoch']) < row['epoch']]
        with self._table.open('w', newline='') as stream:
            writer = csv.DictWriter(stream, list(row))
            writer.writeheader()
            writer.writerows([*rows, row])


def _git_state() -> str:
    try:
        done = subprocess.run(
            ['git', 'describe', '--always', '--dirty'], capture_output=True, text=True, check=True,
            cwd=Path(__file__).parent,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
    return done.stdout.strip()


def _record(config: TrainingConfig, train: Dataset, validation: Dataset, model) -> dict:
    digest = hashlib.sha256('\n'.join([*train.digests, *validation.digests]).encode()).hexdigest()
    return {
        'config': dataclasses.asdict(config),
        'parameters': model.count_params(),
        'train_images': len(train),
        'validation_images': len(validation),
        'data_sha256': digest,
        'git': _git_state(),
        'keras': keras.__version__,
        'backend': keras.backend.backend(),
        'python': platform.python_version(),
        'machine': platform.machine(),
    }


def train(config: TrainingConfig, dataset: Path, run: Path) -> Path:
    """
    Train `config` on ``dataset/train``, judge on ``dataset/validation``, write to the folder `run`.

    Started again on the same `run` it goes on after the last whole epoch.

    Returns:
        The path of the best model, a .keras file with the averaged weights.

    """
    run.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    images, validation = load(dataset, 'train'), load(dataset, 'validation')
    model = getattr(networks, config.network)(**config.network_args)
    steps = len(images) // config.batch_size
    rate = keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 100,
        decay_steps=steps * (config.epochs - config.warmup_epochs),
        alpha=0.01,
        warmup_target=config.learning_rate,
        warmup_steps=steps * config.warmup_epochs,
    )
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=config.weight_decay, use_ema=True, ema_momentum=config.ema
    )
    optimizer.exclude_from_weight_decay(var_names=['gamma', 'beta', 'bias'])
    model.compile(
        optimizer,
        loss={
            'crowd': keras.losses.CategoricalCrossentropy(from_logits=True),
            'fer2013': keras.losses.CategoricalCrossentropy(
                from_logits=True, label_smoothing=config.label_smoothing
            ),
        },
        loss_weights=config.head_weights,
    )
    (run / 'run.json').write_text(
        json.dumps(_record(config, images, validation, model), indent=2) + '\n'
    )
    batches = AugmentedBatches(images, config)
    best = run / 'best.keras'
    model.fit(
        batches,
        epochs=config.epochs,
        verbose=2,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, _: batches.start_epoch(epoch)
            ),
            keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
            _Judge(validation, run),
            keras.callbacks.ModelCheckpoint(
                str(best), monitor='val_mean', mode='max', save_best_only=True
            ),
            keras.callbacks.ModelCheckpoint(str(run / 'last.keras')),
            keras.callbacks.BackupAndRestore(str(run / 'backup')),
        ],
    )
    return best
