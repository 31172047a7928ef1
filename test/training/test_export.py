# SPDX-License-Identifier: Apache-2.0
"""Export a small training: calibration, balance, mirror, quantization; and old Keras formats."""

import dataclasses

import keras
import numpy as np
import pytest

from emotion_perception import cli as runtime_cli
from emotion_perception.classification import EmotionClassifier
from emotion_perception.emotions import EMOTIONS, FER2013_CODES
from emotion_perception.imaging.sources import portrait_path
from emotion_training import cli
from emotion_training.data.build import build
from emotion_training.data.dataset import load
from emotion_training.data.fer2013 import read_fer2013
from emotion_training.evaluate.evaluation import chance_remarks
from emotion_training.evaluate.model_outputs import probabilities
from emotion_training.export import export
from emotion_training.models import networks
from emotion_training.train.config import load_config
from emotion_training.train.epoch_log import training_record
from emotion_training.train.training import train
from support.small_training import epoch_rows


@pytest.fixture(scope='module')
def splits(data):
    return load(data, 'train'), load(data, 'validation')


def test_the_exported_model_has_the_outputs_of_the_trained_one(
    small_run, splits, data, tmp_path, capsys
):
    metadata = export(small_run, *splits, tmp_path, 'float16', mirror=True)
    path = tmp_path / metadata.file
    model = keras.saving.load_model(small_run / 'best.keras', compile=False)
    faces = splits[1].images[..., None].astype('float32')
    logits = model.predict(faces, verbose=0)
    mirrored = model.predict(faces[:, :, ::-1], verbose=0)
    for head in ('crowd', 'fer2013'):
        mean = (logits[head] + mirrored[head]) / 2
        calibrated = (mean + metadata.offset[head]) / metadata.temperature[head]
        found = probabilities(path, head, splits[1].images)
        assert found == pytest.approx(np.asarray(keras.ops.softmax(calibrated)), abs=0.01)
        neutral = np.log(np.maximum(found[splits[1].majority == EMOTIONS.index('neutral')], 0.003))
        assert metadata.neutral[head] == pytest.approx(neutral.mean(0), abs=1e-4)
    assert metadata.scores['FER+ majority']['images'] == 42
    assert metadata.scores['FER+ majority']['accuracy'] > 0.6
    assert metadata.provenance['balance'] == 0.5
    classifier = EmotionClassifier.load(path)
    assert classifier.metadata == metadata
    assert [len(classifier.classify(splits[1].images[:n])) for n in (3, 1, 5)] == [3, 1, 5]
    assert training_record(path).read_text() == (small_run / 'epochs.csv').read_text()
    assert cli.main(['evaluate', str(path), str(data)]) == 0
    # the node can also load the .keras file
    found = EmotionClassifier.load(small_run / 'best.keras').classify(splits[1].images)
    assert found == pytest.approx(np.asarray(keras.ops.softmax(logits['crowd'])), abs=1e-4)


def test_an_exported_model_is_replaced_on_request_only(small_run, data, tmp_path, capsys):
    arguments = ['export', str(small_run), str(data), '--quantization', 'float32', '--out']
    assert cli.main([*arguments, str(tmp_path)]) == 0
    (tmp_path / 'drawn.tflite').write_bytes(b'mine')
    assert cli.main([*arguments, str(tmp_path)]) == 2
    assert 'drawn.tflite exists already; choose another name, or replace it with --force' in (
        capsys.readouterr().err
    )
    assert (tmp_path / 'drawn.tflite').read_bytes() == b'mine'
    assert cli.main([*arguments, str(tmp_path), '--force']) == 0
    assert (tmp_path / 'drawn.tflite').read_bytes()[4:8] == b'TFL3'
    assert cli.main([*arguments, str(small_run / 'inside')]) == 2
    assert 'lies in the input folder' in capsys.readouterr().err


def test_a_calibration_on_other_images_is_noted(small_run, data, drawn_csv, tmp_path, capsys):
    samples = [sample for sample in read_fer2013(*drawn_csv) if sample.row % 20 != 3]
    build(samples, tmp_path / 'others')
    for dataset, noted in ((data, False), (tmp_path / 'others', True)):
        out = tmp_path / f'{noted}'
        command = ['export', str(small_run), str(dataset), '--quantization', 'float32']
        assert cli.main([*command, '--out', str(out)]) == 0
        note = (
            f'was trained on other images: temperature, balance and scores are those of {dataset}'
        )
        assert (note in capsys.readouterr().err) is noted


@pytest.mark.slow
def test_eight_bits_are_small_and_nearly_as_accurate(small_run, splits, tmp_path):
    kinds = ('dynamic', 'int8', 'float32')
    made = [export(small_run, *splits, tmp_path / kind, quantization=kind) for kind in kinds]
    paths = [tmp_path / kind / one.file for kind, one in zip(kinds, made, strict=True)]
    sizes = [path.stat().st_size for path in paths]
    assert max(sizes[:2]) < 0.5 * sizes[2]
    accuracies = [one.scores['FER+ majority']['accuracy'] for one in made]
    assert accuracies[:2] == pytest.approx([accuracies[2]] * 2, abs=0.05)
    # a scale for each image is nearer than fixed ones
    dynamic, fixed, exact = (probabilities(path, 'crowd', splits[1].images) for path in paths)
    assert np.abs(dynamic - exact).mean() < np.abs(fixed - exact).mean()


@pytest.mark.parametrize(('mirror', 'difference'), [(True, (0, 1e-5)), (False, (1e-3, 1))])
def test_mirror_images_get_the_same_probabilities(small_run, splits, tmp_path, mirror, difference):
    metadata = export(small_run, *splits, tmp_path, 'float32', mirror)
    assert metadata.provenance['mirror'] is mirror
    folds = metadata.provenance['calibration']['crowd']['folds']
    assert len(folds) == 5
    assert min(folds) <= metadata.temperature['crowd'] <= max(folds)
    faces = splits[1].images
    found = [
        probabilities(tmp_path / metadata.file, 'crowd', np.ascontiguousarray(each))
        for each in (faces, faces[:, :, ::-1])
    ]
    assert difference[0] <= np.abs(found[0] - found[1]).max() <= difference[1]


def test_balance_is_an_offset_of_the_crowd_head(small_run, splits, tmp_path):
    majority = splits[0].majority
    counts = np.bincount(majority[majority >= 0], minlength=7) + 1
    whole, none = (
        export(small_run, *splits, tmp_path / f'{balance}', 'float32', balance=balance)
        for balance in (1.0, 0.0)
    )
    assert none.offset == {'crowd': [0] * 7, 'fer2013': [0] * 7}
    assert whole.offset['fer2013'] == [0] * 7
    offsets = np.array(whole.offset['crowd'])
    expected = -none.temperature['crowd'] * np.log(counts / counts[0])
    assert offsets - offsets[0] == pytest.approx(expected, abs=2e-4)
    with pytest.raises(ValueError, match='the balance must be from 0 to 1, not 2'):
        export(small_run, *splits, tmp_path / 'more', balance=2)


def test_an_expression_without_training_images_is_not_favored(small_run, splits, tmp_path):
    train, validation = splits
    without = train.subset(train.majority != EMOTIONS.index('disgust'))
    offset = export(small_run, without, validation, tmp_path, 'float32', balance=1.0).offset
    assert offset['crowd'] == pytest.approx([0] * 7, abs=1e-3)  # the others are equally frequent


@pytest.mark.slow
@pytest.mark.parametrize('optimizer', ['sgd', 'adam'])
def test_a_study_model_stops_early_and_is_exported(data, splits, tmp_path, optimizer):
    config = dataclasses.replace(
        load_config('study_model_3'),
        epochs=9,
        batch_size=20,
        min_steps=1,
        optimizer=optimizer,
        early_stopping=1,
        learning_rate=1e-9,
        network_args={'filters': (4,), 'dense': (8,), 'pooling': 'average'},
    )
    train(config, data, tmp_path)
    rows = epoch_rows(tmp_path)
    # with next to no learning rate only the batch statistics move: it stops before the ninth epoch
    assert 1 < len(rows) < 9
    assert 'val_fer2013_loss' in rows[0]
    metadata = export(tmp_path, *splits, tmp_path / 'out')
    assert metadata.heads == ('fer2013',)
    assert set(metadata.scores) == {'FER2013 label', 'FER2013 label, leak-free'}
    (remark,) = chance_remarks(metadata.scores, splits[1])
    assert remark.startswith('FER2013 label: no better than guessing: macro recall')


def test_a_folder_without_a_training_is_refused(data, tmp_path, capsys):
    assert cli.main(['export', str(tmp_path), str(data), '--out', str(tmp_path / 'out')]) == 2
    assert 'is not the folder of a training: it has no run.json' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
def test_a_model_that_rescales_its_input_gets_raw_pixels(tmp_path, suffix):
    model = networks.study_model(filters=(4,), dense=(8,))
    model.layers[-1].set_weights([np.random.default_rng(1).normal(0, 3, (8, 7)), np.zeros(7)])
    path = tmp_path / f'best{suffix}'
    model.save(path)
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    expected = keras.ops.softmax(model(faces[..., None].astype('float32'))['fer2013'])
    found = EmotionClassifier.load(path, 'fer2013').classify(faces)
    assert found == pytest.approx(np.asarray(expected), abs=1e-4)


def test_a_model_of_the_old_h5_format_is_loaded(tmp_path):
    model = keras.Sequential(
        [keras.Input((48, 48, 1)), keras.layers.Flatten(), keras.layers.Dense(7, 'softmax')],
        name='study',
    )
    model.save(tmp_path / 'model.h5')
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    expected = np.asarray(model(faces[..., None].astype('float32') / 255))
    classifier = EmotionClassifier.load(tmp_path / 'model.h5')
    assert classifier.classify(faces) == pytest.approx(expected, abs=1e-4)
    # nothing says the order of its outputs
    assert 'which is taken to be anger, disgust, fear, happiness' in classifier.remark
    (tmp_path / 'model.json').write_text('{"temperature": {"crowd": 1.0}}')  # nor this
    assert EmotionClassifier.load(tmp_path / 'model.h5').remark == classifier.remark
    in_codes = expected[:, [FER2013_CODES.index(label) for label in EMOTIONS]]
    told = EmotionClassifier.load(tmp_path / 'model.h5', labels='fer2013')
    (tmp_path / 'model.json').write_text('{"labels": "fer2013"}')
    beside = EmotionClassifier.load(tmp_path / 'model.h5')
    for one in (told, beside):
        assert one.classify(faces) == pytest.approx(in_codes, abs=1e-4)
        assert one.remark == ''


def test_a_model_of_unknown_order_is_remarked_on(tmp_path, capsys):
    model = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(7, 'softmax'))
    path = tmp_path / 'model.h5'
    model.save(path)
    capsys.readouterr()
    assert runtime_cli.main(['image', '--model', str(path), str(portrait_path())]) == 0
    error = capsys.readouterr().err
    assert error.startswith(f'note: {path} does not say the order of its outputs')
    assert error.count('\n') == 1
    arguments = ['image', '--labels', 'fer2013', '--model', str(path), str(portrait_path())]
    assert runtime_cli.main(arguments) == 0
    assert capsys.readouterr().err == ''
