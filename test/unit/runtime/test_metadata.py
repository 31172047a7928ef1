# SPDX-License-Identifier: Apache-2.0
"""The json beside a model: read, written, and refused where it does not fit."""

import dataclasses
import hashlib
import json
import os

import pytest

from emotion_perception.classification import DEFAULT_MODEL
from emotion_perception.emotions import EMOTIONS
from emotion_perception.errors import ModelError
from emotion_perception.runtime.metadata import read_metadata, verify_sha256

NO_METADATA = 'net.json is not the metadata of a model: '
LABELS = 'net.json is not the metadata of a model: the labels must be each of anger, disgust, .*'
TEMPERATURE = 'net.json: a temperature must be above 0 and finite'
HEADS = r'net.json: each of the heads \(.*\) needs a temperature'
TEXT = 'net.json: name, sha256 and heads must be text'
OFFSET = 'net.json: offset and neutral must be 7 numbers within 100'
NAN, INF = float('nan'), float('inf')


@pytest.fixture
def values():
    """Return valid metadata."""
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
        'neutral': {'crowd': [-5.0, -5.5, -5.5, -5.0, -0.25, -3.5, -5.5]},
        'scores': {'FER+ majority': 0.85},
        'provenance': {'seed': 1},
    }


@pytest.fixture
def path(tmp_path):
    """Return where the json is."""
    return tmp_path / 'net.json'


def test_written_as_read(path, values):
    path.write_text(json.dumps(values))
    metadata = read_metadata(path)
    assert metadata.labels == EMOTIONS
    assert metadata.heads == ('crowd', 'fer2013')
    assert dataclasses.asdict(metadata) == values | {
        'labels': EMOTIONS,
        'heads': ('crowd', 'fer2013'),
    }
    metadata.write(path.with_name('copy.json'))
    assert json.loads(path.with_name('copy.json').read_text()) == values
    assert read_metadata(path.with_name('copy.json')) == metadata


def test_optional_fields(path, values):
    del values['offset'], values['scores'], values['provenance']
    path.write_text(json.dumps(values))
    metadata = read_metadata(path)
    assert (metadata.offset, metadata.scores, metadata.provenance) == ({}, {}, {})


@pytest.mark.parametrize(
    ('create', 'reason'),
    [
        (lambda path: None, 'No such file.*`emotion-training export`'),
        (lambda path: path.mkdir(), 'it is not a regular file'),
        (os.mkfifo, 'it is not a regular file'),
        (lambda path: (path.touch(), os.truncate(path, 2**40)), 'it is too large, 1099511627776'),
    ],
    ids=['missing', 'folder', 'pipe', 'a terabyte'],
)
def test_a_file_that_cannot_be_read(path, create, reason):
    create(path)
    with pytest.raises(ModelError, match=rf'net.json cannot be read \({reason}'):
        read_metadata(path)


@pytest.mark.parametrize(
    'text',
    [
        '',
        '<!DOCTYPE html>',
        '{',
        '[]',
        '"labels"',
        '3',
        'null',
        '{}',
        '[' * 100_000,
        bytes(range(256)),
    ],
    ids=lambda text: repr(text[:9]),
)
def test_a_file_of_another_kind(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ModelError, match=NO_METADATA):
        read_metadata(path)


@pytest.mark.parametrize('name', ['name', 'file', 'sha256', 'labels', 'heads', 'temperature'])
def test_a_missing_field_is_named(path, values, name):
    del values[name]
    path.write_text(json.dumps(values))
    with pytest.raises(ModelError, match=f"{NO_METADATA}.*'{name}'"):
        read_metadata(path)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'mean': 0.5}, f"{NO_METADATA}.*'mean'"),
        # labels in another order would name every face wrongly
        ({'labels': EMOTIONS[:6]}, LABELS),
        ({'labels': (*EMOTIONS[:6], 'anger')}, LABELS),
        ({'labels': (*EMOTIONS, 'contempt')}, 'unknown expression .contempt.'),
        ({'labels': ()}, LABELS),
        ({'labels': 7}, NO_METADATA),
        ({'labels': list(range(7))}, LABELS),
        *(
            ({'temperature': {'crowd': 1, 'fer2013': value}}, TEMPERATURE)
            for value in (0, -1, NAN, INF, -INF)
        ),
        ({'temperature': {'crowd': 1.0}}, HEADS),
        ({'heads': [], 'temperature': {}}, HEADS),
        ({'heads': ['crowd'], 'temperature': {'fer2013': 1.0}}, HEADS),
        ({'temperature': '1.0?'}, NO_METADATA),
        ({'temperature': [1.0, 1.0]}, NO_METADATA),
        ({'temperature': None}, NO_METADATA),
        ({'temperature': {'crowd': 'a', 'fer2013': 1}}, NO_METADATA),
        ({'offset': {'crowd': [0.5] * 6}}, OFFSET),
        ({'offset': {'crowd': [0, 0, 0, 0, 0, 0, 100]}}, OFFSET),
        ({'offset': {'crowd': [0, 0, 0, 0, 0, 0, NAN]}}, OFFSET),
        ({'offset': {'crowd': ['a'] * 7}}, NO_METADATA),
        ({'offset': {'crowd': 5}}, NO_METADATA),
        ({'offset': 5}, NO_METADATA),
        ({'name': ['expression', 'net']}, TEXT),
        ({'name': None}, TEXT),
        ({'sha256': 5}, TEXT),
        ({'heads': [1, 2]}, TEXT),
        ({'heads': [['crowd'], ['fer2013']]}, TEXT),
        ({'input': {}}, f"{NO_METADATA}'side_px'"),
        ({'input': {'side_px': INF, 'channels': 1, 'range': [0, 255]}}, NO_METADATA),
    ],
    ids=str,
)
def test_fields_that_do_not_fit(path, values, changes, message):
    path.write_text(json.dumps(values | changes))
    with pytest.raises(ModelError, match=message):
        read_metadata(path)


def test_hash(path, values):
    values['sha256'] = hashlib.sha256(b'model').hexdigest()
    path.write_text(json.dumps(values))
    metadata = read_metadata(path)
    verify_sha256(metadata, b'model', path)
    other = hashlib.sha256(b'Model').hexdigest()[:12]
    with pytest.raises(
        ModelError, match=f'net.json is not .* its sha256 is {other}.*, expected '
    ) as e:
        verify_sha256(metadata, b'Model', path)
    assert f'expected {values["sha256"][:12]}...; copy both files again' in str(e.value)


def test_the_packaged_metadata_fits_its_model():
    metadata = read_metadata(DEFAULT_MODEL.with_suffix('.json'))
    assert metadata.file == DEFAULT_MODEL.name
    verify_sha256(metadata, DEFAULT_MODEL.read_bytes(), DEFAULT_MODEL)
    assert metadata.input == {'side_px': 48, 'channels': 1, 'range': [0, 255]}
