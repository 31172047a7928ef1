"""Networks that were trained before, asked together for what another one should learn."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from emotion_perception.errors import ModelError
from emotion_perception.runtime.keras import open_keras
from emotion_training.data.batches import Teacher, Values
from emotion_training.evaluate.model_outputs import check_kind
from emotion_training.train.engines import TORCH


def trained_network(path: Path) -> keras.Model:
    """
    Return the network in a .keras or .h5 file.

    Raises:
        ModelError: if it cannot be loaded, or is a file for the robot, whose weights are rounded.

    """
    check_kind(path)
    if path.suffix == '.tflite':
        raise ModelError(
            f'{path} is a file for the robot; name the best.keras of the training that it was exported from'
        )
    return open_keras(path)


def load_teachers(
    paths: Sequence[Path], heads: tuple[str, ...], engine: str, precision: str
) -> Teacher | None:
    """
    Return what asks all of these .keras files and answers with the mean of their probabilities.

    Args:
        paths: of the models; none give None.
        heads: of the network that learns; each teacher has them all.
        engine: that computes their answers.
        precision: Keras' dtype policy of the recipe.

    Raises:
        ModelError: if one cannot be loaded or was not asked the same questions.
        TwinError: if one has no twin in PyTorch and the engine needs it.

    """
    if not paths:
        return None
    models = [trained_network(path) for path in paths]
    for path, model in zip(paths, models, strict=True):
        if not {*heads} <= {*model.output_names}:
            raise ModelError(
                f'{path} cannot teach: it answers {", ".join(model.output_names)}, and what learns '
                f'is asked {", ".join(heads)}'
            )
    if engine == TORCH:
        from emotion_training.models.torch_network import mean_answers

        return mean_answers(models, heads, low=precision == 'mixed_bfloat16')

    def ask(faces: np.ndarray) -> Values:
        answers = [model(faces, training=False) for model in models]
        return {
            head: np.mean(
                [keras.ops.convert_to_numpy(keras.ops.softmax(each[head])) for each in answers],
                axis=0,
            )
            for head in heads
        }

    return ask
