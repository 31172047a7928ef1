# SPDX-License-Identifier: Apache-2.0
"""Trained networks for the next training: teachers of a distillation, and initial weights."""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from emotion_perception.errors import ModelError
from emotion_perception.runtime.keras import open_keras
from emotion_perception.runtime.litert import Network, read_model
from emotion_perception.runtime.metadata import read_metadata
from emotion_training.data.batches import AugmentedBatches, Teacher, Values
from emotion_training.evaluate.model_outputs import check_signature
from emotion_training.models.low_rank import set_low_rank_weights
from emotion_training.models.networks import FEATURES, TEACHER_FEATURES

_APPROXIMATED_BATCHES = 12


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


def set_initial_weights(model: keras.Model, path: Path, batches: AugmentedBatches) -> None:
    """
    Give a model the weights of a .keras file, or the approximated ones of a .tflite file.

    Args:
        model: to be trained.
        path: of the same network; an exported one may have full convolutions where `model` has
            narrowed ones. Its weights are rounded.
        batches: to be trained on; the approximation is the best for the first of them.

    Raises:
        ModelError: if the file cannot be loaded or holds another network.

    """
    if path.suffix == '.tflite':
        count = min(_APPROXIMATED_BATCHES, len(batches))
        faces = np.concatenate([batches[index][0] for index in range(count)])
        set_low_rank_weights(model, path, faces)
        return
    try:
        model.set_weights(load_network(path).get_weights())
    except ValueError as e:
        raise ModelError(f'{path} is another network than that of the recipe: {e}') from e


def _load_teacher(path: Path) -> tuple[tuple[str, ...], Callable[[np.ndarray], Values]]:
    """Return the heads of a .keras, .h5 or .tflite file and a function to its logits."""
    if path.suffix != '.tflite':
        model = load_network(path)
        return tuple(model.output_names), lambda faces: model(faces, training=False)
    check_signature(path)
    heads = tuple(read_metadata(path.with_suffix('.json')).heads)
    network = Network(read_model(path), str(path))

    def logits(faces: np.ndarray) -> Values:
        if network.input_shape != faces.shape:
            network.resize(faces.shape)
        return dict(zip(heads, network(faces)[0].transpose(1, 0, 2), strict=True))

    return heads, logits


def load_teachers(paths: Sequence[Path], heads: tuple[str, ...]) -> Teacher | None:
    """
    Return a function from faces to the mean probabilities of all teachers.

    Args:
        paths: .keras, .h5 or exported .tflite files; none give None. The calibration of an
            exported file is not applied.
        heads: of the student; each teacher must have them all.

    Raises:
        ModelError: if one cannot be loaded or lacks a head.

    """
    if not paths:
        return None
    teachers = []
    for path in paths:
        own, logits = _load_teacher(path)
        if not {*heads} <= {*own}:
            raise ModelError(
                f'{path} cannot be a teacher: its heads are {", ".join(own)}, those of the '
                f'student {", ".join(heads)}'
            )
        teachers.append(logits)

    def predict(faces: np.ndarray) -> Values:
        outputs = [logits(faces) for logits in teachers]
        return {
            head: np.mean(
                [keras.ops.convert_to_numpy(keras.ops.softmax(each[head])) for each in outputs],
                axis=0,
            )
            for head in heads
        }

    return predict


def load_feature_teacher(path: Path, full: keras.Model) -> Teacher:
    """
    Return a function from faces to a teacher's probabilities and its pooled features.

    Both are those of the mean of each face's features and its mirror image's: the heads are
    linear, so this is the mean of the logits, which a single pass of the student learns.

    Args:
        path: exported .tflite file, or .keras file of an `expression_net`.
        full: a network like the teacher; an exported teacher's weights are put into it.

    Raises:
        ModelError: if the file cannot be loaded, is another network, or has other features.

    """
    if path.suffix == '.tflite':
        set_low_rank_weights(full, path, np.zeros((2, 48, 48, 1), np.float32))
        teacher = full
    else:
        teacher = load_network(path)
    names = [layer.name for layer in teacher.layers]
    wanted = full.get_layer(FEATURES).output.shape
    if FEATURES not in names or teacher.get_layer(FEATURES).output.shape != wanted:
        raise ModelError(
            f'{path} cannot teach features: it has no layer {FEATURES} of {wanted[-1]} channels; '
            'the recipe says how many in teacher_network_args, or else in network_args'
        )
    heads = {head: teacher.get_layer(head) for head in full.output_names}
    features = keras.Model(teacher.input, teacher.get_layer(FEATURES).output)

    def predict(faces: np.ndarray) -> Values:
        both = features(np.concatenate([faces, faces[:, :, ::-1]]), training=False)
        both = keras.ops.cast(both, 'float32')
        mean = keras.ops.mean(keras.ops.reshape(both, (2, len(faces), -1)), axis=0)
        values = {head: keras.ops.softmax(layer(mean)) for head, layer in heads.items()}
        return {head: keras.ops.convert_to_numpy(value) for head, value in values.items()} | {
            TEACHER_FEATURES: keras.ops.convert_to_numpy(mean).astype(np.float16)
        }

    return predict
