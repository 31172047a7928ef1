# SPDX-License-Identifier: Apache-2.0
"""Model files and arrays that contain code or unpack to gigabytes are refused; no code is run."""

import hashlib
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
from emotion_perception.classification import DEFAULT_MODEL, EmotionClassifier
from emotion_perception.errors import ModelError
from emotion_perception.runtime import keras as keras_runtime
from emotion_perception.runtime.keras import open_keras
from emotion_training.data.dataset import load
from emotion_training.filtering import predictions
from emotion_training.filtering.decisions import FilterError
from emotion_training.train.teachers import load_network

HARMED = 'harmed'
each_suffix = pytest.mark.parametrize('suffix', ['.keras', '.h5'])


class Harm:
    """Creates a file when it is unpickled."""

    def __init__(self, folder):
        """Take the folder of that file."""
        self.path = folder / HARMED

    def __reduce__(self):
        """Return the call that pickle makes."""
        return Path.touch, (self.path,)


def npy_with_pickle(folder):
    out = io.BytesIO()
    np.save(out, np.array([Harm(folder)], object), allow_pickle=True)
    return out.getvalue()


def small_model(extra=()):
    """Return a model of the right shapes with further layers at its end."""
    kinds = keras.layers
    return keras.Sequential([keras.Input((48, 48, 1)), kinds.Flatten(), kinds.Dense(7), *extra])


def assert_refused(path, match='cannot be loaded|is not|may run code|contains more than layers'):
    """Check that node and training refuse a model in one line, and that no code of it was run."""
    for load_one in (EmotionClassifier.load, load_network):
        with pytest.raises(ModelError, match=match) as caught:
            load_one(path)
        assert '\n' not in str(caught.value)
    assert not (path.parent / HARMED).exists()


@each_suffix
def test_lambda_layers(tmp_path, suffix, capsys):
    """Python code in the file; Keras before 3.11.3 ran it from .h5 files even in safe mode."""
    path = tmp_path / f'model{suffix}'
    harmed = str(tmp_path / HARMED)  # a default argument, so that the code in the file has it
    layer = keras.layers.Lambda(
        lambda x, harmed=harmed: __import__('pathlib').Path(harmed).touch() or x
    )
    model = small_model([layer])
    (tmp_path / HARMED).unlink()  # building it ran the code
    model.save(path)
    assert_refused(path, 'holds a layer of the kind Lambda')
    capsys.readouterr()
    assert cli.main(['image', 'nothing.png', '--model', str(path)]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if 'emotion-per' in line]
    assert [line.split(': ')[1].split()[0] for line in lines] == [str(path)]


@each_suffix
def test_lambda_layers_inside_other_models(tmp_path, suffix):
    inner = keras.Sequential([keras.Input((7,)), keras.layers.Lambda(lambda x: x + 1)])
    outer = keras.Sequential([keras.Input((7,)), keras.Sequential([keras.Input((7,)), inner])])
    path = tmp_path / f'model{suffix}'
    small_model([outer]).save(path)
    assert_refused(path, 'holds a layer of the kind Lambda')


def replace_last_layer(path, module, name):
    """Make the last layer in a .keras or .h5 file a call of any function."""

    def change(text):
        config = json.loads(text)
        layer = config['config']['layers'][-1]
        layer |= {'module': module, 'class_name': name, 'registered_name': name}
        layer['config'] = {'command': 'touch harmed', 'name': 'x'}
        return json.dumps(config)

    if path.suffix == '.h5':
        with h5py.File(path, 'r+') as file:
            file.attrs['model_config'] = change(file.attrs['model_config'])
        return
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files['config.json'] = change(files['config.json']).encode()
    with zipfile.ZipFile(path, 'w') as archive:
        for member, content in files.items():
            archive.writestr(member, content)


@each_suffix
@pytest.mark.parametrize(
    ('module', 'name'),
    [
        ('os', 'system'),
        ('builtins', 'eval'),
        ('keras.src.utils.file_utils', 'get_file'),
        ('keras.layers', 'TFSMLayer'),
        ('keras.layers', 'TorchModuleWrapper'),
        ('keras.layers', 'StringLookup'),
        ('nosuchmodule', 'Layer'),
    ],
)
def test_other_functions_in_place_of_a_layer(tmp_path, monkeypatch, suffix, module, name):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f'model{suffix}'
    small_model([keras.layers.ReLU()]).save(path)
    replace_last_layer(path, module, name)
    assert_refused(path)


@pytest.mark.parametrize('suffix', ['.keras', '.h5', '.tflite'])
def test_pickles_with_the_suffix_of_a_model(tmp_path, suffix):
    path = tmp_path / f'model{suffix}'
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, 'w') as archive:  # as torch.save writes them
        archive.writestr('model/data.pkl', pickle.dumps(Harm(tmp_path)))
    values = json.loads(DEFAULT_MODEL.with_suffix('.json').read_text())
    for data in (*(pickle.dumps(Harm(tmp_path), n) for n in (0, 2, 5)), stream.getvalue()):
        path.write_bytes(data)
        values['sha256'] = hashlib.sha256(data).hexdigest()
        path.with_suffix('.json').write_text(json.dumps(values))
        assert_refused(path)


@pytest.mark.slow
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
        assert_refused(path, 'unpacks to more than')


@pytest.mark.slow
@each_suffix
def test_a_damaged_model_file_is_loaded_or_refused(tmp_path, suffix):
    chance, refused = random.Random(3), 0
    path = tmp_path / f'model{suffix}'
    small_model().save(path)
    whole = path.read_bytes()
    for _ in range(25):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 30)):
            # near both ends, where the structure is, and not among thousands of weights
            at = chance.randrange(4000) * chance.choice((1, -1))
            data[at % len(data)] = chance.randrange(256)
        path.write_bytes(data[: chance.randrange(len(data))] if chance.random() < 0.2 else data)
        try:
            open_keras(path)
        except ModelError as error:
            assert '\n' not in str(error)
            refused += 1
    assert refused > 5


def test_weights_in_another_file(tmp_path):
    """An h5 file can link to any other file on the machine."""
    path = tmp_path / 'model.h5'
    small_model().save(path)
    with h5py.File(tmp_path / 'secret.h5', 'w') as file:
        file['data'] = np.zeros((2304, 7), np.float32)
    with h5py.File(path, 'r+') as file:
        names = []
        file['model_weights'].visit(names.append)
        kernel = next(name for name in names if name.endswith('kernel'))
        del file['model_weights'][kernel]
        file['model_weights'][kernel] = h5py.ExternalLink(str(tmp_path / 'secret.h5'), '/data')
    assert_refused(path, 'points to another file')


def test_an_html_page_with_the_suffix_of_a_model_gives_one_line(tmp_path):
    page = tmp_path / 'page.keras'
    page.write_text('<html>')
    command = [sys.executable, '-m', 'emotion_perception.cli', 'image', '--model', str(page)]
    done = subprocess.run([*command, str(page)], capture_output=True, text=True)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if 'XNNPACK' not in line]
    assert lines == [f'emotion-perception image: {page} cannot be loaded: File is not a zip file']


@pytest.mark.parametrize('name', ['paths', 'sha256', 'labels', 'probabilities', None])
def test_pickles_in_a_file_of_predictions(tmp_path, data, name):
    """NumPy stores objects as pickles: as one array of the file, or as the whole file."""
    split = load(data, 'train')
    path = tmp_path / 'predictions.npz'
    predictions.save(path, split, np.full((len(split), 7), 1 / 7))
    contents = [pickle.dumps(Harm(tmp_path)), npy_with_pickle(tmp_path), b'PK\x03\x04']
    if name:
        arrays = dict(np.load(path)) | {name: np.array([Harm(tmp_path)] * 2, object)}
        stream = io.BytesIO()
        np.savez(stream, **arrays)
        contents = [stream.getvalue()]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(FilterError, match='is not an npz file of predictions'):
            predictions.read(path, split)
    assert not (tmp_path / HARMED).exists()
