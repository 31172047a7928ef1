# SPDX-License-Identifier: Apache-2.0
"""The training runs of an experiment: where they are, and those that are missing."""

from pathlib import Path

from emotion_training.train.config import TrainingConfig
from emotion_training.train.run_record import LAST


def run_folder(out: Path, name: str, seed: int) -> Path:
    """Return the folder of one run of an experiment in `out`."""
    return out / 'runs' / f'{name.replace(", ", "-").replace(" ", "-")}-{seed}'


def is_finished(run: Path) -> bool:
    """Return whether a run has its last weights."""
    return (run / LAST).exists()


def train_missing(config: TrainingConfig, dataset: Path, run: Path) -> None:
    """Train a recipe on a dataset in the folder `run`, unless that is finished."""
    from keras.utils import clear_session

    from emotion_training.train.training import train

    if not is_finished(run):
        print(f'{config.name}, seed {config.seed}', flush=True)
        train(config, dataset, run)
        clear_session()
