"""Build, train, stop, go on, export, evaluate and classify, on faces that the tests draw."""

import csv
import json
import subprocess

import keras
import numpy as np
import pytest
from emotion_training import cli
from emotion_training.augmentation import Augmentation
from emotion_training.build import build
from emotion_training.config import TrainingConfig, load_config
from emotion_training.dataset import load
from emotion_training.export import answers, export
from emotion_training.fer2013 import read_fer2013
from emotion_training.networks import expression_net
from emotion_training.train import _Judge, train

from emotion_perception.classification import EmotionClassifier
from emotion_perception.litert import ModelError

SMALL = TrainingConfig(
    name='drawn', network='expression_net', network_args={'stem': 8, 'widths': (16, 32), 'depths': (1, 1)},
    epochs=24, batch_size=20, warmup_epochs=1, ema=0.8, learning_rate=5e-3,
    augmentation=Augmentation(5, 0.05, 1, 0.5, 0.1, 5, 0, 0),
)  # fmt: skip


@pytest.fixture(scope='module')
def data(drawn_csv, tmp_path_factory):
    """Return the folder of a built dataset."""
    folder = tmp_path_factory.mktemp('built') / 'data'
    build(read_fer2013(*drawn_csv), folder)
    return folder


class _PowerCut(Exception):
    pass


@pytest.fixture(scope='module')
def run(data, tmp_path_factory):
    """Train, cut the power in the sixth epoch, train again; return the folder of the run."""
    folder = tmp_path_factory.mktemp('run')
    judge = _Judge.on_epoch_end

    def cut(self, epoch, logs=None):
        judge(self, epoch, logs)
        if epoch == 5:
            raise _PowerCut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Judge, 'on_epoch_end', cut)
        with pytest.raises(_PowerCut):
            train(SMALL, data, folder)
    (folder / 'best.keras').unlink()
    train(SMALL, data, folder)
    return folder


def test_training_goes_on_where_it_stopped(run):
    with (run / 'epochs.csv').open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row['epoch']) for row in rows] == list(range(24))
    # the clock of the second go began anew: with the epoch that was cut, not with the first
    elapsed = [float(row['elapsed_s']) for row in rows]
    assert [i for i in range(1, 24) if elapsed[i] < elapsed[i - 1]] == [5]


def test_it_learns_what_was_drawn(run):
    rows = (run / 'epochs.csv').read_text().splitlines()
    heading = rows[0].split(',')
    best = max(float(row.split(',')[heading.index('val_crowd_accuracy')]) for row in rows[1:])
    assert best > 0.6  # chance is 0.14


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
    description = export(run, load(data, 'train'), validation, tmp_path)
    path = tmp_path / description.file
    model = keras.saving.load_model(run / 'best.keras', compile=False)
    logits = model.predict(validation.images[..., None].astype('float32'), verbose=0)
    for head in ('crowd', 'fer2013'):
        trained = np.asarray(keras.ops.softmax(logits[head] / description.temperature[head]))
        assert np.abs(answers(path, head, validation.images) - trained).max() < 0.01
    scores = description.scores
    assert scores['FER+ majority']['images'] == 42
    assert scores['FER+ majority']['accuracy'] > 0.6
    assert EmotionClassifier.load(path).description == description
    assert cli.main(['evaluate', str(path), str(data)]) == 0
    # the robot's other way in: the .keras file itself
    by_keras = EmotionClassifier.load(run / 'best.keras').classify(validation.images)
    assert np.abs(by_keras - np.asarray(keras.ops.softmax(logits['crowd']))).max() < 1e-4


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


def test_code_inside_a_model_file_is_refused(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((48, 48, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(7),
            keras.layers.Lambda(lambda x: x),
        ]
    )
    model.save(tmp_path / 'model.keras')
    with pytest.raises(ModelError, match='model.keras cannot be loaded'):
        EmotionClassifier.load(tmp_path / 'model.keras')


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
    for command in ('build', 'train', 'evaluate', 'export', 'geometry'):
        assert f'    {command} ' in done.stdout
