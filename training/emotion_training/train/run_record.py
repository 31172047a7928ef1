"""What somebody needs to repeat a training run, and whether a run is gone on with as it was begun."""

import dataclasses
import hashlib
import json
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import keras

from emotion_training.data.dataset import Dataset
from emotion_training.train.config import TrainingConfig
from emotion_training.train.engines import TORCH

RECORD = 'run.json'
"""Name of the record in a run's folder."""


class RunError(RuntimeError):
    """A run that cannot be begun or gone on with; the message says what to do."""


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


def run_record(
    config: TrainingConfig,
    images: Dataset,
    validation: Dataset,
    engine: str,
    teachers: Sequence[Path],
    initial_weights: Path | None,
) -> dict:
    """Return what somebody needs to repeat the run."""
    digest = hashlib.sha256('\n'.join([*images.digests, *validation.digests]).encode())
    return {
        'config': dataclasses.asdict(config),
        'train_images': len(images),
        'validation_images': len(validation),
        'data_sha256': digest.hexdigest(),
        'teachers_sha256': [_sha256(path) for path in teachers],
        'initial_weights_sha256': _sha256(initial_weights) if initial_weights else None,
        'git': _git_state(),
        'engine': engine,
        'torch': version('torch') if engine == TORCH else None,
        'keras': keras.__version__,
        'backend': keras.backend.backend(),
        'devices': [str(device) for device in keras.distribution.list_devices()],
        'python': platform.python_version(),
        'machine': platform.machine(),
    }


def read_record(run: Path) -> dict:
    """
    Return the record of a run that was begun.

    Raises:
        RunError: if the folder holds none.

    """
    if not (run / RECORD).is_file():
        raise RunError(
            f'{run} is not the folder of a training, which holds a {RECORD}: name what was '
            '--out of `emotion-training train`'
        )
    return json.loads((run / RECORD).read_text())


def check_same(record: dict, run: Path) -> None:
    """
    Look whether what was begun in a folder, if anything was, is what `record` says.

    Raises:
        RunError: if it was another recipe, other data, other teachers or another engine.

    """
    if not (run / RECORD).exists():
        return
    before = read_record(run)
    for key in (
        'config', 'data_sha256', 'teachers_sha256', 'initial_weights_sha256', 'engine'
    ):  # fmt: skip
        if before.get(key) != json.loads(json.dumps(record[key])):
            raise RunError(
                f'{run} was begun with another {key}; choose another folder or remove it'
            )
