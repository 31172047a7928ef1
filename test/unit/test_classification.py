"""Calibrated probabilities of aligned faces from the packaged model, or a clear refusal."""

import importlib.util
import json
import os
import shutil

import numpy as np
import pytest

from emotion_perception.alignment import crop_face
from emotion_perception.classification import DEFAULT_MODEL, EmotionClassifier
from emotion_perception.detection.blazeface import find_networks
from emotion_perception.emotions import EMOTIONS
from emotion_perception.errors import ModelError
from emotion_perception.runtime.metadata import HEADS, read_metadata


@pytest.fixture(scope='module')
def faces(portrait, detector):
    """Return uint8 [12, 48, 48]: the portrait's face, darker, turned, mixed with noise; no two alike."""
    face = crop_face(portrait, detector.detect(portrait)[0]).astype(float)
    noise = np.random.default_rng(2).uniform(0, 255, (4, 48, 48))
    mixed = [face, face[:, ::-1], face * 0.4, face[::-1], 255 - face, np.rot90(face)]
    mixed += [0.6 * face + 0.4 * noise[0], 0.3 * face + 0.7 * noise[1], noise[2], noise[3] * 0.3]
    mixed += [np.zeros((48, 48)), np.full((48, 48), 255.0)]
    return np.stack(mixed).astype(np.uint8)


@pytest.fixture
def model(tmp_path):
    """Return the path of a copy of the packaged model, with its json beside it."""
    path = tmp_path / 'copy.tflite'
    shutil.copyfile(DEFAULT_MODEL, path)
    shutil.copyfile(DEFAULT_MODEL.with_suffix('.json'), path.with_suffix('.json'))
    return path


def describe(model, **changes):
    """Change fields in the json of a model."""
    path = model.with_suffix('.json')
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def replace_model(model, contents):
    """Put other contents into a model file, with the hash that fits."""
    import hashlib

    model.write_bytes(contents)
    describe(model, sha256=hashlib.sha256(contents).hexdigest())


def test_labels(classifier):
    """The answers are in the order of EMOTIONS."""
    assert classifier.labels == EMOTIONS
    assert EmotionClassifier.labels == EMOTIONS
    assert classifier.metadata.labels == EMOTIONS


def test_default_head(classifier):
    """The robot is told what people would say they see."""
    assert classifier.head == 'crowd'
    assert HEADS == ('crowd', 'fer2013')


def test_portrait_is_happy(portrait, detector):
    """A broad smile is happiness, for both heads, and for the crowd surely so."""
    crop = crop_face(portrait, detector.detect(portrait)[0])
    for head, least in (('crowd', 0.8), ('fer2013', 0.5)):
        (row,) = EmotionClassifier.load(head=head).classify(crop[None])
        assert row[EMOTIONS.index('happiness')] > least


def test_probabilities(classifier, faces):
    """Every answer is a distribution, whatever the picture."""
    answers = classifier.classify(faces)
    assert answers.shape == (12, 7)
    assert answers.dtype == np.float32
    assert np.isfinite(answers).all()
    assert (answers >= 0).all()
    assert answers.sum(axis=1) == pytest.approx(np.ones(12), abs=1e-5)
    different = answers[1:10]  # the first two are mirror images
    pairs = np.abs(different[:, None] - different[None])[np.triu_indices(9, 1)]
    assert (pairs.max(axis=1) > 0).all()


def test_a_mirror_image_shows_the_same(classifier, faces):
    """The packaged model looks at both, so it makes no difference which one it was given."""
    turned = np.ascontiguousarray(faces[:, :, ::-1])
    assert classifier.classify(turned) == pytest.approx(classifier.classify(faces), abs=1e-6)


@pytest.mark.parametrize('count', [1, 2, 3, 7, 12])
def test_batch_equals_single(classifier, faces, count):
    """A face's answer does not depend on who else is in the image, or who was before."""
    single = np.concatenate([classifier.classify(face[None]) for face in faces[:count]])
    assert classifier.classify(faces[:count]) == pytest.approx(single, abs=1e-4)
    assert classifier.classify(faces[:count][::-1])[::-1] == pytest.approx(single, abs=1e-4)


def test_repeatable(classifier, faces):
    """The same faces give the same answer to the last bit, also in a new classifier."""
    first = classifier.classify(faces)
    assert np.array_equal(classifier.classify(faces), first)
    assert np.array_equal(EmotionClassifier.load().classify(faces), first)


def test_threads(classifier, faces):
    """Two threads answer as one."""
    assert EmotionClassifier.load(threads=2).classify(faces) == pytest.approx(
        classifier.classify(faces), abs=1e-4
    )


def test_answer_is_not_overwritten(classifier, faces):
    """An earlier answer stays as it was."""
    first = classifier.classify(faces[:2])
    kept = first.copy()
    classifier.classify(faces[2:4])
    assert np.array_equal(first, kept)


def test_any_memory_layout(classifier, faces):
    """Slices and transposed arrays are read as what they are."""
    turned = faces.transpose(0, 2, 1)
    assert np.array_equal(
        classifier.classify(turned), classifier.classify(np.ascontiguousarray(turned))
    )
    assert classifier.classify(faces[::2]) == pytest.approx(
        classifier.classify(faces)[::2], abs=1e-4
    )


def test_no_faces(classifier):
    """Nobody there is an empty answer, also between two that are not."""
    empty = classifier.classify(np.zeros((0, 48, 48), np.uint8))
    assert empty.shape == (0, 7)
    assert empty.dtype == np.float32


@pytest.mark.parametrize(
    'wrong',
    [
        np.zeros((48, 48), np.uint8),
        np.zeros((1, 48, 48, 1), np.uint8),
        np.zeros((1, 64, 64), np.uint8),
        np.zeros((1, 48, 47), np.uint8),
        np.zeros((1, 48, 48), np.float32),
        np.zeros((1, 48, 48), np.int8),
        np.zeros((0, 48, 48)),
        np.zeros((0,), np.uint8),
    ],
    ids=lambda array: f'{array.dtype}{list(array.shape)}',
)
def test_wrong_input(classifier, wrong):
    """Another shape or type is refused with what was given and what is needed."""
    with pytest.raises(ValueError, match=r'must be uint8 of shape \(N, 48, 48\), not ') as caught:
        classifier.classify(wrong)
    assert str(wrong.dtype) in str(caught.value)
    assert str(wrong.shape) in str(caught.value)


def log_odds(probabilities):
    """Return the differences of the logits that probabilities come from, in float64."""
    logits = np.log(probabilities.astype(np.float64))
    return logits - logits.mean(axis=1, keepdims=True)


@pytest.mark.parametrize('head', HEADS)
def test_temperature(model, faces, head):
    """The logits of the chosen head, and no other, are divided by its temperature."""
    own = json.loads(model.with_suffix('.json').read_text())['temperature'][head]
    faces = faces[6:10]
    plain = log_odds(EmotionClassifier.load(model, head).classify(faces)) * own
    for temperature in (0.5, 3.0):
        describe(model, temperature=dict.fromkeys(HEADS, 99.0) | {head: temperature})
        answers = EmotionClassifier.load(model, head).classify(faces)
        assert log_odds(answers) * temperature == pytest.approx(plain, abs=0.02)
        assert answers.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-5)


@pytest.mark.parametrize('head', HEADS)
def test_offset(model, faces, head):
    """What the json adds to the logits of the chosen head is added before the temperature divides them."""
    offset = np.array([0.5, -0.25, 0, 0, 1, -1, -0.25])
    describe(model, temperature=dict.fromkeys(HEADS, 2.0), offset={})
    plain = log_odds(EmotionClassifier.load(model, head).classify(faces))
    describe(model, offset={head: list(offset), 'another': [50.0] * 7})
    answers = EmotionClassifier.load(model, head).classify(faces)
    assert log_odds(answers) == pytest.approx(plain + offset / 2, abs=0.02)


def test_high_temperature_is_unsure(model, faces):
    """At a very high temperature every answer is equally probable."""
    describe(model, temperature={'crowd': 1e6, 'fer2013': 1e6})
    answers = EmotionClassifier.load(model).classify(faces)
    assert answers == pytest.approx(np.full((12, 7), 1 / 7), abs=1e-3)


def test_low_temperature_does_not_overflow(model, faces):
    """Even a tiny temperature gives probabilities."""
    describe(model, temperature={'crowd': 1e-4, 'fer2013': 1e-4})
    answers = EmotionClassifier.load(model).classify(faces)
    assert np.isfinite(answers).all()
    assert answers.sum(axis=1) == pytest.approx(np.ones(12), abs=1e-5)


def test_heads_differ(classifier, faces):
    """The two questions have two answers."""
    other = EmotionClassifier.load(head='fer2013')
    assert other.head == 'fer2013'
    assert np.abs(other.classify(faces) - classifier.classify(faces)).max() > 0.01


def test_heads_are_found_by_name(model, faces):
    """Which row of the output a head has is told by the json and not by habit."""
    describe(model, temperature={'crowd': 1.0, 'fer2013': 1.0}, offset={})
    before = {head: EmotionClassifier.load(model, head).classify(faces) for head in HEADS}
    assert np.abs(before['crowd'] - before['fer2013']).max() > 0.01
    heads = json.loads(model.with_suffix('.json').read_text())['heads']
    describe(model, heads=heads[::-1])
    after = {head: EmotionClassifier.load(model, head).classify(faces) for head in HEADS}
    assert np.array_equal(after['crowd'], before['fer2013'])
    assert np.array_equal(after['fer2013'], before['crowd'])


def test_unknown_head(model):
    """A head that the model lacks is answered with those it has."""
    with pytest.raises(ValueError, match="has no head 'robot'; it has crowd, fer2013"):
        EmotionClassifier.load(model, head='robot')


@pytest.mark.parametrize('path', [None, '', DEFAULT_MODEL, str(DEFAULT_MODEL)])
def test_paths(classifier, faces, path):
    """No path, an empty one and the packaged one are the same."""
    assert np.array_equal(EmotionClassifier.load(path).classify(faces), classifier.classify(faces))


def test_copy_elsewhere(classifier, faces, model):
    """A model works wherever its two files lie."""
    assert np.array_equal(
        EmotionClassifier.load(model).classify(faces), classifier.classify(faces)
    )


def test_packaged_model_is_within_budget():
    """The package's own model is at most 3 million weights and 6 MB."""
    description = read_metadata(DEFAULT_MODEL.with_suffix('.json'))
    assert 10_000 < description.parameters <= 3_000_000
    assert DEFAULT_MODEL.stat().st_size <= 6_000_000
    assert description.heads == HEADS


def test_missing_file(tmp_path):
    """A path that does not exist is named."""
    missing = tmp_path / 'nowhere.tflite'
    with pytest.raises(ModelError, match=f'there is no model file {missing}'):
        EmotionClassifier.load(missing)


def test_missing_json(model):
    """A model alone is not enough; the message says what writes the rest."""
    model.with_suffix('.json').unlink()
    with pytest.raises(ModelError, match=r'copy.json cannot be read .*emotion-training export'):
        EmotionClassifier.load(model)


@pytest.mark.parametrize('where', [0.0, 0.5, 1.0])
def test_changed_byte(model, where):
    """One changed byte anywhere is noticed."""
    contents = bytearray(model.read_bytes())
    contents[int(where * (len(contents) - 1))] ^= 1
    model.write_bytes(contents)
    with pytest.raises(ModelError, match='is not the file that its json describes: its sha256'):
        EmotionClassifier.load(model)


@pytest.mark.parametrize('contents', [b'', b'<!DOCTYPE html>', b'version https://git-lfs.github'])
def test_text_file(model, contents):
    """A page or a pointer saved under the model's name is not loaded, even with its own hash."""
    model.write_bytes(contents)
    with pytest.raises(ModelError, match=r'is not a LiteRT \(.tflite\) file'):
        EmotionClassifier.load(model)
    replace_model(model, contents)
    with pytest.raises(ModelError, match=r'copy.tflite is not a LiteRT \(.tflite\) file'):
        EmotionClassifier.load(model)


@pytest.mark.parametrize('share', [0.001, 0.3, 0.9])
def test_cut_file(model, share):
    """A part of a model is refused, even with its own hash."""
    contents = model.read_bytes()
    replace_model(model, contents[: int(share * len(contents))])
    with pytest.raises(ModelError, match=r'copy.tflite cannot be loaded: '):
        EmotionClassifier.load(model)


def test_other_network(model):
    """A network that is no classifier of faces is refused, with its shape."""
    replace_model(model, (find_networks() / 'face_detection_short_range.tflite').read_bytes())
    with pytest.raises(ModelError, match=r'takes input of shape \(1, 128, 128, 3\), expected'):
        EmotionClassifier.load(model)


def test_other_number_of_heads(model):
    """A description with another number of heads than the network is refused."""
    describe(model, heads=['crowd'])
    with pytest.raises(ModelError, match=r'answers in shape \(\d+, 2, 7\), expected \(N, 1, 7\)'):
        EmotionClassifier.load(model)


@pytest.mark.parametrize('given', [{'side_px': 64}, {}, {'side_px': None}, {'side_px': 'large'}])
def test_other_input(model, given):
    """A description of another input is refused, and so is one that does not say."""
    describe(model, input=given)
    with pytest.raises(ModelError, match='copy'):
        EmotionClassifier.load(model)


@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
def test_keras_file_without_tensorflow(monkeypatch, tmp_path, suffix):
    """Keras' formats need TensorFlow; without it the message says how to do without."""
    path = tmp_path / f'model{suffix}'
    path.write_bytes(b'anything')
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ModelError, match='needs TensorFlow, .* `emotion-training export`'):
        EmotionClassifier.load(path)


@pytest.mark.parametrize(
    ('make', 'reason'),
    [
        (lambda path: os.truncate(path, 2**40), 'too large'),
        (lambda path: (path.unlink(), path.mkdir()), 'there is no model file'),
        (lambda path: (path.unlink(), os.mkfifo(path)), 'there is no model file'),
    ],
    ids=['a terabyte', 'a folder', 'a pipe'],
)
def test_what_is_no_model_file_is_not_read(tmp_path, make, reason):
    """Neither waited for nor read into memory."""
    for suffix in ('.tflite', '.json'):
        shutil.copy(DEFAULT_MODEL.with_suffix(suffix), tmp_path)
    model = tmp_path / DEFAULT_MODEL.name
    make(model)
    with pytest.raises(ModelError, match=reason):
        EmotionClassifier.load(model)
