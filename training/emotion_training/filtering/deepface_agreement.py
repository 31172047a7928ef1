# SPDX-License-Identifier: Apache-2.0
"""
Keep images whose label DeepFace's emotion network predicts: the filter of the original study.

The library runs in a separate process (`deepface_worker`), because importing it changes the
environment, the warnings and the Keras version of its process. Nothing is downloaded: the weights
file is checked first, and the process refuses every connection.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from emotion_training.data.dataset import Dataset
from emotion_training.filtering.decisions import Decisions, FilterError, Method, by_predictions
from emotion_training.filtering.deepface_standin import STAND_IN

WEIGHTS_NAME = 'facial_expression_model_weights.h5'
"""File that deepface 0.0.103 with its TensorFlow engine loads."""

_STAND_IN_TEXT = "a STAND-IN for DeepFace's weights"
_HDF5_SIGNATURE = b'\x89HDF\r\n\x1a\n'


def decide(
    data: Dataset, classify: Callable[[np.ndarray], np.ndarray], weights: str = 'unnamed weights'
) -> Decisions:
    """
    Keep the images whose most probable expression is their label.

    Args:
        data: a split.
        classify: from uint8 [N, 48, 48] to probabilities, float [N, 7] in the order of EMOTIONS.
        weights: description of the weights, from `describe`.

    """
    name = 'the stand-in for DeepFace' if _STAND_IN_TEXT in weights else 'DeepFace'
    advice = 'look for other weights'
    return by_predictions(data, classify(data.images), 'deepface', weights, name, advice)


def method(weights: Path | None) -> Method:
    """Return the method with a weights file, see `find_weights`; it runs the library."""
    path = find_weights(weights)
    return partial(decide, classify=partial(classify, weights=path), weights=describe(path))


def find_weights(given: Path | None) -> Path:
    """
    Return the weights file: `given`, or the one in ``$DEEPFACE_HOME/.deepface/weights``.

    Raises:
        FilterError: if it is missing or not an HDF5 file; the message says where to put it.

    """
    home = Path(os.environ.get('DEEPFACE_HOME', Path.home()))
    path = given or home / '.deepface' / 'weights' / WEIGHTS_NAME
    if not path.is_file():
        where = 'pass the right --weights' if given else 'put it there or name it with --weights'
        raise FilterError(
            f"deepface: {path} is missing; get {WEIGHTS_NAME} from deepface's releases "
            f'(github.com/serengil/deepface_models) and {where}. Nothing is downloaded'
        )
    with path.open('rb') as stream:
        if stream.read(len(_HDF5_SIGNATURE)) != _HDF5_SIGNATURE:
            raise FilterError(
                f'deepface: {path} is not an HDF5 file but perhaps a web page or a Git LFS '
                'pointer saved under this name; download the file again'
            )
    return path


def describe(weights: Path) -> str:
    """Return a description of a weights file: its hash, and whether it is marked as a stand-in."""
    import h5py

    with h5py.File(weights) as stored:
        note = stored.attrs.get(STAND_IN)
    kind = (
        'weights without the mark of a stand-in' if note is None else f'{_STAND_IN_TEXT} ({note})'
    )
    return f'{kind}, sha256 {hashlib.sha256(weights.read_bytes()).hexdigest()[:16]}'


def classify(images: np.ndarray, weights: Path) -> np.ndarray:
    """
    Return the library's probabilities, float32 [N, 7] in the order of EMOTIONS.

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
            lines = done.stdout.strip().splitlines() or [f'exit status {done.returncode}']
            raise FilterError(f'deepface: {lines[-1]}')
        return np.load(home / 'probabilities.npy')
