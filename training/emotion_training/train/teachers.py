# SPDX-License-Identifier: Apache-2.0
"""Trained networks for the next training: teachers of a distillation, and initial weights."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from emotion_perception.errors import ModelError
from emotion_perception.runtime.keras import open_keras
from emotion_training.data.batches import Teacher, Values
from emotion_training.evaluate.model_outputs import check_signature


def load_network(path: Path) -> keras.Model:
    """
    Return the network in a .keras or .h5 file.

    Raises:
        ModelError: if it cannot be loaded, or is an exported .tflite, whose weights are rounded.

    """
    check_signature(path)
    if path.suffix == '.tflite':
        raise ModelError(
            f'{path} is an exported model; give the best.keras of the run it was exported from'
        )
    return open_keras(path)


def set_initial_weights(model: keras.Model, path: Path) -> None:
    """
    Give a model the weights of a .keras file.

    Raises:
        ModelError: if the file cannot be loaded or holds another network.

    """
    try:
        model.set_weights(load_network(path).get_weights())
    except ValueError as e:
        raise ModelError(f'{path} is another network than that of the recipe: {e}') from e


def load_teachers(paths: Sequence[Path], heads: tuple[str, ...]) -> Teacher | None:
    """
    Return a function from faces to the mean probabilities of all teachers.

    Args:
        paths: .keras files; none give None.
        heads: of the student; each teacher must have them all.

    Raises:
        ModelError: if one cannot be loaded or lacks a head.

    """
    if not paths:
        return None
    models = [load_network(path) for path in paths]
    for path, model in zip(paths, models, strict=True):
        if not {*heads} <= {*model.output_names}:
            raise ModelError(
                f'{path} cannot be a teacher: its heads are {", ".join(model.output_names)}, '
                'those '
                f'of the student {", ".join(heads)}'
            )

    def predict(faces: np.ndarray) -> Values:
        outputs = [model(faces, training=False) for model in models]
        return {
            head: np.mean(
                [keras.ops.convert_to_numpy(keras.ops.softmax(each[head])) for each in outputs],
                axis=0,
            )
            for head in heads
        }

    return predict
