# SPDX-License-Identifier: Apache-2.0
"""`emotion-training evaluate`: report, json, each kind of model, and what is refused."""

import base64
import hashlib
import json
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from emotion_perception.classification import DEFAULT_MODEL, EmotionClassifier
from emotion_perception.emotions import EMOTIONS
from emotion_training import cli
from emotion_training.data.build import MANIFEST, build
from emotion_training.data.dataset import load
from emotion_training.data.fer2013 import read_fer2013
from emotion_training.evaluate.evaluation import evaluate, report_data
from emotion_training.evaluate.model_outputs import head_probabilities, probabilities
from support.packaged_model import copy_packaged_model


@pytest.fixture(scope='module')
def keras_models(tmp_path_factory):
    """Return a .keras model with two heads of constant outputs, and an .h5 model of one head."""
    folder = tmp_path_factory.mktemp('models')
    face = keras.Input((48, 48, 1))
    features = keras.layers.GlobalAveragePooling2D()(face)
    bias = {'crowd': np.eye(7)[3] * 4, 'fer2013': np.eye(7)[5] * 2}
    outputs = {
        name: keras.layers.Dense(
            7,
            kernel_initializer='zeros',
            bias_initializer=keras.initializers.Constant(b),
            name=name,
        )(features)
        for name, b in bias.items()
    }
    keras.Model(face, outputs, name='expression_net').save(folder / 'two.keras')
    keras.Sequential(
        [keras.Input((48, 48, 1)), keras.layers.Flatten(), keras.layers.Dense(7, 'softmax')]
    ).save(folder / 'one.h5')
    return folder / 'two.keras', folder / 'one.h5'


@pytest.fixture(scope='module')
def report(data, keras_models, tmp_path_factory):
    """Compare two models; return the page and the scores of the report."""
    out = tmp_path_factory.mktemp('report')
    packaged = copy_packaged_model(out / '<script>&.tflite')
    models = str(packaged), str(keras_models[0])
    assert cli.main(['evaluate', '--out', str(out), *models, str(data)]) == 0
    return (out / 'report.html').read_text(), json.loads((out / 'scores.json').read_text())


def test_a_report_is_replaced_on_request_only(keras_models, data, tmp_path, capsys):
    arguments = ['evaluate', str(keras_models[0]), str(data)]
    for option, name in (('--out', 'report.html'), ('--record', 'record.json')):
        (tmp_path / name).write_text('mine')
        target = str(tmp_path / name if option == '--record' else tmp_path)
        assert cli.main([*arguments, option, target]) == 2
        assert f'{name} exists already' in capsys.readouterr().err
        assert (tmp_path / name).read_text() == 'mine'
        assert cli.main([*arguments, option, target, '--force']) == 0
        assert (tmp_path / name).read_text() != 'mine'
    assert cli.main([*arguments, '--out', str(data / 'report')]) == 2
    assert 'lies in the input folder' in capsys.readouterr().err
    assert not (data / 'report').exists()


def test_each_head_has_its_own_probabilities(keras_models, data):
    images = load(data, 'validation').images
    two, one = (head_probabilities(path, images) for path in keras_models)
    assert set(two['crowd'].argmax(1)) == {3}
    assert set(two['fer2013'].argmax(1)) == {5}
    assert two['fer2013'][0, 5] == pytest.approx(np.exp(2) / (np.exp(2) + 6), abs=1e-4)
    assert np.array_equal(one['crowd'], one['fer2013'])


def test_a_litert_model_with_one_head_is_used_for_both(tmp_path):
    path = copy_packaged_model(tmp_path / 'one.tflite')
    face = keras.Input((48, 48, 1))
    pooled = keras.layers.GlobalAveragePooling2D()(face)
    stacked = keras.ops.stack([keras.layers.Dense(7)(pooled)], axis=1)
    blob = tf.lite.TFLiteConverter.from_keras_model(keras.Model(face, stacked)).convert()
    path.write_bytes(blob)
    values = json.loads(path.with_suffix('.json').read_text())
    values |= {'heads': ['fer2013'], 'sha256': hashlib.sha256(blob).hexdigest()}
    values['temperature'] = {'fer2013': 1.0}
    path.with_suffix('.json').write_text(json.dumps(values))
    assert EmotionClassifier.load(path).head == 'fer2013'
    images = np.random.default_rng(0).integers(0, 256, (1, 48, 48), dtype=np.uint8)
    both = head_probabilities(path, images)
    assert np.array_equal(both['crowd'], both['fer2013'])


def test_the_batch_size_does_not_matter(data):
    images = load(data, 'validation').images
    expected = probabilities(DEFAULT_MODEL, 'crowd', images, batch_size=len(images))
    for size in (1, 41):
        found = probabilities(DEFAULT_MODEL, 'crowd', images, size)
        assert found == pytest.approx(expected, abs=1e-5)


def test_the_json_has_the_scores(report, data):
    first, two = report[1]['models']
    split, train = load(data, 'validation'), load(data, 'train')
    assert first['name'] == '<script>&.tflite'
    assert first['sha256'] == json.loads(DEFAULT_MODEL.with_suffix('.json').read_text())['sha256']
    outputs = head_probabilities(DEFAULT_MODEL, split.images)
    for name, scores in evaluate(outputs, split, train).items():
        assert scores.items() <= first['questions'][name].items()
    row = two['questions']['FER+ majority']
    assert row['accuracy'] == pytest.approx(6 / 42, abs=1e-4)
    assert row['confusion'][0] == [0, 0, 0, 6, 0, 0, 0]
    assert row['head'] == 'crowd'
    assert row['against_first']['mcnemar']['p'] <= 1


def test_the_page_is_complete_and_self_contained(report):
    page, _ = report
    assert page.lower().startswith('<!doctype html>')
    assert '<script' not in page
    assert '&lt;script&gt;&amp;.tflite' in page
    assert not re.search(r'https?://|@import|url\(', page)
    links = re.findall(r'(?:src|href)="([^"]{1,30})', page)
    assert {link.split(',')[0] for link in links if not link.startswith('#')} == {
        'data:image/png;base64'
    }
    # two comparisons and, for each model, three figures for two references
    assert page.count('<img class="drawn"') == 2 + 2 * 3 * 2
    assert all(f'<td>{label}</td>' in page for label in EMOTIONS)
    for text in (
        'two.keras',
        'macro recall',
        'McNemar',
        'Most confident mistakes',
        'prefers-color-scheme',
    ):
        assert text in page


def test_mistakes_are_shown_with_their_images(report, data):
    page, scores = report
    mistakes = scores['models'][1]['questions']['FER+ majority']['mistakes']
    assert len(mistakes) == 36
    assert {m['predicted'] for m in mistakes} == {'happiness'}
    assert (mistakes[0]['votes_for_true'], mistakes[0]['votes_for_predicted']) == (8, 0)
    shown = re.findall(r'<figure title="([^"]+)"><img src="data:image/png;base64,([^"]+)"', page)
    by_path = {path: base64.b64decode(png) for path, png in shown}
    pixels = tf.io.decode_png(by_path[mistakes[0]['path']])[..., 0].numpy()
    saved = tf.io.decode_png((data / mistakes[0]['path']).read_bytes())[..., 0].numpy()
    assert np.array_equal(pixels, saved)


def test_a_dataset_without_votes_has_label_scores_only(drawn_csv, tmp_path, capsys):
    build(read_fer2013(drawn_csv[0]), tmp_path / 'data')
    record = tmp_path / 'record.json'
    arguments = ['evaluate', str(DEFAULT_MODEL), str(tmp_path / 'data'), '--record', str(record)]
    assert cli.main(arguments) == 0
    found = json.loads(record.read_text())['models'][0]['questions']
    assert list(found) == ['FER2013 label', 'FER2013 label, leak-free']
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.endswith('log loss')
    assert rows[0].startswith('FER2013 label ')


def subset(data, folder, wanted):
    """Copy a dataset with the rows of its manifest for which `wanted` is true."""
    shutil.copytree(data, folder)
    heading, *rows = (data / MANIFEST).read_text().splitlines()
    (folder / MANIFEST).write_text('\n'.join([heading, *filter(wanted, rows)]) + '\n')
    return folder


def test_a_model_at_chance_is_remarked_on(keras_models, data, capsys):
    assert cli.main(['evaluate', str(keras_models[0]), str(data)]) == 0
    notes = capsys.readouterr().err
    for reference in ('FER2013 label', 'FER+ majority'):
        remark = 'no better than guessing: macro recall 14.3%, by chance 14.3%; train longer'
        assert f'note: two.keras, {reference}: {remark}' in notes


def test_one_class_only_is_refused(data, tmp_path, capsys):
    folder = subset(data, tmp_path / 'd', lambda row: row.startswith(('train', 'validation/fear')))
    out = tmp_path / 'out'
    assert cli.main(['evaluate', str(DEFAULT_MODEL), str(folder), '--out', str(out)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f'{folder / MANIFEST}, validation: all 6 images are fear' in error
    assert not out.exists()


def test_missing_classes_and_training_images_are_remarked(data, tmp_path, capsys):
    folder = subset(
        data, tmp_path / 'data', lambda row: row.startswith('val') and '/disgust/' not in row
    )
    split = load(folder, 'validation')
    found = report_data([DEFAULT_MODEL], folder, 'validation', split, folder)
    assert cli.main(['evaluate', str(DEFAULT_MODEL), str(folder)]) == 0
    error = capsys.readouterr().err
    assert 'has no image of disgust' in error
    assert 'there are no leak-free scores' in error
    assert len(found['remarks']) == 2
    rows = found['models'][0]['questions']
    assert list(rows) == ['FER2013 label', 'FER+ majority', 'FER+ all faces']
    assert rows['FER2013 label']['per_class']['disgust']['recall'] is None


def test_duplicates_in_another_training_set_are_left_out(data, tmp_path, capsys):
    lines = (data / MANIFEST).read_text().splitlines()
    duplicate = next(line for line in lines if line.startswith('validation/fear'))
    other = subset(data, tmp_path / 'other', lambda row: row.startswith('train'))
    with (other / MANIFEST).open('a') as stream:
        stream.write(duplicate.replace('validation', 'train') + '\n')
    assert cli.main(['evaluate', str(DEFAULT_MODEL), str(data), '--train', str(other)]) == 0
    row = capsys.readouterr().out.splitlines()[4].split()
    assert row[:4] == ['FER2013', 'label,', 'leak-free', '41']
    assert cli.main(['evaluate', str(DEFAULT_MODEL), str(data), '--train', str(tmp_path)]) == 2
    assert str(tmp_path / MANIFEST) in capsys.readouterr().err


@pytest.mark.parametrize(
    ('name', 'contents', 'message'),
    [
        ('text.tflite', '<!DOCTYPE html>', "is not a .tflite file: it starts with b'<!DOCTYPE"),
        ('cut.keras', 'PK\x03\x04 and no more', 'cannot be loaded'),
        ('model.onnx', 'x', 'its name should end in .tflite, .keras, .h5'),
        ('none.tflite', None, 'there is no model file'),
    ],
)
def test_a_bad_model_is_named(data, tmp_path, capsys, name, contents, message):
    model, out = tmp_path / name, tmp_path / 'out'
    if contents is not None:
        model.write_text(contents)
    arguments = ['evaluate', str(DEFAULT_MODEL), str(model), str(data), '--out', str(out)]
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert str(model) in error
    assert message in error
    assert not out.exists()


def test_other_bad_input_is_named(data, tmp_path, capsys):
    model = copy_packaged_model(tmp_path / 'model.tflite')
    model.with_suffix('.json').unlink()
    for arguments, message in (
        ([str(model), str(data)], f'{tmp_path / "model.json"} cannot be read'),
        (
            [str(DEFAULT_MODEL), str(data), '--split', 'test'],
            "lists no image of the split 'test'; it has train, validation",
        ),
        ([str(DEFAULT_MODEL), str(tmp_path)], str(tmp_path / MANIFEST)),
    ):
        assert cli.main(['evaluate', *arguments]) == 2
        assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_record_names_no_file_of_the_dataset(data, keras_models, tmp_path):
    record = tmp_path / 'records' / 'scores.json'
    arguments = ['evaluate', *map(str, keras_models), str(data), '--record', str(record)]
    assert cli.main(arguments) == 0
    text = record.read_text()
    assert not any(name in text for name in (str(tmp_path), str(data), '.png'))
    models = json.loads(text)['models']
    assert [model['file'] for model in models] == ['two.keras', 'one.h5']
    assert models[1]['questions']['FER+ majority']['against_first']['mcnemar']['p'] <= 1
