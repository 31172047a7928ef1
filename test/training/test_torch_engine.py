"""Training in PyTorch: the twin is the same network, and the run is the same kind of run."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest

from emotion_perception.errors import ModelError
from emotion_training.data.augmentation import Augmentation
from emotion_training.data.batches import AugmentedBatches
from emotion_training.data.dataset import load
from emotion_training.models.networks import expression_net, study_model
from emotion_training.train.config import TrainingConfig
from emotion_training.train.engines import ENGINES, Diverged
from emotion_training.train.run_record import RunError
from emotion_training.train.teachers import load_teachers, trained_network
from emotion_training.train.training import train

torch = pytest.importorskip('torch', reason='PyTorch is not installed; see bootstrap/set_up.sh')

HEADS = ('crowd', 'fer2013')
SMALL = TrainingConfig(
    name='drawn', network='expression_net', network_args={'stem': 8, 'widths': (16, 32), 'depths': (1, 1)},
    epochs=12, batch_size=20, warmup_epochs=1, ema=0.8, learning_rate=5e-3, mixup=0.2,
    augmentation=Augmentation(5, 0.05, 1, 0.5, 0.1, 5, 0, 0),
)  # fmt: skip


@pytest.fixture(autouse=True)
def uncompiled(request, monkeypatch):
    """Leave out torch.compile, which takes longer than these trainings, but where a test asks for it."""
    if 'compiled' not in request.fixturenames:
        for module in ('torch_fit', 'torch_twin'):
            monkeypatch.setattr(f'emotion_training.{module}.compiled', lambda function: function)


@pytest.fixture
def compiled():
    """Ask for torch.compile."""


@pytest.fixture(scope='module')
def network():
    """Return a small network whose statistics are not those it begins with."""
    keras.utils.set_random_seed(3)
    model = expression_net(8, (16, 24), (2, 1))
    rng = np.random.default_rng(3)
    for variable in model.weights:
        if variable.path.endswith(('moving_mean', 'beta', 'bias')):
            variable.assign(rng.normal(0, 0.3, variable.shape))
        if variable.path.endswith(('moving_variance', 'gamma')):
            variable.assign(rng.uniform(0.5, 2, variable.shape))
    return model


def _faces(count):
    return np.random.default_rng(1).integers(0, 256, (count, 48, 48, 1)).astype(np.float32)


def test_the_twin_answers_as_the_network_does(network):
    from emotion_training.models.torch_network import mean_answers

    faces = _faces(9)
    expected = {
        head: keras.ops.convert_to_numpy(keras.ops.softmax(value))
        for head, value in network(faces, training=False).items()
    }
    answers = mean_answers([network], HEADS)(faces)
    assert tuple(answers) == HEADS
    for head, value in answers.items():
        np.testing.assert_allclose(value, expected[head], atol=1e-5)
        assert value.std() > 0.01


def test_weights_come_back_from_the_twin(network):
    from emotion_training.models.torch_network import Twin

    twin = Twin(network)
    before = [
        keras.ops.convert_to_numpy(variable).copy() for variable in network.trainable_weights
    ]
    with torch.no_grad():
        for value in twin.parameters():
            value.add_(1)
    twin.write()
    for old, variable in zip(before, network.trainable_weights, strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), old + 1, atol=1e-6)
    with torch.no_grad():
        for value in twin.parameters():
            value.sub_(1)
    twin.write()


def test_teachers_answer_with_their_mean(network):
    from emotion_training.models.torch_network import mean_answers

    faces = _faces(5)
    other = expression_net(8, (16,), (1,))
    both = mean_answers([network, other], HEADS)(faces)['crowd']
    each = [mean_answers([model], HEADS)(faces)['crowd'] for model in (network, other)]
    np.testing.assert_allclose(both, np.mean(each, axis=0), atol=1e-6)


def test_a_network_without_a_twin_is_named(tmp_path, data):
    from emotion_training.models.torch_network import Twin, TwinError

    with pytest.raises(TwinError, match='activation.*--engine keras'):
        Twin(study_model((4,), (8,), normalize=False))


class _PowerCut(Exception):
    pass


def _rows(run):
    with (run / 'epochs.csv').open() as stream:
        return list(csv.DictReader(stream))


def test_a_run_goes_on_and_ends_as_if_nothing_had_been(data, tmp_path, monkeypatch):
    from emotion_training.train import torch_fit

    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    train(SMALL, data, whole, 'torch')
    save = torch_fit._Training.save

    def cut_power(self, path, epoch):
        if epoch == 5:
            raise _PowerCut
        save(self, path, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(torch_fit._Training, 'save', cut_power)
        with pytest.raises(_PowerCut):
            train(SMALL, data, cut, 'torch')
    train(SMALL, data, cut, 'torch')
    rows, again = _rows(whole), _rows(cut)
    assert [int(row['epoch']) for row in again] == list(range(12))
    for key in ('learning_rate', 'loss', 'val_crowd_loss', 'val_fer2013_loss'):
        np.testing.assert_allclose(
            [float(row[key]) for row in again], [float(row[key]) for row in rows], rtol=1e-3
        )
    assert max(float(row['val_crowd_accuracy']) for row in rows) > 0.6  # chance is 0.14
    train(SMALL, data, cut, 'torch')  # finished: nothing more is done
    assert _rows(cut) == again
    assert sorted(path.name for path in cut.iterdir()) == [
        'best.keras', 'curves.png', 'epochs.csv', 'last.keras', 'run.json',
    ]  # fmt: skip
    record = json.loads((cut / 'run.json').read_text())
    assert (record['engine'], record['torch']) == ('torch', torch.__version__)


def test_power_cut_after_the_last_epoch_loses_nothing(data, tmp_path, monkeypatch):
    config, run = dataclasses.replace(SMALL, epochs=2), tmp_path / 'run'

    def cut_power(*_):
        raise _PowerCut

    with monkeypatch.context() as patch:
        patch.setattr('emotion_training.train.training.draw_curves', cut_power)
        with pytest.raises(_PowerCut):
            train(config, data, run, 'torch')
    assert not (run / 'last.keras').exists()
    train(config, data, run, 'torch')
    train(config, data, tmp_path / 'whole', 'torch')
    assert len(_rows(run)) == 2
    ends = [
        keras.saving.load_model(each / 'last.keras', compile=False)
        for each in (run, tmp_path / 'whole')
    ]
    for one, other in zip(*(end.trainable_weights for end in ends), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-4)
    assert not (run / 'backup.pt').exists()


@pytest.mark.parametrize('activation', ['softmax', 'sigmoid'])
def test_a_layer_that_does_more_than_its_twin_is_refused(activation):
    from emotion_training.models.torch_network import Twin, TwinError

    face = keras.Input((48, 48, 1))
    flat = keras.layers.GlobalAveragePooling2D()(face)
    outputs = {
        head: keras.layers.Dense(7, activation=activation, name=head)(flat) for head in HEADS
    }
    with pytest.raises(TwinError, match='no faithful twin in PyTorch here: crowd differs'):
        Twin(keras.Model(face, outputs))


@pytest.mark.parametrize('keyed', [True, False])
def test_a_network_may_name_its_answers_as_it_likes(keyed):
    from emotion_training.models.torch_network import Twin

    face = keras.Input((48, 48, 1))
    flat = keras.layers.GlobalAveragePooling2D()(face)
    layers = [keras.layers.Dense(7, name=f'{head}_logits')(flat) for head in HEADS]
    model = keras.Model(face, dict(zip(HEADS, layers, strict=True)) if keyed else layers)
    assert set(Twin(model)(torch.zeros(1, 1, 48, 48))) == set(model.output_names)


def test_both_engines_take_the_same_first_steps(data, tmp_path, compiled):
    """The same weights, batches and schedule: after an epoch the losses differ by rounding and dropout alone."""
    config = dataclasses.replace(
        SMALL, epochs=2, network_args=SMALL.network_args | {'dropout': 0.0}, ema=0.0
    )
    for engine in ('keras', 'torch'):
        train(config, data, tmp_path / engine, engine)
    first, second = (_rows(tmp_path / engine) for engine in ('keras', 'torch'))
    for key in ('learning_rate', 'loss', 'val_crowd_loss', 'val_fer2013_loss'):
        np.testing.assert_allclose(
            [float(row[key]) for row in first], [float(row[key]) for row in second], rtol=0.02
        )


def test_a_teacher_is_part_of_the_run(data, tmp_path, network, compiled):
    path = tmp_path / 'teacher.keras'
    network.save(path)
    config = dataclasses.replace(SMALL, epochs=1, teaching=0.7, precision='mixed_bfloat16')
    train(config, data, tmp_path / 'run', 'torch', [path])
    untaught = dataclasses.replace(config, teaching=0.0)
    train(untaught, data, tmp_path / 'untaught', 'torch')
    taught, alone = (float(_rows(tmp_path / each)[0]['loss']) for each in ('run', 'untaught'))
    assert abs(taught - alone) > 0.01
    with pytest.raises(RunError, match='drawn learns from a teacher: name one with --teacher'):
        train(config, data, tmp_path / 'none', 'torch')
    with pytest.raises(RunError, match='drawn has no place for a teacher'):
        train(untaught, data, tmp_path / 'none', 'torch', [path])
    with pytest.raises(
        RunError, match='computes in float32 or mixed_bfloat16, not in mixed_float16'
    ):
        train(
            dataclasses.replace(untaught, precision='mixed_float16'),
            data,
            tmp_path / 'none',
            'torch',
        )
    record = json.loads((tmp_path / 'run' / 'run.json').read_text())
    assert len(record['teachers_sha256']) == 1
    images = load(data, 'train')
    asked = [load_teachers([path], HEADS, engine, 'float32') for engine in ('keras', 'torch')]
    batches = [AugmentedBatches(images, config, HEADS, each) for each in asked]
    for head in HEADS:
        np.testing.assert_allclose(batches[0][0][1][head], batches[1][0][1][head], atol=1e-5)


def test_a_run_may_begin_with_the_weights_of_another(data, tmp_path, network):
    first, path = tmp_path / 'first', tmp_path / 'other.keras'
    network.save(path)
    train(dataclasses.replace(SMALL, epochs=2), data, first, 'torch')
    still = dataclasses.replace(SMALL, epochs=1, learning_rate=0.0, warmup_epochs=None, ema=0.0)
    for engine in ENGINES:
        run = tmp_path / engine
        train(still, data, run, engine, initial_weights=first / 'last.keras')
        first_net, again = (
            keras.saving.load_model(each / 'last.keras', compile=False) for each in (first, run)
        )
        for old, new in zip(first_net.trainable_weights, again.trainable_weights, strict=True):
            np.testing.assert_allclose(old.numpy(), new.numpy(), atol=1e-6)
        with pytest.raises(RunError, match='another initial_weights_sha256'):
            train(still, data, run, engine)
    with pytest.raises(
        ModelError, match=r'other\.keras is another network than the recipe trains'
    ):
        train(still, data, tmp_path / 'none', 'torch', initial_weights=path)


def test_a_teacher_that_was_asked_something_else(tmp_path):
    path = tmp_path / 'study.keras'
    study_model((4,), (8,)).save(path)
    with pytest.raises(
        ModelError, match=r'study\.keras cannot teach: it answers fer2013, and what'
    ):
        load_teachers([path], HEADS, 'torch', 'float32')


@pytest.mark.parametrize(
    ('name', 'content', 'told'),
    [
        ('t.keras', b'hello', r't\.keras is not a \.keras file: it starts with'),
        ('t.tflite', b'\0\0\0\0TFL3', r't\.tflite is a file for the robot; name the best\.keras'),
        ('t.keras', None, r'there is no model file .*t\.keras'),
    ],
)
def test_what_cannot_teach_or_begin_a_training_is_named(tmp_path, name, content, told):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=told):
        load_teachers([path], HEADS, 'torch', 'float32')
    with pytest.raises(ModelError, match=told):
        trained_network(path)


@pytest.mark.parametrize('engine', ENGINES)
def test_a_training_that_leads_nowhere_says_so(data, tmp_path, engine):
    config = dataclasses.replace(
        SMALL, optimizer='sgd', learning_rate=1e30, warmup_epochs=None, epochs=3
    )
    with pytest.raises(Diverged, match='the loss of (epoch|step) \\d+ is not a number any more'):
        train(config, data, tmp_path, engine)
    assert not (tmp_path / 'last.keras').exists()
