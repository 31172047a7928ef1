# SPDX-License-Identifier: Apache-2.0
"""Load .keras and .h5 models, on robots that have TensorFlow; nothing else imports it."""

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

_REFUSED = (
    *('FlaxLayer', 'Hashing', 'IntegerLookup', 'JaxLayer', 'Lambda', 'StringLookup', 'TFSMLayer'),
    *('TextVectorization', 'TorchModuleWrapper', '__lambda__'),
)
"""Layers that run code or open files named by the model; no image classifier needs them."""

MAX_UNPACKED_BYTES = 2**30
_MAX_CONFIG_BYTES = 2**24


class _KerasBackend:
    """Computes logits with a Keras model: uint8 [N, 48, 48] -> float32 [N, heads, 7]."""

    def __init__(self, model, scale: float, heads: tuple[str, ...]):
        self._model, self._scale, self._heads = model, scale, heads

    def logits(self, faces: np.ndarray) -> np.ndarray:
        values = faces[..., None].astype(np.float32) * self._scale
        if self._model.input_shape[-1] == 3:
            values = np.repeat(values, 3, axis=-1)
        output = self._model(values, training=False)
        if isinstance(output, dict):
            return np.stack([np.asarray(output[name]) for name in self._heads], axis=1)
        output = np.asarray(output)[:, None]
        # the usual model ends in a softmax, and the classifier applies its own
        if output.min() >= 0 and np.allclose(output.sum(-1), 1, atol=1e-3):
            output = np.log(np.maximum(output, 1e-9))
        return output


def open_keras(path: Path) -> Any:
    """
    Load a .keras or .h5 file after `check_keras_file`.

    Keras' own safe mode is on too, but not every version of it protects both formats. A model
    that was trained in mixed precision computes in that of its weights.

    Raises:
        ModelError: if the file is damaged, or contains code or anything but layers.

    """
    check_keras_file(path)
    import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise _cannot_load(path, error) from None
    for layer in model.layers:
        if layer.compute_dtype != layer.variable_dtype:
            layer.dtype_policy = layer.variable_dtype
    return model


def _cannot_load(path: Path, error: Exception) -> ModelError:
    """Return the error for whatever Keras, h5py, zipfile or json raise over an untrusted file."""
    reason = (str(error).splitlines() or [''])[0] or type(error).__name__
    return ModelError(f'{path} cannot be loaded: {reason[:300]}')


def load_keras(path: Path) -> tuple[_KerasBackend, ModelMetadata, bool]:
    """
    Load a .keras or .h5 model with one output over the seven expressions, or one for each head.

    A json of the same name beside it may give any field of `ModelMetadata`, such as the labels in
    the order of the outputs and the range of the pixels. Otherwise the order is `EMOTIONS`, and a
    model with a Rescaling layer gets 0..255 and any other 0..1, as from the usual
    ``rescale=1/255`` of Keras' generators. Files that contain code (lambda layers) are refused.

    Returns:
        The model, its metadata, and whether anything says the order of its outputs: its json, or
        outputs named as `emotion-training train` names them.

    Raises:
        ModelError: if TensorFlow or the file is missing, or the file is damaged or does not fit.

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
            f'{path} has input {model.input_shape} and output {shapes}, '
            'expected (N, 48, 48, C) and (N, 7)'
        )
    names = getattr(model, 'output_names', ())
    heads = tuple(name for name in HEADS if name in names) or HEADS[:1]
    rescales = any(type(layer).__name__ == 'Rescaling' for layer in model.layers)
    defaults = {
        'name': model.name,
        'file': path.name,
        'sha256': '',
        'labels': EMOTIONS,
        'heads': heads,
        'input': {
            'side_px': 48,
            'channels': model.input_shape[-1],
            'range': [0, 255 if rescales else 1],
        },
        'temperature': dict.fromkeys(heads, 1.0),
        'parameters': model.count_params(),
    }
    beside = path.with_suffix('.json')
    says_order = heads[0] in names
    if beside.is_file():
        metadata = read_metadata(beside, defaults)
        says_order |= 'labels' in json.loads(beside.read_text())
    else:
        metadata = ModelMetadata(**defaults)
    backend = _KerasBackend(model, metadata.input['range'][1] / 255, metadata.heads)
    return backend, metadata, says_order


def check_keras_file(path: Path) -> None:
    """
    Check the layers of a model before anything of it is loaded.

    Raises:
        ModelError: if it is damaged, refers to other files, unpacks to gigabytes or contains code.

    """
    try:
        config = _h5_config(path) if path.suffix == '.h5' else _zip_config(path)
    except ModelError:
        raise
    except Exception as error:
        raise _cannot_load(path, error) from None
    for part in _objects(config):
        name = str(part.get('class_name', ''))
        module = str(part.get('module') or 'keras')
        if name in _REFUSED:
            raise ModelError(
                f'{path} holds a layer of the kind {name[:60]}, which may run code; refused'
            )
        if module.split('.')[0] != 'keras' or 'utils' in module.split('.'):
            raise ModelError(
                f'{path} contains more than layers: it names {module[:60]!r}; refused'
            )


def _zip_config(path: Path) -> Any:
    import h5py

    with zipfile.ZipFile(path) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        for limit, size in (
            (_MAX_CONFIG_BYTES, sizes.get('config.json', 0)),
            (MAX_UNPACKED_BYTES, sum(sizes.values())),
        ):
            if size > limit:
                raise ModelError(
                    f'{path} unpacks to more than {limit / 2**20:.0f} MiB, '
                    'too much for a model of faces'
                )
        # zipfile reads no more than the size that was just checked
        weights = archive.read('model.weights.h5')
        with h5py.File(io.BytesIO(weights)) as file:
            if _has_external_data(file):
                raise ModelError(f'{path} points to another file; refused')
        return json.loads(archive.read('config.json'))


def _h5_config(path: Path) -> Any:
    import h5py

    with h5py.File(path) as file:
        if _has_external_data(file):
            raise ModelError(f'{path} points to another file; refused')
        config = file.attrs['model_config']
        return json.loads(config if isinstance(config, str) else config.decode())


def _has_external_data(group: Any) -> bool:
    """Return whether a link or dataset in an h5 group is stored in another file."""
    import h5py

    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
            return True
        item = group[name]
        if isinstance(item, h5py.Group) and _has_external_data(item):
            return True
        if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            return True
    return False


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Return every json object in a configuration, at any depth."""
    remaining = [value]
    while remaining:
        value = remaining.pop()
        if isinstance(value, dict):
            yield value
            remaining += value.values()
        elif isinstance(value, list):
            remaining += value
