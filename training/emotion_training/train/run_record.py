# SPDX-License-Identifier: Apache-2.0
"""The record of a training run: what is needed to repeat it, and to resume it only unchanged."""

import dataclasses
import hashlib
import json
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

import keras

from emotion_training.data.dataset import Dataset
from emotion_training.train.config import TrainingConfig

RECORD, BEST, LAST, BACKUP = 'run.json', 'best.keras', 'last.keras', 'backup'
"""In a run's folder: the record, the best model by the recipe's score, the last one, and what is
needed to go on."""


class RunError(RuntimeError):
    """A run that cannot be started or resumed; the message says what to do."""


def _git_state() -> str:
    try:
        done = subprocess.run(
            ['git', 'describe', '--always', '--dirty'], capture_output=True, text=True, check=True,
            cwd=Path(__file__).parent,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
    return done.stdout.strip()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def data_digest(images: Dataset, validation: Dataset) -> str:
    """Return a sha256 that says which images a dataset has, in their order."""
    return hashlib.sha256('\n'.join([*images.digests, *validation.digests]).encode()).hexdigest()


def run_record(
    config: TrainingConfig,
    images: Dataset,
    validation: Dataset,
    teachers: Sequence[Path],
    initial_weights: Path | None,
) -> dict:
    """Return what is needed to repeat a run, ready for json."""
    return {
        'config': dataclasses.asdict(config),
        'train_images': len(images),
        'validation_images': len(validation),
        'data_sha256': data_digest(images, validation),
        'teachers_sha256': [_sha256(path) for path in teachers],
        'initial_weights_sha256': _sha256(initial_weights) if initial_weights else None,
        'git': _git_state(),
        'keras': keras.__version__,
        'backend': keras.backend.backend(),
        'devices': [str(device) for device in keras.distribution.list_devices()],
        'python': platform.python_version(),
        'machine': platform.machine(),
    }


def read_record(run: Path) -> dict:
    """
    Return the record in the folder of a run.

    Raises:
        RunError: if there is none.

    """
    if not (run / RECORD).is_file():
        raise RunError(
            f'{run} is not the folder of a training: it has no {RECORD}. Give the folder that was '
            '--out of `emotion-training train`'
        )
    return json.loads((run / RECORD).read_text())


def check_same(record: dict, run: Path, longer: bool = False) -> None:
    """
    Check that a run in this folder, if there is one, was started with the same record.

    Args:
        record: of the training that is to run.
        run: folder of the run.
        longer: the training may have more epochs than the run in the folder.

    Raises:
        RunError: if the recipe, the data, the teachers or the initial weights differ.

    """
    if not (run / RECORD).exists():
        return
    before = read_record(run)
    epochs, wanted = before['config']['epochs'], record['config']['epochs']
    if epochs < wanted and not longer:
        raise RunError(
            f'{run} was started with {epochs} epochs; add --continue to train on to {wanted}'
        )
    if longer:
        before['config']['epochs'] = max(epochs, wanted)
    for key in ('config', 'data_sha256', 'teachers_sha256', 'initial_weights_sha256'):
        if before.get(key) != json.loads(json.dumps(record[key])):
            raise RunError(
                f'{run} was started with another {key}; choose another folder or remove it'
            )
