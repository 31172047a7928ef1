# SPDX-License-Identifier: Apache-2.0
"""Calibrated probabilities of aligned faces; files that are no model are refused."""

import hashlib
import importlib.util
import json
import os

import numpy as np
import pytest

from emotion_perception.alignment import crop_face
from emotion_perception.classification import DEFAULT_MODEL, EmotionClassifier
from emotion_perception.detection.blazeface import find_networks
from emotion_perception.emotions import EMOTIONS, FER2013_CODES, canonical_emotion
from emotion_perception.errors import ModelError
from emotion_perception.runtime.metadata import HEADS, read_metadata
from support.packaged_model import copy_packaged_model


@pytest.fixture(scope='module')
def faces(portrait, detector):
    """Return variants of the portrait's face, and noise, uint8 [12, 48, 48]; no two alike."""
    face = crop_face(portrait, detector.detect(portrait)[0]).astype(float)
    noise = np.random.default_rng(2).uniform(0, 255, (4, 48, 48))
    mixed = [face, face[:, ::-1], face * 0.4, face[::-1], 255 - face, np.rot90(face)]
    mixed += [0.6 * face + 0.4 * noise[0], 0.3 * face + 0.7 * noise[1], noise[2], noise[3] * 0.3]
    mixed += [np.zeros((48, 48)), np.full((48, 48), 255.0)]
    return np.stack(mixed).astype(np.uint8)


@pytest.fixture
def model(tmp_path):
    """Return the path of a copy of the packaged model, with its json beside it."""
    return copy_packaged_model(tmp_path / 'copy.tflite')


def change_metadata(model, **changes):
    """Change fields in the json of a model."""
    path = model.with_suffix('.json')
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def replace_model(model, contents):
    """Replace the contents of a model file and the hash in its json."""
    model.write_bytes(contents)
    change_metadata(model, sha256=hashlib.sha256(contents).hexdigest())


@pytest.mark.parametrize(('head', 'least'), [('crowd', 0.8), ('fer2013', 0.5)])
def test_the_portrait_is_happy(faces, head, least):
    (row,) = EmotionClassifier.load(head=head).classify(faces[:1])
    assert row[EMOTIONS.index('happiness')] > least


def test_probabilities(classifier, faces):
    found = classifier.classify(faces)
    assert (found.shape, found.dtype) == ((12, 7), np.float32)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert found.sum(axis=1) == pytest.approx(np.ones(12), abs=1e-5)
    different = found[1:10]  # the first two are mirror images
    pairs = np.abs(different[:, None] - different[None])[np.triu_indices(9, 1)]
    assert (pairs.max(axis=1) > 0).all()
    # an earlier result is not overwritten, and the same faces give the same to the last bit
    kept = found.copy()
    classifier.classify(faces[::-1])
    assert np.array_equal(found, kept)
    assert np.array_equal(classifier.classify(faces), kept)


def test_a_mirrored_face_gives_nearly_the_same(classifier, faces):
    """The packaged model has learned the mean of both, in one pass."""
    face = faces[:1]
    mirrored = np.ascontiguousarray(face[:, :, ::-1])
    assert classifier.classify(mirrored) == pytest.approx(classifier.classify(face), abs=0.05)


@pytest.mark.parametrize('count', [0, 1, 2, 3, 7, 12])
def test_a_batch_equals_single_faces(classifier, faces, count):
    single = [classifier.classify(face[None]) for face in faces[:count]]
    single = np.concatenate([np.zeros((0, 7), np.float32), *single])
    found = classifier.classify(faces[:count])
    assert (found.shape, found.dtype) == ((count, 7), np.float32)
    assert found == pytest.approx(single, abs=1e-4)
    assert classifier.classify(faces[:count][::-1])[::-1] == pytest.approx(single, abs=1e-4)


def test_two_threads_give_the_same(classifier, faces):
    found = EmotionClassifier.load(threads=2).classify(faces)
    assert found == pytest.approx(classifier.classify(faces), abs=1e-4)


@pytest.mark.parametrize('view', [lambda a: a.transpose(0, 2, 1), lambda a: a[::2]])
def test_any_memory_order(classifier, faces, view):
    found = classifier.classify(view(faces))
    assert np.array_equal(found, classifier.classify(np.ascontiguousarray(view(faces))))


@pytest.mark.parametrize(
    'wrong',
    [
        *(
            np.zeros(s, np.uint8)
            for s in ((48, 48), (1, 48, 48, 1), (1, 64, 64), (1, 48, 47), (0,))
        ),
        *(np.zeros((1, 48, 48), dtype) for dtype in (np.float32, np.int8)),
        np.zeros((0, 48, 48)),
    ],
    ids=lambda array: f'{array.dtype}{list(array.shape)}',
)
def test_wrong_input(classifier, wrong):
    with pytest.raises(ValueError, match=r'must be uint8 of shape \(N, 48, 48\), not ') as caught:
        classifier.classify(wrong)
    assert f'not {wrong.dtype} of shape {wrong.shape}' in str(caught.value)


def logits(probabilities):
    """Return the logits that probabilities come from, centered, float64."""
    values = np.log(probabilities.astype(np.float64))
    return values - values.mean(axis=1, keepdims=True)


@pytest.mark.parametrize('head', HEADS)
@pytest.mark.parametrize('temperature', [0.5, 3.0])
def test_temperature(model, faces, head, temperature):
    """It divides the logits of its own head only."""
    before = json.loads(model.with_suffix('.json').read_text())['temperature'][head]
    plain = logits(EmotionClassifier.load(model, head).classify(faces[6:10])) * before
    change_metadata(model, temperature=dict.fromkeys(HEADS, 99.0) | {head: temperature})
    found = EmotionClassifier.load(model, head).classify(faces[6:10])
    assert logits(found) * temperature == pytest.approx(plain, abs=0.02)
    assert found.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-5)


@pytest.mark.parametrize('head', HEADS)
def test_offset(model, faces, head):
    """It is added to the logits of its own head, before the temperature divides them."""
    offset = np.array([0.5, -0.25, 0, 0, 1, -1, -0.25])
    change_metadata(model, temperature=dict.fromkeys(HEADS, 2.0), offset={})
    plain = logits(EmotionClassifier.load(model, head).classify(faces))
    change_metadata(model, offset={head: list(offset), 'another': [50.0] * 7})
    found = EmotionClassifier.load(model, head).classify(faces)
    assert logits(found) == pytest.approx(plain + offset / 2, abs=0.02)


def test_the_average_neutral_face_belongs_to_a_head_and_may_be_missing(model):
    values = [-5.0, -5.5, -5.5, -5.0, -0.25, -3.5, -5.5]
    change_metadata(model, neutral={'crowd': values})
    assert EmotionClassifier.load(model, 'crowd').neutral.tolist() == values
    assert EmotionClassifier.load(model, 'fer2013').neutral is None
    change_metadata(model, neutral={'crowd': values[1:]})
    with pytest.raises(ModelError, match='offset and neutral must be 7 numbers'):
        EmotionClassifier.load(model)


@pytest.mark.parametrize(('temperature', 'highest'), [(1e6, 1 / 7), (1e-4, 1.0)])
def test_extreme_temperature(model, faces, temperature, highest):
    change_metadata(model, temperature=dict.fromkeys(HEADS, temperature))
    found = EmotionClassifier.load(model).classify(faces[:4])
    assert found.max(axis=1) == pytest.approx(np.full(4, highest), abs=1e-3)
    assert found.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-5)


def test_heads_are_found_by_name(model, faces):
    change_metadata(model, temperature=dict.fromkeys(HEADS, 1.0), offset={})
    before = {head: EmotionClassifier.load(model, head).classify(faces) for head in HEADS}
    assert np.abs(before['crowd'] - before['fer2013']).max() > 0.01
    change_metadata(model, heads=HEADS[::-1])
    after = {head: EmotionClassifier.load(model, head).classify(faces) for head in HEADS}
    assert np.array_equal(after['crowd'], before['fer2013'])
    assert np.array_equal(after['fer2013'], before['crowd'])


@pytest.mark.parametrize(
    'order', [FER2013_CODES, ('sad', 'Happy', *EMOTIONS[:3], 'neutral', 'surprised')]
)
@pytest.mark.parametrize('in_json', [True, False])
def test_outputs_in_another_order(model, faces, order, in_json):
    """The same network gives the same numbers, under other names."""
    change_metadata(model, offset={'crowd': [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]})
    before = EmotionClassifier.load(model).classify(faces)
    if in_json:
        change_metadata(model, labels=list(order))
        classifier = EmotionClassifier.load(model)
    else:
        classifier = EmotionClassifier.load(model, labels=','.join(order))
    found = classifier.classify(faces)
    assert classifier.labels == EMOTIONS
    for index, name in enumerate(order):
        column = EMOTIONS.index(canonical_emotion(name))
        assert found[:, column] == pytest.approx(before[:, index], abs=1e-6), name
    assert classifier.remark == ''


@pytest.mark.parametrize('order', ['anger,fear', 'anger,anger,fear,happy,sad,neutral,disgust'])
def test_an_order_that_is_not_each_of_the_seven(model, order):
    with pytest.raises(ValueError, match='must be each of anger, disgust, .* or fer2013'):
        EmotionClassifier.load(model, labels=order)
    change_metadata(model, labels=order.split(','))
    with pytest.raises(ModelError, match=r'is not the metadata .* must be each of anger'):
        EmotionClassifier.load(model)


def test_unknown_head(model):
    with pytest.raises(ValueError, match="has no head 'robot'; it has crowd, fer2013"):
        EmotionClassifier.load(model, head='robot')


@pytest.mark.parametrize('path', [None, '', DEFAULT_MODEL, str(DEFAULT_MODEL), 'copy'])
def test_paths(request, classifier, faces, path):
    path = request.getfixturevalue('model') if path == 'copy' else path
    assert np.array_equal(EmotionClassifier.load(path).classify(faces), classifier.classify(faces))


def test_the_packaged_model_is_within_budget():
    metadata = read_metadata(DEFAULT_MODEL.with_suffix('.json'))
    assert 10_000 < metadata.parameters <= 3_000_000
    assert DEFAULT_MODEL.stat().st_size <= 6_000_000
    assert metadata.heads == HEADS


def flip_bit(position):
    """Return a function that changes one byte at this relative position of a file."""

    def damage(model):
        contents = bytearray(model.read_bytes())
        contents[int(position * (len(contents) - 1))] ^= 1
        model.write_bytes(contents)

    return damage


HASH = 'copy.tflite is not the file that its json describes: its sha256'
LITERT = r'copy.tflite is not a LiteRT \(.tflite\) file'
SHORT_RANGE = 'face_detection_short_range.tflite'


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda model: model.unlink(), 'there is no model file .*copy.tflite'),
        (
            lambda model: model.with_suffix('.json').unlink(),
            'copy.json cannot be read .*emotion-training export',
        ),
        (flip_bit(0.0), HASH),
        (flip_bit(0.5), HASH),
        (flip_bit(1.0), HASH),
        (lambda model: model.write_bytes(b''), LITERT),
        (lambda model: model.write_bytes(b'<!DOCTYPE html>'), LITERT),
        (lambda model: replace_model(model, b'version https://git-lfs.github'), LITERT),
        (
            lambda model: replace_model(model, model.read_bytes()[:5000]),
            'copy.tflite cannot be load',
        ),
        (lambda model: replace_model(model, model.read_bytes()[:-9000]), 'cannot be loaded: '),
        (
            lambda model: replace_model(model, (find_networks() / SHORT_RANGE).read_bytes()),
            r'takes input of shape \(1, 128, 128, 3\), expected \(N, 48, 48, 1\)',
        ),
        (
            lambda model: change_metadata(model, heads=['crowd']),
            r'has output of shape \(\d+, 2, 7\), expected \(N, 1, 7\)',
        ),
        (lambda model: change_metadata(model, input={'side_px': 64}), 'takes input of shape'),
        (lambda model: os.truncate(model, 2**40), 'cannot be read: it is too large'),
        (lambda model: (model.unlink(), model.mkdir()), 'there is no model file'),
        (lambda model: (model.unlink(), os.mkfifo(model)), 'there is no model file'),
    ],
)
def test_damaged_model(model, damage, message):
    damage(model)
    with pytest.raises(ModelError, match=message):
        EmotionClassifier.load(model)


@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
def test_keras_file_without_tensorflow(monkeypatch, tmp_path, suffix):
    path = tmp_path / f'model{suffix}'
    path.write_bytes(b'anything')
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ModelError, match='needs TensorFlow, .* `emotion-training export`'):
        EmotionClassifier.load(path)
