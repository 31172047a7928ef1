# SPDX-License-Identifier: Apache-2.0
"""Files of predictions that can be matched to the images they were made for."""

import zipfile
from pathlib import Path

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_perception.files import whole_output
from emotion_training.data.dataset import Dataset
from emotion_training.filtering.decisions import FilterError

_ARRAYS = ('paths', 'sha256', 'labels', 'probabilities')


def save(path: Path, data: Dataset, probabilities: np.ndarray) -> None:
    """
    Write an npz: ``paths`` and ``sha256`` of the images, ``labels`` (EMOTIONS), ``probabilities``.

    Args:
        path: ends in .npz.
        data: a split.
        probabilities: float [N, 7] in the order of EMOTIONS.

    """
    with whole_output(path, path.name, replace=True) as partial:
        np.savez_compressed(
            partial,
            paths=np.array(data.paths),
            sha256=data.digests,
            labels=np.array(EMOTIONS),
            probabilities=probabilities.astype(np.float32),
        )


def read(path: Path, data: Dataset) -> np.ndarray:
    """
    Return the probabilities of the images of `data`, float32 [N, 7]; the file may contain more.

    Raises:
        FilterError: if the file is invalid, lacks an image or was made from other pixels.

    """
    if not path.is_file():
        raise FilterError(f'{path} does not exist')
    try:
        with np.load(path) as stored:
            missing = [name for name in _ARRAYS if name not in stored.files]
            arrays = {name: stored[name] for name in _ARRAYS if name not in missing}
    except (OSError, ValueError, TypeError, AttributeError, zipfile.BadZipFile):
        raise FilterError(f'{path} is not an npz file of predictions') from None
    if missing:
        raise FilterError(
            f'{path} has no array {", ".join(missing)}; expected {", ".join(_ARRAYS)}'
        )
    if tuple(arrays['labels']) != EMOTIONS:
        raise FilterError(
            f'{path}: labels are {list(arrays["labels"])}, expected {list(EMOTIONS)}'
        )
    shape = arrays['probabilities'].shape
    expected = len(arrays['paths']), len(EMOTIONS)
    if shape != expected:
        raise FilterError(f'{path}: probabilities have the shape {shape}, expected {expected}')
    rows = {str(name): row for row, name in enumerate(arrays['paths'])}
    for name, digest in zip(data.paths, data.digests, strict=True):
        if name not in rows:
            raise FilterError(f'{path} has no row for {name}')
        if str(arrays['sha256'][rows[name]]) != digest:
            raise FilterError(f'{path}: {name} had other pixels when these predictions were made')
    found = arrays['probabilities'][[rows[name] for name in data.paths]].astype(np.float32)
    valid = np.isfinite(found).all(1) & (found >= 0).all(1) & (np.abs(found.sum(1) - 1) < 0.01)
    if not valid.all():
        name = data.paths[int(valid.argmin())]
        raise FilterError(f'{path}: the row of {name} does not contain probabilities')
    return found
