"""What a model answers for many images: any file that the robot could load, each head that it has."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from emotion_perception.classification import EmotionClassifier
from emotion_perception.litert import ModelError
from emotion_perception.model_description import HEADS

SUFFIXES = ('.tflite', '.keras', '.h5')


def answers(
    path: Path, head: str, images: np.ndarray, batch: int = 64, progress: bool = False
) -> np.ndarray:
    """Return what the robot would answer, float32 [N, 7], for uint8 [N, 48, 48]."""
    classifier = EmotionClassifier.load(path, head)
    starts = range(0, len(images), batch)
    parts = [
        classifier.classify(images[at : at + batch])
        for at in tqdm(starts, unit='batch', desc=f'{path.name} {head}', disable=None if progress else True)
    ]
    return np.concatenate(parts)


def heads_of(path: Path) -> tuple[str, ...]:
    """
    Return the questions that a model was trained for.

    Raises:
        ModelError: if the file is not a model that the robot could load.

    """
    if path.suffix not in SUFFIXES:
        raise ModelError(
            f'{path} is not a model: expected a name that ends in {" ".join(SUFFIXES)}'
        )
    if path.suffix == '.tflite' and path.is_file():
        with path.open('rb') as stream:
            start = stream.read(40)
        if start[4:8] != b'TFL3':
            raise ModelError(
                f'{path} is not a LiteRT (.tflite) file: it starts with {start!r}. A page or a Git '
                'LFS pointer saved under this name looks like that: get the file anew'
            )
    return EmotionClassifier.load(path).description.heads


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
