"""Models in Keras' own formats, for owners who have TensorFlow on the robot; nothing else imports it."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_perception.keras_file import check_keras_file
from emotion_perception.litert import ModelError
from emotion_perception.model_description import HEADS, ModelDescription, read_description


class _KerasBackend:
    def __init__(self, model, scale: float, heads: tuple[str, ...]):
        self._model, self._scale, self._heads = model, scale, heads

    def logits(self, faces: np.ndarray) -> np.ndarray:
        values = faces[..., None].astype(np.float32) * self._scale
        if self._model.input_shape[-1] == 3:
            values = np.repeat(values, 3, axis=-1)
        answer = self._model(values, training=False)
        if isinstance(answer, dict):
            return np.stack([np.asarray(answer[name]) for name in self._heads], axis=1)
        answer = np.asarray(answer)[:, None]
        if answer.min() >= 0 and np.allclose(answer.sum(-1), 1, atol=1e-3):
            answer = np.log(np.maximum(answer, 1e-9))
        return answer


def open_keras(path: Path) -> Any:
    """
    Return the model in a .keras or .h5 file, which is looked over first.

    Keras' own safe mode is on too, but not every version of it holds for both kinds of file.

    Raises:
        ModelError: if the file is damaged, or holds code or something else than layers.

    """
    check_keras_file(path)
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # whatever Keras, h5py and zipfile stumble over in a file that somebody else wrote
        reason = (str(error).splitlines() or [''])[0] or type(error).__name__
        raise ModelError(f'{path} cannot be loaded: {reason[:300]}') from None


def load_keras(path: Path) -> tuple[_KerasBackend, ModelDescription]:
    """
    Load a .keras or .h5 model of one output over the seven expressions, or of one for each head.

    A json beside it (same name) says the range of pixels that it wants; without one, a model with a
    Rescaling layer gets 0..255, and any other 0..1, which is what the usual ``rescale=1/255`` of Keras'
    generators gives. Code inside the file (lambda layers) is refused.

    Raises:
        ModelError: if TensorFlow is missing, or the file is damaged or does not fit.

    """
    if importlib.util.find_spec('tensorflow') is None:
        raise ModelError(
            f'{path.name} needs TensorFlow, which is not installed; convert it with '
            '`emotion-training export` or install tensorflow'
        )
    if not path.is_file():
        raise ModelError(f'there is no model file {path}')
    model = open_keras(path)
    shapes = [tuple(output.shape) for output in model.outputs]
    if tuple(model.input_shape[1:3]) != (48, 48) or any(s[-1] != len(EMOTIONS) for s in shapes):
        raise ModelError(
            f'{path} goes from {model.input_shape} to {shapes}, expected (N, 48, 48, C) to (N, 7)'
        )
    beside = path.with_suffix('.json')
    if beside.is_file():
        description = read_description(beside)
    else:
        names = getattr(model, 'output_names', ())
        heads = tuple(name for name in HEADS if name in names) or HEADS[:1]
        own_pixels = any(type(layer).__name__ == 'Rescaling' for layer in model.layers)
        description = ModelDescription(
            name=model.name, file=path.name, sha256='', labels=EMOTIONS, heads=heads,
            input={'side_px': 48, 'channels': model.input_shape[-1], 'range': [0, 255 if own_pixels else 1]},
            temperature=dict.fromkeys(heads, 1.0), parameters=model.count_params(),
        )  # fmt: skip
    return _KerasBackend(
        model, description.input['range'][1] / 255, description.heads
    ), description
