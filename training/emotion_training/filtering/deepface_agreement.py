"""
Keep images whose label DeepFace's emotion network sees too: the filter of the founding study.

The real library answers, in a process of its own: importing it changes the environment, the
warnings and the Keras of the process that does so. It never downloads: the weights file is
checked first, and the process refuses every connection.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.dataset import Dataset
from emotion_training.filtering.verdicts import FilterError, Verdicts

WEIGHTS_NAME = 'facial_expression_model_weights.h5'
"""File that deepface 0.0.103 with its TensorFlow engine looks for."""

STAND_IN = 'emotion_training_stand_in'
"""HDF5 attribute of weights that `deepface_standin` trained; its value says how."""

_STAND_IN_WORDS = "a STAND-IN for DeepFace's weights"

_HDF5_SIGNATURE = b'\x89HDF\r\n\x1a\n'


def judge(
    data: Dataset, classify: Callable[[np.ndarray], np.ndarray], weights: str = 'weights not named'
) -> Verdicts:
    """
    Keep an image where the strongest answer is its label.

    Args:
        data: a split.
        classify: from uint8 [N, 48, 48] to probabilities, float [N, 7] in the order of EMOTIONS.
        weights: which ones answer, as `describe` says it.

    """
    probabilities = classify(data.images)
    best = probabilities.argmax(1)
    who = 'the stand-in for DeepFace' if _STAND_IN_WORDS in weights else 'DeepFace'
    reasons = tuple(
        f'{who}: {EMOTIONS[answer]} {row[answer]:.2f}'
        + ('' if answer == label else f', {EMOTIONS[label]} {row[label]:.2f}')
        for label, answer, row in zip(data.labels, best, probabilities, strict=True)
    )
    return Verdicts('deepface', weights, best == data.labels, reasons, best, probabilities)


def find_weights(given: Path | None) -> Path:
    """
    Return the weights file: `given`, or the one in ``$DEEPFACE_HOME/.deepface/weights``.

    Raises:
        FilterError: if it is missing or no HDF5 file; the message says where it belongs.

    """
    home = Path(os.environ.get('DEEPFACE_HOME', Path.home()))
    path = given or home / '.deepface' / 'weights' / WEIGHTS_NAME
    if not path.is_file():
        where = 'pass the right --weights' if given else 'put it there or name it with --weights'
        raise FilterError(
            f"deepface: {path} is missing; get {WEIGHTS_NAME} from deepface's releases "
            f'(github.com/serengil/deepface_models) and {where}. Nothing is ever downloaded here'
        )
    with path.open('rb') as stream:
        if stream.read(len(_HDF5_SIGNATURE)) != _HDF5_SIGNATURE:
            raise FilterError(
                f'deepface: {path} is not an HDF5 file; a page or a Git LFS pointer saved under '
                'this name looks like that: get the file anew'
            )
    return path


def describe(weights: Path) -> str:
    """Return which weights a file holds, as far as it can tell: a marked stand-in is called one."""
    import h5py

    with h5py.File(weights) as stored:
        note = stored.attrs.get(STAND_IN)
    whose = (
        'weights without the mark of a stand-in' if note is None else f'{_STAND_IN_WORDS} ({note})'
    )
    return f'{whose}, sha256 {hashlib.sha256(weights.read_bytes()).hexdigest()[:16]}'


def classify(images: np.ndarray, weights: Path) -> np.ndarray:
    """
    Return what the library answers for faces, float32 [N, 7] in the order of EMOTIONS.

    Args:
        images: uint8 [N, 48, 48].
        weights: an HDF5 file.

    Raises:
        FilterError: if the library is not installed or does not accept the weights.

    """
    with tempfile.TemporaryDirectory(prefix='emotion-training-') as folder:
        home = Path(folder)
        (home / '.deepface' / 'weights').mkdir(parents=True)
        (home / '.deepface' / 'weights' / WEIGHTS_NAME).symlink_to(weights.resolve())
        np.save(home / 'images.npy', images)
        done = subprocess.run(
            [sys.executable, '-m', 'emotion_training.filtering.deepface_worker', folder],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ
            | {
                'DEEPFACE_HOME': folder,
                'DEEPFACE_BACKEND_ENGINE': 'tensorflow',
                'TF_CPP_MIN_LOG_LEVEL': '3',
            },
        )
        if done.returncode:
            said = done.stdout.strip().splitlines() or [f'exit status {done.returncode}']
            raise FilterError(f'deepface: {said[-1]}')
        return np.load(home / 'answers.npy')
