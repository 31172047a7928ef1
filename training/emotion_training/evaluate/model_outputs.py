"""What a model answers for many images: any file that the robot could load, each head that it has."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from emotion_perception.classification import EmotionClassifier
from emotion_perception.errors import ModelError
from emotion_perception.runtime.metadata import HEADS

_KINDS = {'.tflite': (4, b'TFL3'), '.keras': (0, b'PK'), '.h5': (0, b'\x89HDF')}
"""Where in a file of each kind which bytes stand."""


def answers(
    path: Path, head: str, images: np.ndarray, batch: int = 64, progress: bool = False
) -> np.ndarray:
    """Return what the robot would answer, float32 [N, 7], for uint8 [N, 48, 48]."""
    classifier = EmotionClassifier.load(path, head)
    starts = range(0, len(images), batch)
    parts = [
        classifier.classify(images[at : at + batch])
        for at in tqdm(
            starts, unit='batch', desc=f'{path.name} {head}', disable=None if progress else True
        )
    ]
    return np.concatenate(parts)


def check_kind(path: Path) -> None:
    """
    Look whether a file can be what its name says, before anything heavy tries to load it.

    Raises:
        ModelError: if it is not.

    """
    if path.suffix not in _KINDS:
        raise ModelError(f'{path} is not a model: its name should end in {", ".join(_KINDS)}')
    if not path.is_file():
        raise ModelError(f'there is no model file {path}')
    at, mark = _KINDS[path.suffix]
    with path.open('rb') as stream:
        start = stream.read(40)
    if not start[at:].startswith(mark):
        raise ModelError(
            f'{path} is not a {path.suffix} file: it starts with {start!r}. A page or a Git LFS '
            'pointer saved under this name looks like that: get the file anew'
        )


def heads_of(path: Path) -> tuple[str, ...]:
    """
    Return the questions that a model was trained for.

    Raises:
        ModelError: if the file is not a model that the robot could load.

    """
    check_kind(path)
    return EmotionClassifier.load(path).metadata.heads


def head_for(path: Path, head: str) -> str:
    """
    Return `head` if a model was trained for it, else the only question that it was trained for.

    Raises:
        ModelError: if the file is not a model that the robot could load.

    """
    own = heads_of(path)
    return head if head in own else own[0]


def answers_of_all_heads(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """
    Return the answers to each question of `HEADS`; a model of one head answers all with that.

    Args:
        path: of the model.
        images: uint8 [N, 48, 48].

    Raises:
        ModelError: if the file is not a model that the robot could load.

    """
    own = {head: answers(path, head, images, progress=True) for head in heads_of(path)}
    return {head: own.get(head, next(iter(own.values()))) for head in HEADS}
