"""Models in Keras' own formats, for owners who have TensorFlow on the robot; nothing else imports it."""

import importlib.util
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_perception.errors import ModelError
from emotion_perception.runtime.metadata import HEADS, ModelMetadata, read_metadata


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


def load_keras(path: Path) -> tuple[_KerasBackend, ModelMetadata]:
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
        metadata = read_metadata(beside)
    else:
        names = getattr(model, 'output_names', ())
        heads = tuple(name for name in HEADS if name in names) or HEADS[:1]
        own_pixels = any(type(layer).__name__ == 'Rescaling' for layer in model.layers)
        metadata = ModelMetadata(
            name=model.name, file=path.name, sha256='', labels=EMOTIONS, heads=heads,
            input={'side_px': 48, 'channels': model.input_shape[-1], 'range': [0, 255 if own_pixels else 1]},
            temperature=dict.fromkeys(heads, 1.0), parameters=model.count_params(),
        )  # fmt: skip
    return _KerasBackend(model, metadata.input['range'][1] / 255, metadata.heads), metadata


_REFUSED = (
    'FlaxLayer', 'Hashing', 'IntegerLookup', 'JaxLayer', 'Lambda', 'StringLookup', 'TFSMLayer', 'TextVectorization',
    'TorchModuleWrapper', '__lambda__',
)  # fmt: skip
"""Layers that run code or open files which the model names; no classifier of pictures needs them."""

MAX_UNPACKED_BYTES = 2**30
_LARGEST_CONFIG = 2**24


def check_keras_file(path: Path) -> None:
    """
    Look at the layers that a model is made of.

    Raises:
        ModelError: if it is damaged, refers to other files, unpacks to gigabytes or holds code.

    """
    try:
        config = _h5_config(path) if path.suffix == '.h5' else _zip_config(path)
    except ModelError:
        raise
    except Exception as error:
        # whatever h5py, zipfile and json stumble over in a file that somebody else wrote
        reason = (str(error).splitlines() or [''])[0] or type(error).__name__
        raise ModelError(f'{path} cannot be loaded: {reason[:300]}') from None
    for part in _parts(config):
        name = str(part.get('class_name', ''))
        module = str(part.get('module') or 'keras')
        if name in _REFUSED:
            raise ModelError(
                f'{path} holds a layer of the kind {name[:60]}, which may run code; refused'
            )
        if module.split('.')[0] != 'keras' or 'utils' in module.split('.'):
            raise ModelError(
                f'{path} is not made of layers alone: it names {module[:60]!r}; refused'
            )


def _zip_config(path: Path) -> Any:
    import h5py

    with zipfile.ZipFile(path) as archive:
        sizes = {one.filename: one.file_size for one in archive.infolist()}
        for limit, size in (
            (_LARGEST_CONFIG, sizes.get('config.json', 0)),
            (MAX_UNPACKED_BYTES, sum(sizes.values())),
        ):
            if size > limit:
                raise ModelError(
                    f'{path} unpacks to more than {limit / 2**20:.0f} MiB, as no model of faces does'
                )
        # zipfile reads no more than the archive says, which is what was just compared
        weights = archive.read('model.weights.h5')
        with h5py.File(io.BytesIO(weights)) as file:
            if _leads_out(file):
                raise ModelError(f'{path} points to another file; refused')
        return json.loads(archive.read('config.json'))


def _h5_config(path: Path) -> Any:
    import h5py

    with h5py.File(path) as file:
        if _leads_out(file):
            raise ModelError(f'{path} points to another file; refused')
        config = file.attrs['model_config']
        return json.loads(config if isinstance(config, str) else config.decode())


def _leads_out(group: Any) -> bool:
    import h5py

    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
            return True
        item = group[name]
        if isinstance(item, h5py.Group) and _leads_out(item):
            return True
        if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            return True
    return False


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Return every object in a configuration, however deep."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
