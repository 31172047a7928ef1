"""What a .keras or .h5 file says of itself, read before Keras reads it: code in it is refused."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emotion_perception.litert import ModelError

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
