# SPDX-License-Identifier: Apache-2.0
"""Probabilities of a .tflite, .keras or .h5 model for many images, of one or all heads."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from emotion_perception.classification import EmotionClassifier
from emotion_perception.errors import ModelError
from emotion_perception.runtime.metadata import HEADS
from emotion_perception.runtime.quiet import without_library_notes

_SIGNATURES = {'.tflite': (4, b'TFL3'), '.keras': (0, b'PK'), '.h5': (0, b'\x89HDF')}
"""By suffix, the offset in the file and the bytes that identify its format."""


def probabilities(
    path: Path, head: str, images: np.ndarray, batch_size: int = 64, progress: bool = False
) -> np.ndarray:
    """
    Return the calibrated probabilities that the node would compute, float32 [N, 7].

    Args:
        path: of the model.
        head: one of its heads.
        images: uint8 [N, 48, 48].
        batch_size: images a call.
        progress: show a progress bar on a terminal.

    Raises:
        ModelError: if the file cannot be loaded.

    """
    with without_library_notes():
        classifier = EmotionClassifier.load(path, head)
    starts = tqdm(
        range(0, len(images), batch_size),
        unit='batch',
        desc=f'{path.name} {head}',
        disable=None if progress else True,
    )
    return np.concatenate(
        [classifier.classify(images[start : start + batch_size]) for start in starts]
    )


def check_signature(path: Path) -> None:
    """
    Check that a file has the format of its suffix, before a library tries to load it.

    Raises:
        ModelError: if it has not.

    """
    if path.suffix not in _SIGNATURES:
        raise ModelError(f'{path} is not a model: its name should end in {", ".join(_SIGNATURES)}')
    if not path.is_file():
        raise ModelError(f'there is no model file {path}')
    offset, signature = _SIGNATURES[path.suffix]
    with path.open('rb') as stream:
        start = stream.read(40)
    if not start[offset:].startswith(signature):
        raise ModelError(
            f'{path} is not a {path.suffix} file: it starts with {start!r}. An HTML page or a Git '
            'LFS pointer saved under this name looks like that: download the file again'
        )


def model_heads(path: Path) -> tuple[str, ...]:
    """
    Return the heads of a model.

    Raises:
        ModelError: if the file cannot be loaded.

    """
    check_signature(path)
    with without_library_notes():
        return EmotionClassifier.load(path).metadata.heads


def available_head(path: Path, head: str) -> str:
    """
    Return `head` if the model has it, else its first head.

    Raises:
        ModelError: if the file cannot be loaded.

    """
    heads = model_heads(path)
    return head if head in heads else heads[0]


def head_probabilities(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """
    Return the probabilities of each head of `HEADS`; a model with one head gives it for both.

    Args:
        path: of the model.
        images: uint8 [N, 48, 48].

    Raises:
        ModelError: if the file cannot be loaded.

    """
    own = {head: probabilities(path, head, images, progress=True) for head in model_heads(path)}
    return {head: own.get(head, next(iter(own.values()))) for head in HEADS}
