"""Build, train, stop, go on, export, evaluate and classify, on faces that the tests draw."""

import csv
import dataclasses
import json
import subprocess

import cv2
import keras
import numpy as np
import pytest

from emotion_perception.classification import EmotionClassifier
from emotion_training import cli
from emotion_training.data.augmentation import Augmentation
from emotion_training.data.dataset import load
from emotion_training.export import answers, export
from emotion_training.models import networks
from emotion_training.models.networks import expression_net
from emotion_training.train.config import TrainingConfig, load_config
from emotion_training.train.epoch_log import best_so_far, training_record
from emotion_training.train.run_record import RunError
from emotion_training.train.training import train
from emotion_training.train.validation import ValidationCallback

SMALL = TrainingConfig(
    name='drawn', network='expression_net', network_args={'stem': 8, 'widths': (16, 32), 'depths': (1, 1)},
    epochs=24, batch_size=20, warmup_epochs=1, ema=0.8, learning_rate=5e-3,
    augmentation=Augmentation(5, 0.05, 1, 0.5, 0.1, 5, 0, 0),
)  # fmt: skip


class _PowerCut(Exception):
    pass


@pytest.fixture(scope='module')
def run(data, tmp_path_factory):
    """Train, cut the power in the sixth epoch, train again; return the folder of the run."""
    folder = tmp_path_factory.mktemp('run')
    judge = ValidationCallback.on_epoch_end

    def cut(self, epoch, logs=None):
        judge(self, epoch, logs)
        if epoch == 5:
            raise _PowerCut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ValidationCallback, 'on_epoch_end', cut)
        with pytest.raises(_PowerCut):
            train(SMALL, data, folder)
    train(SMALL, data, folder)
    return folder


def test_training_goes_on_where_it_stopped(run):
    with (run / 'epochs.csv').open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row['epoch']) for row in rows] == list(range(24))
    elapsed = [float(row['elapsed_s']) for row in rows]
    assert elapsed == sorted(elapsed)  # the clock goes on too


def test_it_learns_what_was_drawn(run):
    rows = (run / 'epochs.csv').read_text().splitlines()
    heading = rows[0].split(',')
    best = max(float(row.split(',')[heading.index('val_crowd_accuracy')]) for row in rows[1:])
    assert best > 0.6  # chance is 0.14


def test_a_run_is_not_mixed_with_another_recipe(run, data):
    with pytest.raises(RunError, match='begun with another config'):
        train(dataclasses.replace(SMALL, seed=2), data, run)


def test_a_folder_that_is_no_training_is_not_exported(data, tmp_path, capsys):
    assert cli.main(['export', str(tmp_path), str(data), '--out', str(tmp_path / 'out')]) == 2
    assert 'is not the folder of a training, which holds a run.json' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_the_torch_engine_without_pytorch(data, tmp_path, monkeypatch):
    monkeypatch.setattr(
        'emotion_training.train.training.importlib.util.find_spec', lambda name: None
    )
    with pytest.raises(RunError, match='needs PyTorch: install a build of torch for CPUs'):
        train(SMALL, data, tmp_path, 'torch')


def test_curves_and_the_best_epoch(run):
    rows = (run / 'epochs.csv').read_text().splitlines()
    heading = rows[0].split(',')
    at = [heading.index(f'val_{head}_accuracy') for head in ('crowd', 'fer2013')]
    means = [np.mean([float(row.split(',')[i]) for i in at]) for row in rows[1:]]
    assert best_so_far(run / 'epochs.csv') == pytest.approx(max(means))
    assert cv2.imread(str(run / 'curves.png')).shape[1] > 1000


@pytest.mark.parametrize(
    ('name', 'convolutions', 'dense', 'activation', 'dropped'),
    [
        ('study_model_1', [32, 64, 128], [128, 7], 'sigmoid', []),
        ('study_model_2', [64, 128, 256, 512, 512], [1024, 512, 256, 7], 'relu', []),
        ('study_model_3', [64, 128, 512, 512], [512, 256, 128, 7], 'relu', [0.15] * 4 + [0.3] * 3),
    ],
)
def test_the_models_of_the_study(name, convolutions, dense, activation, dropped):
    config = load_config(name)
    kinds = keras.layers
    model = getattr(networks, config.network)(**config.network_args)

    def of(kind):
        return [layer for layer in model.layers if isinstance(layer, kind)]

    assert [layer.filters for layer in of(kinds.Conv2D)] == convolutions
    assert {layer.kernel_size for layer in of(kinds.Conv2D)} == {(3, 3)}
    assert [layer.units for layer in of(kinds.Dense)] == dense
    assert {layer.activation.__name__ for layer in of(kinds.Activation)} == {activation}
    assert [layer.rate for layer in of(kinds.Dropout)] == dropped
    pooling = kinds.AveragePooling2D if name == 'study_model_3' else kinds.MaxPooling2D
    assert len(of(pooling)) == len(convolutions)
    assert bool(of(kinds.BatchNormalization)) == (name != 'study_model_1')


def test_the_callbacks_of_the_study():
    first, second, third = (load_config(f'study_model_{n}') for n in (1, 2, 3))
    assert (first.batch_size, second.batch_size, third.batch_size) == (128, 256, 128)
    assert (first.optimizer, second.optimizer, third.optimizer) == ('sgd', 'adam', 'adam')
    assert (second.learning_rate, third.learning_rate) == (1e-3, 1e-4)
    assert (third.plateau.factor, third.plateau.patience, third.plateau.min_delta) == (
        0.2,
        3,
        0.001,
    )
    assert (third.early_stopping, third.epochs) == (3, 48)


@pytest.mark.parametrize('optimizer', ['sgd', 'adam'])
def test_a_network_with_one_head_trains_and_stops_early(data, tmp_path, optimizer):
    config = dataclasses.replace(
        load_config('study_model_3'), epochs=9, batch_size=20, optimizer=optimizer, early_stopping=1,
        learning_rate=1e-9, network_args={'filters': (4,), 'dense': (8,), 'pooling': 'average'},
    )  # fmt: skip
    train(config, data, tmp_path)
    rows = (tmp_path / 'epochs.csv').read_text().splitlines()
    # with next to no learning rate only the batch statistics move: it gives up before the ninth epoch
    assert 2 < len(rows) <= 10
    assert 'val_fer2013_loss' in rows[0]
    description = export(tmp_path, load(data, 'train'), load(data, 'validation'), tmp_path / 'out')
    assert description.heads == ('fer2013',)
    assert set(description.scores) == {'FER2013 label', 'FER2013 label, leak-free'}


def test_int8_answers_nearly_the_same(run, data, tmp_path):
    splits = load(data, 'train'), load(data, 'validation')
    small = export(run, *splits, tmp_path / 'int8', quantization='int8')
    large = export(run, *splits, tmp_path / 'float32', quantization='float32')
    sizes = [
        (tmp_path / d.provenance['quantization'] / d.file).stat().st_size for d in (small, large)
    ]
    assert sizes[0] < 0.5 * sizes[1]
    accuracy = [d.scores['FER+ majority']['accuracy'] for d in (small, large)]
    assert accuracy[0] == pytest.approx(accuracy[1], abs=0.05)


def test_a_face_and_its_mirror_image_get_one_answer_unless_told_otherwise(run, data, tmp_path):
    splits = load(data, 'train'), load(data, 'validation')
    faces = splits[1].images
    for mirror, largest in ((True, (0, 1e-5)), (False, (1e-3, 1))):
        out = tmp_path / f'{mirror}'
        description = export(run, *splits, out, 'float32', mirror)
        assert description.provenance['mirror'] is mirror
        folds = description.provenance['calibration']['crowd']['folds']
        assert len(folds) == 5
        assert min(folds) <= description.temperature['crowd'] <= max(folds)
        path = out / description.file
        turned = np.ascontiguousarray(faces[:, :, ::-1])
        apart = np.abs(answers(path, 'crowd', faces) - answers(path, 'crowd', turned)).max()
        assert largest[0] <= apart <= largest[1]
    few = EmotionClassifier.load(path)  # batches of any size
    assert [len(few.classify(faces[:n])) for n in (3, 1, 5)] == [3, 1, 5]


def test_the_balance_is_an_offset_of_the_crowd_by_the_shares_it_learned(run, data, tmp_path):
    splits = load(data, 'train'), load(data, 'validation')
    majority = splits[0].majority
    seen = np.bincount(majority[majority >= 0], minlength=7) + 1
    half, whole, none = (
        export(run, *splits, tmp_path / f'{balance}', 'float32', balance=balance)
        for balance in (0.5, 1.0, 0.0)
    )
    assert none.offset == {'crowd': [0] * 7, 'fer2013': [0] * 7}
    assert whole.offset['fer2013'] == [0] * 7
    assert whole.provenance['balance'] == 1.0
    offsets = np.array(whole.offset['crowd'])
    assert offsets - offsets[0] == pytest.approx(
        -none.temperature['crowd'] * np.log(seen / seen[0]), abs=2e-4
    )
    assert half.offset['crowd'] == pytest.approx(list(offsets / 2), abs=2e-4)
    assert export(run, *splits, tmp_path / 'usual').provenance['balance'] == 0.5
    with pytest.raises(ValueError, match='the balance is from 0 to 1, not 2'):
        export(run, *splits, tmp_path / 'more', balance=2)


def test_the_record_repeats_the_run(run, data):
    record = json.loads((run / 'run.json').read_text())
    assert record['config']['epochs'] == 24
    assert record['train_images'] == 140
    assert record['keras'] == keras.__version__
    assert (
        record['parameters']
        == keras.saving.load_model(run / 'best.keras', compile=False).count_params()
    )


def test_the_exported_model_is_the_trained_one(run, data, tmp_path):
    validation = load(data, 'validation')
    description = export(run, load(data, 'train'), validation, tmp_path, 'float16')
    path = tmp_path / description.file
    model = keras.saving.load_model(run / 'best.keras', compile=False)
    faces = validation.images[..., None].astype('float32')
    logits = model.predict(faces, verbose=0)
    mirrored = model.predict(faces[:, :, ::-1], verbose=0)
    for head in ('crowd', 'fer2013'):
        both = (logits[head] + mirrored[head]) / 2
        adjusted = (both + description.offset[head]) / description.temperature[head]
        trained = np.asarray(keras.ops.softmax(adjusted))
        assert np.abs(answers(path, head, validation.images) - trained).max() < 0.01
    scores = description.scores
    assert scores['FER+ majority']['images'] == 42
    assert scores['FER+ majority']['accuracy'] > 0.6
    assert EmotionClassifier.load(path).metadata == description
    assert training_record(path).read_text() == (run / 'epochs.csv').read_text()
    assert cli.main(['evaluate', str(path), str(data)]) == 0
    # the robot's other way in: the .keras file itself
    by_keras = EmotionClassifier.load(run / 'best.keras').classify(validation.images)
    assert np.abs(by_keras - np.asarray(keras.ops.softmax(logits['crowd']))).max() < 1e-4


@pytest.mark.parametrize('suffix', ['.keras', '.h5'])
def test_a_model_that_scales_its_own_pixels_gets_them_as_they_are(tmp_path, suffix):
    model = networks.study_model(filters=(4,), dense=(8,))
    model.layers[-1].set_weights([np.random.default_rng(1).normal(0, 3, (8, 7)), np.zeros(7)])
    path = tmp_path / f'best{suffix}'
    model.save(path)
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    expected = keras.ops.softmax(model(faces[..., None].astype('float32'))['fer2013'])
    found = EmotionClassifier.load(path, 'fer2013').classify(faces)
    assert found == pytest.approx(np.asarray(expected), abs=1e-4)


def test_a_model_of_the_old_format_is_read(tmp_path):
    model = keras.Sequential(
        [keras.Input((48, 48, 1)), keras.layers.Flatten(), keras.layers.Dense(7, 'softmax')],
        name='study',
    )
    model.save(tmp_path / 'model.h5')
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    expected = np.asarray(model(faces[..., None].astype('float32') / 255))
    found = EmotionClassifier.load(tmp_path / 'model.h5').classify(faces)
    assert found == pytest.approx(expected, abs=1e-4)


def test_the_shipped_recipe_builds_a_network_within_its_budget():
    config = load_config('expression_net')
    network = expression_net(**config.network_args)
    assert network.count_params() <= 3_000_000
    with pytest.raises(ValueError, match="no recipe 'nothing'"):
        load_config('nothing')


def test_help_reads_well():
    done = subprocess.run(
        ['emotion-training', '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    for command in ('build', 'train', 'evaluate', 'export', 'predict', 'geometry'):
        assert f'    {command} ' in done.stdout
