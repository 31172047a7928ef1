# SPDX-License-Identifier: Apache-2.0
"""Model files and arrays with code or gigabytes inside are refused, and nothing is run."""

import io
import json
import pickle
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from emotion_perception import cli
from emotion_perception.classification import EmotionClassifier
from emotion_perception.errors import ModelError
from emotion_perception.runtime import keras as keras_runtime
from emotion_perception.runtime.keras import open_keras
from emotion_perception.runtime.metadata import read_metadata
from emotion_training.data.dataset import load
from emotion_training.evaluate.model_outputs import probabilities
from emotion_training.filtering import predictions
from emotion_training.filtering.decisions import FilterError

HARMED = 'harmed'


class Harm:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        """Take the path of that file."""
        self.path = path

    def __reduce__(self):
        """Say how to make it again."""
        return Path.touch, (self.path,)


def small_model(extra=()):
    """Return a model of the right shapes, with further layers at its end."""
    kinds = keras.layers
    return keras.Sequential([keras.Input((48, 48, 1)), kinds.Flatten(), kinds.Dense(7), *extra])


def refused(path, match='cannot be loaded|contains more than layers|is not|may run code'):
    """Check that node and command line refuse a model, and that nothing of it was run."""
    with pytest.raises(ModelError, match=match) as caught:
        EmotionClassifier.load(path)
    assert '\n' not in str(caught.value)
    assert not (path.parent / HARMED).exists()


@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
def test_lambda_layers(tmp_path, suffix):
    """Python code in the file; Keras before 3.11.3 ran it from .h5 files even in safe mode."""
    path = tmp_path / f'model{suffix}'
    harmed = str(tmp_path / HARMED)  # a word, so that the code in the file knows it
    model = small_model(
        [
            keras.layers.Lambda(
                lambda x, harmed=harmed: __import__('pathlib').Path(harmed).touch() or x
            )
        ]
    )
    (tmp_path / HARMED).unlink()  # building it ran the code
    model.save(path)
    refused(path, 'holds a layer of the kind Lambda')


@pytest.mark.parametrize('depth', [1, 2])
def test_lambda_layers_inside_other_models(tmp_path, depth):
    inner = keras.Sequential([keras.Input((7,)), keras.layers.Lambda(lambda x: x + 1)])
    for _ in range(depth):
        inner = keras.Sequential([keras.Input((7,)), inner])
    for suffix in ('.keras', '.h5'):
        small_model([inner]).save(tmp_path / f'model{suffix}')
        refused(tmp_path / f'model{suffix}', 'holds a layer of the kind Lambda')


def changed(path, change):
    """Change the configuration in a .keras or .h5 file."""
    if path.suffix == '.h5':
        with h5py.File(path, 'r+') as file:
            config = json.loads(file.attrs['model_config'])
            change(config)
            file.attrs['model_config'] = json.dumps(config)
        return
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(files['config.json'])
    change(config)
    files['config.json'] = json.dumps(config).encode()
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def _call(module, name):
    """Return a change that makes the last layer a call of any function."""

    def change(config):
        layer = config['config']['layers'][-1]
        layer |= {'module': module, 'class_name': name, 'registered_name': name}
        layer['config'] = {'command': 'touch harmed', 'name': 'x'}

    return change


@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
@pytest.mark.parametrize(
    ('module', 'name'),
    [
        ('os', 'system'),
        ('builtins', 'eval'),
        ('subprocess', 'run'),
        ('keras.src.utils.file_utils', 'get_file'),
        ('keras.layers', 'TFSMLayer'),
        ('keras.layers', 'TorchModuleWrapper'),
        ('keras.layers', 'StringLookup'),
        ('keras.layers', 'TextVectorization'),
        ('keras.layers', 'FlaxLayer'),
        ('nosuchmodule', 'Layer'),
    ],
)
def test_other_functions_in_place_of_a_layer(tmp_path, monkeypatch, suffix, module, name):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f'model{suffix}'
    small_model([keras.layers.ReLU()]).save(path)
    changed(path, _call(module, name))
    refused(path)


@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
def test_an_honest_model_is_taken(tmp_path, suffix):
    path = tmp_path / f'model{suffix}'
    small_model([keras.layers.Softmax()]).save(path)
    faces = np.zeros((2, 48, 48), np.uint8)
    assert EmotionClassifier.load(path).classify(faces).sum(1) == pytest.approx([1, 1])


@pytest.mark.parametrize('suffix', ['.keras', '.h5', '.tflite'])
def test_pickles_under_the_name_of_a_model(tmp_path, suffix, model_json):
    path = tmp_path / f'model{suffix}'
    for protocol in (0, 2, 5):
        path.write_bytes(pickle.dumps(Harm(tmp_path / HARMED), protocol))
        model_json(path)
        refused(path)
    # as torch.save writes them
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('model/data.pkl', pickle.dumps(Harm(tmp_path / HARMED)))
    model_json(path)
    refused(path)


@pytest.fixture
def model_json():
    """Write the json beside a model as an attacker would, with the hash of the file."""
    import hashlib

    from emotion_perception.classification import DEFAULT_MODEL

    def write(path):
        values = json.loads(DEFAULT_MODEL.with_suffix('.json').read_text())
        values['sha256'] = hashlib.sha256(path.read_bytes()).hexdigest()
        path.with_suffix('.json').write_text(json.dumps(values))

    return write


def test_a_model_file_that_unpacks_to_gigabytes(tmp_path, monkeypatch):
    assert keras_runtime.MAX_UNPACKED_BYTES == 2**30
    monkeypatch.setattr(keras_runtime, 'MAX_UNPACKED_BYTES', 2**26)
    path = tmp_path / 'model.keras'
    small_model().save(path)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for name in ('config.json', 'model.weights.h5', 'more.bin'):
        with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
            for other, content in files.items():
                if other != name:
                    archive.writestr(other, content)
            with archive.open(name, 'w', force_zip64=True) as file:
                for _ in range(80):
                    file.write(bytes(2**20))
        assert path.stat().st_size < 5_000_000
        refused(path, 'unpacks to more than')


def test_a_model_file_with_a_part_missing_or_changed(tmp_path):
    """Random damage ends in a ModelError, or in a model."""
    chance, ends = random.Random(3), {'read': 0, 'refused': 0}
    for suffix in ('.keras', '.h5'):
        path = tmp_path / f'model{suffix}'
        small_model().save(path)
        whole = path.read_bytes()
        for _ in range(25):
            data = bytearray(whole)
            for _ in range(chance.randint(1, 30)):
                # where the structure is, and not among thousands of weights
                at = chance.randrange(4000) * chance.choice((1, -1))
                data[at % len(data)] = chance.randrange(256)
            path.write_bytes(
                data[: chance.randrange(len(data))] if chance.random() < 0.2 else data
            )
            try:
                open_keras(path)
                ends['read'] += 1
            except ModelError as error:
                assert '\n' not in str(error)
                ends['refused'] += 1
    assert ends['refused'] > 20, ends


def test_weights_that_lie_in_another_file(tmp_path):
    """An h5 file may point to any other on the machine."""
    path = tmp_path / 'model.h5'
    small_model().save(path)
    with h5py.File(tmp_path / 'secret.h5', 'w') as file:
        file['data'] = np.zeros((2304, 7), np.float32)
    with h5py.File(path, 'r+') as file:
        (layer,) = [name for name in file['model_weights'] if 'dense' in name]
        group = file['model_weights'][layer]
        found = []
        group.visititems(
            lambda name, item: (
                found.append(name) if 'kernel' in name and isinstance(item, h5py.Dataset) else None
            )
        )
        del group[found[0]]
        group[found[0]] = h5py.ExternalLink(str(tmp_path / 'secret.h5'), '/data')
    refused(path, 'points to another file')


@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
def test_the_command_line_says_it_in_one_line(capsys, tmp_path, suffix):
    path = tmp_path / f'model{suffix}'
    small_model([keras.layers.Lambda(lambda x: x)]).save(path)
    capsys.readouterr()
    assert cli.main(['image', 'nothing.png', '--model', str(path)]) == 2
    (line,) = [one for one in capsys.readouterr().err.splitlines() if 'emotion-perception' in one]
    assert line.startswith(f'emotion-perception image: {path} ')


def test_a_page_under_the_name_of_a_model_is_refused_before_keras_says_anything(tmp_path):
    page = tmp_path / 'page.keras'
    page.write_text('<html>')
    command = [
        sys.executable,
        '-m',
        'emotion_perception.cli',
        'image',
        '--model',
        str(page),
        str(page),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if 'XNNPACK' not in line]
    assert said == [f'emotion-perception image: {page} cannot be loaded: File is not a zip file']


def test_the_training_package_takes_no_code_either(tmp_path, data):
    small_model([keras.layers.Lambda(lambda x: x)]).save(tmp_path / 'best.keras')
    with pytest.raises(ModelError, match='holds a layer of the kind Lambda'):
        probabilities(tmp_path / 'best.keras', 'crowd', load(data, 'validation').images)


@pytest.mark.parametrize('name', ['paths', 'sha256', 'labels', 'probabilities'])
def test_predictions_that_are_pickles(tmp_path, data, name):
    """Numpy keeps objects as pickles; a file with such is none of ours."""
    split = load(data, 'train')
    path = tmp_path / 'ready.npz'
    predictions.save(path, split, np.full((len(split), 7), 1 / 7))
    arrays = dict(np.load(path))
    arrays[name] = np.array([Harm(tmp_path / HARMED)] * 2, object)
    np.savez(path, **arrays)
    with pytest.raises(FilterError, match='is not an npz file of predictions'):
        predictions.read(path, split)
    assert not (tmp_path / HARMED).exists()


def test_a_pickle_under_the_name_of_predictions(tmp_path, data):
    split = load(data, 'train')
    path = tmp_path / 'ready.npz'
    for blob in (pickle.dumps(Harm(tmp_path / HARMED)), _npy_of_pickle(tmp_path), b'PK\x03\x04'):
        path.write_bytes(blob)
        with pytest.raises(FilterError, match='is not an npz file of predictions'):
            predictions.read(path, split)
    assert not (tmp_path / HARMED).exists()


def _npy_of_pickle(folder):
    out = io.BytesIO()
    np.save(out, np.array([Harm(folder / HARMED)], object), allow_pickle=True)
    return out.getvalue()


@pytest.mark.parametrize(
    'change',
    [
        {'temperature': {'crowd': float('inf'), 'fer2013': 1.0}},
        {'temperature': {'crowd': float('nan'), 'fer2013': 1.0}},
        {'input': {'side_px': float('inf'), 'channels': 1, 'range': [0, 255]}},
        {'input': {'side_px': float('nan'), 'channels': 1, 'range': [0, 255]}},
        {'offset': {'crowd': [float('nan')] * 7}},
        {'offset': {'crowd': [0.0] * 6 + [float('nan')]}},
        {'offset': {'crowd': [1e30] * 7}},
        {'offset': {'crowd': [0.0] * 6}},
        {'offset': {'crowd': 5}},
        {'offset': 5},
        {'labels': 5},
        None,
    ],
)
def test_descriptions_with_numbers_that_are_none(tmp_path, change):
    from emotion_perception.classification import DEFAULT_MODEL

    values = json.loads(DEFAULT_MODEL.with_suffix('.json').read_text())
    path = tmp_path / 'net.json'
    path.write_text('[' * 10**5 if change is None else json.dumps(values | change))
    with pytest.raises(ModelError):
        read_metadata(path)
