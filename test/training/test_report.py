"""`emotion-training evaluate`: its report, its json, models of each kind, and what it refuses."""

import hashlib
import json
import re
import shutil

import cv2
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
from emotion_training.evaluate import evaluation_report
from emotion_training.evaluate.evaluation import evaluate
from emotion_training.evaluate.model_outputs import answers, answers_of_all_heads
from emotion_training.files import whole_file


@pytest.fixture(scope='module')
def data(drawn_csv, tmp_path_factory):
    """Return the folder of a built dataset with votes."""
    folder = tmp_path_factory.mktemp('built') / 'data'
    build(read_fer2013(*drawn_csv), folder)
    return folder


@pytest.fixture(scope='module')
def keras_models(tmp_path_factory):
    """Return a .keras model with two heads that always give other answers, and an .h5 model of one head."""
    folder = tmp_path_factory.mktemp('models')
    face = keras.Input((48, 48, 1))
    features = keras.layers.GlobalAveragePooling2D()(face)
    bias = {'crowd': np.eye(7)[3] * 4, 'fer2013': np.eye(7)[5] * 2}
    outputs = {
        name: keras.layers.Dense(
            7, kernel_initializer='zeros', bias_initializer=keras.initializers.Constant(b), name=name
        )(features)
        for name, b in bias.items()
    }  # fmt: skip
    keras.Model(face, outputs, name='expression_net').save(folder / 'two.keras')
    keras.Sequential(
        [keras.Input((48, 48, 1)), keras.layers.Flatten(), keras.layers.Dense(7, 'softmax')]
    ).save(folder / 'one.h5')
    return folder / 'two.keras', folder / 'one.h5'


@pytest.fixture(scope='module')
def report_folder(data, keras_models, tmp_path_factory):
    """Compare three models and return the folder of the report."""
    out = tmp_path_factory.mktemp('report')
    assert cli.main(['evaluate', '--out', str(out), str(DEFAULT_MODEL), *map(str, keras_models), str(data)]) == 0  # fmt: skip
    return out


def copy_model(path):
    """Copy the packaged model and its json."""
    shutil.copy(DEFAULT_MODEL, path)
    shutil.copy(DEFAULT_MODEL.with_suffix('.json'), path.with_suffix('.json'))
    return path


def test_each_head_answers_its_own_question(keras_models, data):
    images = load(data, 'validation').images
    two, one = (answers_of_all_heads(path, images) for path in keras_models)
    assert set(two['crowd'].argmax(1)) == {3}
    assert set(two['fer2013'].argmax(1)) == {5}
    assert two['fer2013'][0, 5] == pytest.approx(np.exp(2) / (np.exp(2) + 6), abs=1e-4)
    assert np.array_equal(one['crowd'], one['fer2013'])


def test_a_converted_model_of_one_head_answers_whatever_is_asked(tmp_path):
    path = copy_model(tmp_path / 'one.tflite')
    values = json.loads(path.with_suffix('.json').read_text())
    face = np.random.default_rng(0).integers(0, 256, (1, 48, 48), dtype=np.uint8)
    with pytest.raises(ValueError, match="has no head 'robot'"):
        EmotionClassifier.load(path, 'robot')
    model = keras.Sequential(
        [keras.Input((48, 48, 1)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(7)]
    )
    face_in = keras.Input((48, 48, 1))
    stacked = keras.ops.stack([model(face_in)], axis=1)
    blob = tf.lite.TFLiteConverter.from_keras_model(keras.Model(face_in, stacked)).convert()
    path.write_bytes(blob)
    values |= {'heads': ['fer2013'], 'sha256': hashlib.sha256(blob).hexdigest()}
    values['temperature'] = {'fer2013': 1.0}
    path.with_suffix('.json').write_text(json.dumps(values))
    assert EmotionClassifier.load(path).head == 'fer2013'
    told = answers_of_all_heads(path, face)
    assert np.array_equal(told['crowd'], told['fer2013'])


def test_batches_of_any_size_give_the_same(data):
    images = load(data, 'validation').images
    whole = answers(DEFAULT_MODEL, 'crowd', images, batch=len(images))
    for batch in (1, 16, 41, 1000):
        assert answers(DEFAULT_MODEL, 'crowd', images, batch) == pytest.approx(whole, abs=1e-5)


def test_the_json_holds_the_scores(report_folder, data):
    found = json.loads((report_folder / 'scores.json').read_text())
    split, train = load(data, 'validation'), load(data, 'train')
    told = answers_of_all_heads(DEFAULT_MODEL, split.images)
    first = found['models'][0]
    assert first['name'] == 'expression_net.tflite'
    assert first['sha256'] == json.loads(DEFAULT_MODEL.with_suffix('.json').read_text())['sha256']
    for name, scores in evaluate(told, split, train).items():
        assert scores.items() <= first['questions'][name].items()
    by_two = found['models'][1]['questions']['FER+ majority']
    assert by_two['accuracy'] == pytest.approx(6 / 42, abs=1e-4)
    assert by_two['confusion'][0] == [0, 0, 0, 6, 0, 0, 0]
    assert (by_two['head'], found['models'][2]['questions']['FER+ majority']['head']) == ('crowd',) * 2  # fmt: skip
    assert by_two['against_first']['mcnemar']['p'] <= 1


def test_the_page_needs_nothing_from_elsewhere(report_folder):
    page = (report_folder / 'report.html').read_text()
    assert page.lower().startswith('<!doctype html>')
    assert '<script' not in page
    assert not re.search(r'https?://|@import|url\(', page)
    links = re.findall(r'(?:src|srcset|href)="([^"]{1,30})', page)
    assert {link.split(',')[0] for link in links if not link.startswith('#')} == {
        'data:image/png;base64'
    }
    # two themes of two comparisons and, for each model, three figures of two questions
    assert page.count('<picture>') == 2 + 3 * 3 * 2
    assert page.count('srcset=') == page.count('<picture>')
    for text in ('two.keras', 'macro recall', 'McNemar', 'Most confident mistakes', 'prefers-color-scheme'):  # fmt: skip
        assert text in page


def test_mistakes_are_shown_with_their_pictures(report_folder, data):
    found = json.loads((report_folder / 'scores.json').read_text())
    mistakes = found['models'][1]['questions']['FER+ majority']['mistakes']
    assert len(mistakes) == 36
    assert {m['predicted'] for m in mistakes} == {'happiness'}
    assert mistakes[0].keys() >= {'path', 'true', 'confidence'}
    assert (mistakes[0]['votes_for_true'], mistakes[0]['votes_for_predicted']) == (8, 0)
    image = cv2.imread(str(data / mistakes[0]['path']), cv2.IMREAD_GRAYSCALE)
    assert evaluation_report._picture(image) in (report_folder / 'report.html').read_text()


def test_names_cannot_break_the_page(data, tmp_path):
    model = copy_model(tmp_path / '<script>&.tflite')
    assert cli.main(['evaluate', str(model), str(data), '--out', str(tmp_path / 'out')]) == 0
    page = (tmp_path / 'out' / 'report.html').read_text()
    assert '&lt;script&gt;&amp;.tflite' in page
    assert '<script' not in page


def test_the_table_of_one_model(data, capsys):
    assert cli.main(['evaluate', str(DEFAULT_MODEL), str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith('log loss')
    assert [line[:28].strip() for line in lines[1:]] == [
        'FER2013 label', 'FER+ majority', 'FER+ all faces', 'FER2013 label, leak-free', 'FER+ majority, leak-free',
    ]  # fmt: skip


def test_a_dataset_without_votes_is_asked_for_its_labels_alone(drawn_csv, tmp_path, capsys):
    build(read_fer2013(drawn_csv[0]), tmp_path / 'data')
    out = tmp_path / 'out'
    assert cli.main(['evaluate', str(DEFAULT_MODEL), str(tmp_path / 'data'), '--out', str(out)]) == 0  # fmt: skip
    found = json.loads((out / 'scores.json').read_text())['models'][0]['questions']
    assert list(found) == ['FER2013 label', 'FER2013 label, leak-free']
    assert 'votes_for_true' not in found['FER2013 label']['mistakes'][0]


def keep(data, folder, wanted):
    """Copy a dataset and leave out the rows of its manifest that `wanted` refuses."""
    shutil.copytree(data, folder)
    heading, *rows = (data / MANIFEST).read_text().splitlines()
    (folder / MANIFEST).write_text('\n'.join([heading, *filter(wanted, rows)]) + '\n')
    return folder


def test_one_class_only_is_refused(data, tmp_path, capsys):
    folder = keep(
        data, tmp_path / 'data', lambda row: row.startswith(('train', 'validation/fear'))
    )
    out = tmp_path / 'out'
    assert cli.main(['evaluate', str(DEFAULT_MODEL), str(folder), '--out', str(out)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f'{folder / MANIFEST}, validation: all 6 images are fear' in error
    assert not out.exists()


def test_a_missing_class_and_missing_training_images_are_told(data, tmp_path, capsys):
    folder = keep(
        data, tmp_path / 'data', lambda row: row.startswith('val') and '/disgust/' not in row
    )
    out = tmp_path / 'out'
    assert cli.main(['evaluate', str(DEFAULT_MODEL), str(folder), '--out', str(out)]) == 0
    error = capsys.readouterr().err
    assert 'has no image of disgust' in error
    assert 'nothing is leak-free' in error
    found = json.loads((out / 'scores.json').read_text())
    assert len(found['remarks']) == 2
    rows = found['models'][0]['questions']
    assert list(rows) == ['FER2013 label', 'FER+ majority', 'FER+ all faces']
    assert rows['FER2013 label']['per_class']['disgust']['recall'] is None
    assert 'has no image of disgust' in (out / 'report.html').read_text()


def test_twins_of_another_dataset_can_be_left_out(data, tmp_path, capsys):
    lines = (data / MANIFEST).read_text().splitlines()
    twin = next(line for line in lines if line.startswith('validation/fear'))
    other = keep(data, tmp_path / 'other', lambda row: row.startswith('train'))
    with (other / MANIFEST).open('a') as stream:
        stream.write(twin.replace('validation', 'train') + '\n')
    assert cli.main(['evaluate', str(DEFAULT_MODEL), str(data), '--train', str(other)]) == 0
    assert capsys.readouterr().out.splitlines()[4].split()[:4] == ['FER2013', 'label,', 'leak-free', '41']  # fmt: skip
    assert cli.main(['evaluate', str(DEFAULT_MODEL), str(data), '--train', str(tmp_path)]) == 2
    assert str(tmp_path / MANIFEST) in capsys.readouterr().err


@pytest.mark.parametrize(
    ('name', 'contents', 'message'),
    [
        ('text.tflite', '<!DOCTYPE html>', "is not a .tflite file: it starts with b'<!DOCTYPE"),
        ('text.keras', 'version https://git-lfs', 'is not a .keras file'),
        ('text.h5', 'nothing', 'is not a .h5 file'),
        ('empty.tflite', '', "is not a .tflite file: it starts with b''"),
        ('cut.keras', 'PK\x03\x04 and no more', 'cannot be loaded'),
        ('model.onnx', 'x', 'its name should end in .tflite, .keras, .h5'),
        ('none.tflite', None, 'there is no model file'),
    ],
)
def test_a_bad_model_is_named(data, tmp_path, capsys, name, contents, message):
    model = tmp_path / name
    if contents is not None:
        model.write_text(contents)
    for command in (['evaluate', str(DEFAULT_MODEL), str(model), str(data), '--out', str(tmp_path / 'out')],
                    ['predict', '--model', str(model), str(data)]):  # fmt: skip
        assert cli.main(command) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert str(model) in error
        assert message in error
    assert not (tmp_path / 'out').exists()


def test_a_model_without_its_json(data, tmp_path, capsys):
    model = copy_model(tmp_path / 'model.tflite')
    model.with_suffix('.json').unlink()
    assert cli.main(['evaluate', str(model), str(data)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f'{tmp_path / "model.json"} cannot be read' in error
    assert 'emotion-training export' in error


def test_an_unknown_split_and_no_dataset(data, tmp_path, capsys):
    assert cli.main(['evaluate', str(DEFAULT_MODEL), str(data), '--split', 'test']) == 2
    assert "lists no image of the split 'test'" in capsys.readouterr().err
    assert cli.main(['evaluate', str(DEFAULT_MODEL), str(tmp_path)]) == 2
    assert str(tmp_path / MANIFEST) in capsys.readouterr().err


def test_a_report_that_is_stopped_leaves_the_old_one(tmp_path):
    path = tmp_path / 'report.html'
    path.write_text('old')

    def stopped():
        with whole_file(path) as stream:
            stream.write('half of the new')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert path.read_text() == 'old'
    assert [p.name for p in tmp_path.iterdir()] == ['report.html']


def test_every_label_is_in_the_report(report_folder):
    page = (report_folder / 'report.html').read_text()
    assert all(f'<td>{label}</td>' in page for label in EMOTIONS)


def test_a_record_names_no_file_of_the_dataset(data, keras_models, tmp_path):
    record = tmp_path / 'records' / 'scores.json'
    arguments = ['evaluate', *map(str, keras_models), str(data), '--record', str(record)]
    assert cli.main(arguments) == 0
    text = record.read_text()
    assert str(tmp_path) not in text
    assert str(data) not in text
    assert '.png' not in text
    models = json.loads(text)['models']
    assert [model['file'] for model in models] == ['two.keras', 'one.h5']
    assert models[1]['questions']['FER+ majority']['against_first']['mcnemar']['p'] <= 1
