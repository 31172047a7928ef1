"""The json beside a model is believed only as far as it fits."""

import dataclasses
import hashlib
import json
import os

import pytest

from emotion_perception.classification import DEFAULT_MODEL
from emotion_perception.emotions import EMOTIONS
from emotion_perception.errors import ModelError
from emotion_perception.runtime.metadata import ModelMetadata, read_metadata, verify_sha256


@pytest.fixture
def values():
    """Return the contents of a good description."""
    return {
        'name': 'net',
        'file': 'net.tflite',
        'sha256': '0' * 64,
        'labels': list(EMOTIONS),
        'heads': ['crowd', 'fer2013'],
        'input': {'side_px': 48, 'channels': 1, 'range': [0, 255]},
        'temperature': {'crowd': 1.5, 'fer2013': 2},
        'parameters': 123,
        'offset': {'crowd': [0.5, 0, 0, 0, 0, -0.5, 0]},
        'scores': {'FER+ majority': 0.85},
        'provenance': {'seed': 1},
    }


def read(tmp_path, values):
    """Write a description and read it."""
    path = tmp_path / 'net.json'
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return read_metadata(path)


def test_good_description(tmp_path, values):
    """Every field arrives."""
    description = read(tmp_path, values)
    assert description.labels == EMOTIONS
    assert description.heads == ('crowd', 'fer2013')
    assert description.temperature == {'crowd': 1.5, 'fer2013': 2}
    assert description.parameters == 123
    assert description.offset == {'crowd': [0.5, 0, 0, 0, 0, -0.5, 0]}
    assert description.input['side_px'] == 48
    assert description.scores == {'FER+ majority': 0.85}
    assert description.provenance == {'seed': 1}


def test_written_and_read_again(tmp_path, values):
    """What is written is read as the same."""
    description = read(tmp_path, values)
    copy = tmp_path / 'copy.json'
    description.write(copy)
    assert read_metadata(copy) == description
    assert json.loads(copy.read_text()) == values


def test_optional_fields(tmp_path, values):
    """Offsets, scores and provenance may be missing."""
    del values['offset'], values['scores'], values['provenance']
    description = read(tmp_path, values)
    assert (description.offset, description.scores, description.provenance) == ({}, {}, {})


def test_description_cannot_be_changed(tmp_path, values):
    """A description in use stays what it is."""
    description = read(tmp_path, values)
    with pytest.raises(dataclasses.FrozenInstanceError):
        description.sha256 = 'other'


def test_missing_file(tmp_path):
    """The message says which file, and what writes it."""
    with pytest.raises(ModelError, match=r'nowhere.json cannot be read \(No such file.*export'):
        read_metadata(tmp_path / 'nowhere.json')


def test_folder(tmp_path):
    """A folder is no description."""
    with pytest.raises(ModelError, match='cannot be read'):
        read_metadata(tmp_path)


@pytest.mark.parametrize('text', ['', '<!DOCTYPE html>', '{', '[]', '"labels"', '3', 'null', '{}'])
def test_not_a_description(tmp_path, text):
    """Whatever else the file holds, it is named as no description."""
    with pytest.raises(ModelError, match=r'net.json is not the metadata of a model'):
        read(tmp_path, text)


def test_binary_file(tmp_path):
    """A model saved as its own description is no text."""
    path = tmp_path / 'net.json'
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ModelError, match='is not the metadata of a model'):
        read_metadata(path)


@pytest.mark.parametrize('name', ['name', 'file', 'sha256', 'labels', 'heads', 'temperature'])
def test_missing_field(tmp_path, values, name):
    """A field that is needed is named."""
    del values[name]
    with pytest.raises(ModelError, match=f"is not the metadata of a model: .*'{name}'"):
        read(tmp_path, values)


def test_unknown_field(tmp_path, values):
    """A field of another version is named and not ignored."""
    values['mean'] = 0.5
    with pytest.raises(ModelError, match="is not the metadata of a model: .*'mean'"):
        read(tmp_path, values)


@pytest.mark.parametrize(
    'labels',
    [
        EMOTIONS[::-1],
        ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral'),
        EMOTIONS[:6],
        (*EMOTIONS, 'contempt'),
        (),
        range(7),
    ],
    ids=['reversed', 'other words', 'six', 'eight', 'none', 'numbers'],
)
def test_other_labels(tmp_path, values, labels):
    """Labels in another order would name every face wrongly; they are refused and shown."""
    values['labels'] = list(labels)
    with pytest.raises(ModelError, match='the labels are .*needs anger, disgust.* in this order'):
        read(tmp_path, values)


@pytest.mark.parametrize('temperature', [0, 0.0, -1, float('nan')])
def test_impossible_temperature(tmp_path, values, temperature):
    """A temperature divides, so it is above 0."""
    values['temperature']['fer2013'] = temperature
    with pytest.raises(ModelError, match='a temperature must be above 0'):
        read(tmp_path, values)


@pytest.mark.parametrize(
    ('heads', 'temperature'),
    [(['crowd', 'fer2013'], {'crowd': 1.0}), ([], {}), (['crowd'], {'fer2013': 1.0})],
)
def test_heads_need_temperatures(tmp_path, values, heads, temperature):
    """There is a head, and each has its temperature."""
    values |= {'heads': heads, 'temperature': temperature}
    with pytest.raises(ModelError, match=r'each of the heads \(.*\) needs a temperature'):
        read(tmp_path, values)


@pytest.mark.parametrize('temperature', ['1.0?', [1.0, 1.0], None, {'crowd': 'a', 'fer2013': 1}])
def test_temperature_of_another_type(tmp_path, values, temperature):
    """What is no table of numbers is refused as a description, not with a traceback."""
    values['temperature'] = temperature
    with pytest.raises(ModelError, match='net.json'):
        read(tmp_path, values)


def test_hash(tmp_path, values):
    """The right contents pass; any other are named with both hashes."""
    contents = b'model'
    values['sha256'] = hashlib.sha256(contents).hexdigest()
    description = read(tmp_path, values)
    verify_sha256(description, contents, tmp_path / 'net.tflite')
    other = hashlib.sha256(b'Model').hexdigest()
    with pytest.raises(ModelError, match=f'its sha256 is {other[:12]}') as caught:
        verify_sha256(description, b'Model', tmp_path / 'net.tflite')
    assert f'expected {values["sha256"][:12]}' in str(caught.value)
    assert str(tmp_path / 'net.tflite') in str(caught.value)


def test_packaged_description():
    """The description in the package fits the file beside it."""
    description = read_metadata(DEFAULT_MODEL.with_suffix('.json'))
    assert isinstance(description, ModelMetadata)
    assert description.file == DEFAULT_MODEL.name
    verify_sha256(description, DEFAULT_MODEL.read_bytes(), DEFAULT_MODEL)
    assert description.input == {'side_px': 48, 'channels': 1, 'range': [0, 255]}


@pytest.mark.parametrize(
    'changes',
    [
        {'name': ['expression', 'net']},
        {'name': None},
        {'sha256': 5},
        {'sha256': None},
        {'heads': [['crowd'], ['fer2013']]},
        {'heads': [1, 2]},
        {'temperature': {'crowd': float('inf'), 'fer2013': 1}},
        {'temperature': {'crowd': float('nan'), 'fer2013': 1}},
        {'temperature': {'crowd': -float('inf'), 'fer2013': 1}},
    ],
    ids=str,
)
def test_fields_of_another_kind(tmp_path, values, changes):
    """Whatever stands there, it is a ModelError that names the file."""
    with pytest.raises(ModelError, match='net.json'):
        read(tmp_path, values | changes)


def test_deep_json(tmp_path):
    """Python's own limit of nesting is no reason to stop."""
    with pytest.raises(ModelError, match='net.json is not the metadata of a model'):
        read(tmp_path, '[' * 100_000)


def test_no_regular_file(tmp_path):
    """A pipe would be waited for without an end."""
    os.mkfifo(tmp_path / 'net.json')
    with pytest.raises(ModelError, match='net.json cannot be read \\(it is no file'):
        read_metadata(tmp_path / 'net.json')


def test_a_file_far_too_large(tmp_path):
    """It is not read into memory to find that out."""
    with (tmp_path / 'net.json').open('wb') as file:
        file.truncate(2**40)
    with pytest.raises(ModelError, match='net.json cannot be read \\(it is too large'):
        read_metadata(tmp_path / 'net.json')
