# SPDX-License-Identifier: Apache-2.0
"""Train, interrupt and resume on the drawn faces; the recipes."""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import scipy.special

from emotion_perception.classification import DEFAULT_MODEL, EmotionClassifier
from emotion_perception.emotions import EMOTIONS
from emotion_perception.errors import ModelError
from emotion_perception.runtime.keras import open_keras
from emotion_training import cli
from emotion_training.data.dataset import load
from emotion_training.experiments.architecture_comparison import ARCHITECTURES
from emotion_training.models import networks
from emotion_training.models.low_rank import exported_layers, set_low_rank_weights
from emotion_training.models.networks import FEATURES, TEACHER_FEATURES
from emotion_training.train.config import TrainingConfig, load_config
from emotion_training.train.epoch_log import best_so_far
from emotion_training.train.run_record import RunError
from emotion_training.train.teachers import load_feature_teacher, load_network, load_teachers
from emotion_training.train.training import DivergenceError, head_loss, train
from emotion_training.train.validation import ValidationCallback
from support.drawn_faces import draw_face
from support.packaged_model import copy_packaged_model
from support.small_training import SMALL, epoch_rows, power_cut

HEADS = ('crowd', 'fer2013')
FULL_NETWORK = Path(__file__).parents[2] / 'training' / 'teacher' / 'expression_full.tflite'
LOGGED = ('learning_rate', 'loss', 'val_crowd_loss', 'val_fer2013_loss')


@pytest.fixture(scope='module')
def network():
    """Return a small network with random normalization statistics."""
    keras.utils.set_random_seed(3)
    model = networks.expression_net(8, (16, 24), (2, 1))
    rng = np.random.default_rng(3)
    for variable in model.weights:
        if variable.path.endswith(('moving_mean', 'beta', 'bias')):
            variable.assign(rng.normal(0, 0.3, variable.shape))
        if variable.path.endswith(('moving_variance', 'gamma')):
            variable.assign(rng.uniform(0.5, 2, variable.shape))
    return model


def load_keras(path):
    return keras.saving.load_model(path, compile=False)


def logged(run):
    return np.array([[float(row[key]) for key in LOGGED] for row in epoch_rows(run)])


def test_an_interrupted_run_resumes_and_learns(small_run):
    rows = epoch_rows(small_run)
    assert [int(row['epoch']) for row in rows] == list(range(SMALL.epochs))
    elapsed = [float(row['elapsed_s']) for row in rows]
    assert elapsed == sorted(elapsed)
    assert max(float(row['val_crowd_accuracy']) for row in rows) > 0.6  # chance is 0.14
    means = [np.mean([float(row[f'val_{head}_accuracy']) for head in HEADS]) for row in rows]
    assert best_so_far(small_run / 'epochs.csv', 'accuracy') == pytest.approx(max(means))
    assert cv2.imread(str(small_run / 'curves.png')).shape[1] > 1000
    record = json.loads((small_run / 'run.json').read_text())
    assert (record['config']['epochs'], record['train_images']) == (SMALL.epochs, 140)
    assert record['keras'] == keras.__version__
    assert record['parameters'] == load_keras(small_run / 'best.keras').count_params()


@pytest.mark.slow
def test_an_error_of_a_training_is_one_line(data, small_run):
    """TensorFlow says before it that there is no graphics card."""
    command = [sys.executable, '-m', 'emotion_training.cli', 'train', 'small_net', data]
    command += ['--out', small_run, '--seed', '77']
    environment = {k: v for k, v in os.environ.items() if k != 'TF_CPP_MIN_LOG_LEVEL'}
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=environment, timeout=300
    )
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, '')
    assert line.startswith(f'emotion-training train: {small_run} was started with another config')


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(data, tmp_path):
    # without dropout, whose masks are not repeated
    args = SMALL.network_args | {'dropout': 0.0}
    config = dataclasses.replace(SMALL, epochs=2, mixup=0.2, network_args=args)
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    train(config, data, whole)
    with power_cut(at_epoch=1):
        train(config, data, cut)
    assert not (cut / 'last.keras').exists()
    train(config, data, cut)
    np.testing.assert_allclose(logged(cut), logged(whole), rtol=1e-4)
    rows = epoch_rows(cut)
    train(config, data, cut)  # finished: left unchanged
    assert epoch_rows(cut) == rows
    assert {path.name for path in cut.iterdir()} - {'backup'} == {
        'best.keras',
        'curves.png',
        'epochs.csv',
        'last.keras',
        'run.json',
    }


@pytest.mark.slow
def test_a_finished_run_continues_to_more_epochs(data, tmp_path):
    config, run = dataclasses.replace(SMALL, epochs=2), tmp_path / 'run'
    train(config, data, run)
    first, best = epoch_rows(run), load_keras(run / 'last.keras').get_weights()
    more = dataclasses.replace(config, epochs=4)
    with pytest.raises(RunError, match='started with 2 epochs; add --continue to train on to 4'):
        train(more, data, run)
    with pytest.raises(RunError, match='another config'):
        train(dataclasses.replace(more, seed=2), data, run, longer=True)
    assert epoch_rows(run) == first
    arguments = ['train', 'x', str(data), '--out', str(run), '--epochs', '4', '--continue']
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('emotion_training.train.config.load_config', lambda name: config)
        assert cli.main(arguments) == 0
    rows = epoch_rows(run)
    assert rows[:2] == first
    assert [int(row['epoch']) for row in rows] == [0, 1, 2, 3]
    # it has the learning rate of a run of four epochs, and went on from the trained weights
    assert float(rows[2]['learning_rate']) > float(first[1]['learning_rate'])
    assert json.loads((run / 'run.json').read_text())['config']['epochs'] == 4
    changes = [
        np.abs(new - old).max()
        for new, old in zip(load_keras(run / 'last.keras').get_weights(), best, strict=True)
    ]
    assert 0 < max(changes) < 5
    shutil.rmtree(run / 'backup')
    with pytest.raises(RunError, match=r'backup is gone: .* --initial-weights .*last\.keras'):
        train(dataclasses.replace(config, epochs=5), data, run, longer=True)


@pytest.mark.slow
def test_a_teacher_changes_the_targets_and_is_recorded(data, tmp_path, network, small_run):
    path = tmp_path / 'teacher.keras'
    network.save(path)
    config = dataclasses.replace(SMALL, epochs=1, distillation=0.7)
    train(config, data, tmp_path / 'run', teachers=[path])
    row = epoch_rows(tmp_path / 'run')[0]
    assert abs(float(row['loss']) - float(epoch_rows(small_run)[0]['loss'])) > 0.01
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert json.loads((tmp_path / 'run' / 'run.json').read_text())['teachers_sha256'] == [digest]


def test_teachers_give_the_mean_of_their_probabilities(tmp_path, network):
    models = network, networks.expression_net(8, (16,), (1,))
    paths = [tmp_path / 'one.keras', tmp_path / 'two.keras']
    for path, model in zip(paths, models, strict=True):
        model.save(path)
    faces = np.random.default_rng(1).integers(0, 256, (5, 48, 48, 1)).astype(np.float32)
    each = [keras.ops.softmax(model(faces, training=False)['crowd']) for model in models]
    found = load_teachers(paths, HEADS)(faces)
    assert set(found) == set(HEADS)
    np.testing.assert_allclose(found['crowd'], np.mean(each, axis=0), atol=1e-6)


def test_the_features_of_a_teacher_are_those_of_face_and_mirror_image(tmp_path, network):
    network.save(tmp_path / 'teacher.keras')
    student = networks.expression_net(8, (16, 24), (2, 1), ranks=((4, 4), (4, 4)))
    found = load_feature_teacher(tmp_path / 'teacher.keras', student)
    faces = np.random.default_rng(1).integers(0, 256, (5, 48, 48, 1)).astype(np.float32)
    features = keras.Model(network.input, network.get_layer(FEATURES).output)
    mean = (np.asarray(features(faces)) + np.asarray(features(faces[:, :, ::-1]))) / 2
    assert found(faces)[TEACHER_FEATURES] == pytest.approx(mean, abs=2e-3)
    logits = [network(f, training=False)['crowd'] for f in (faces, faces[:, :, ::-1])]
    expected = np.asarray(keras.ops.softmax(np.mean(logits, axis=0)))
    assert found(faces)['crowd'] == pytest.approx(expected, abs=1e-5)
    other = networks.expression_net(8, (16, 32), (2, 1))
    with pytest.raises(ModelError, match=r'cannot teach features: .* features of 32 channels'):
        load_feature_teacher(tmp_path / 'teacher.keras', other)


def test_a_network_of_mixed_precision_is_opened_in_that_of_its_weights(tmp_path, network):
    faces = np.random.default_rng(1).integers(0, 256, (5, 48, 48, 1)).astype(np.float32)
    keras.config.set_dtype_policy('mixed_bfloat16')
    try:
        mixed = networks.expression_net(8, (16, 24), (2, 1))
    finally:
        keras.config.set_dtype_policy('float32')
    mixed.set_weights(network.get_weights())
    mixed.save(tmp_path / 'mixed.keras')
    expected = network(faces, training=False)['crowd']
    assert np.abs(mixed(faces, training=False)['crowd'] - expected).max() > 1e-4
    found = open_keras(tmp_path / 'mixed.keras')(faces, training=False)['crowd']
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('precision', ['float32', 'mixed_bfloat16'])
def test_a_student_with_fewer_features_learns_those_of_its_teacher(
    data, tmp_path, small_run, precision
):
    path = small_run / 'best.keras'
    args = SMALL.network_args
    config = dataclasses.replace(
        SMALL,
        network_args=args | {'widths': (12, 16)},
        teacher_network_args={'widths': args['widths']},
        epochs=6,
        distillation=0.9,
        feature_distillation=5.0,
        precision=precision,
    )
    run = tmp_path / 'run'
    with power_cut(at_epoch=2):
        train(config, data, run, teachers=[path])
    train(config, data, run, teachers=[path])
    assert keras.config.dtype_policy().name == 'float32'
    losses = [float(row['loss']) for row in epoch_rows(run)]
    assert len(losses) == config.epochs
    assert losses[-1] < 0.6 * losses[0]  # the greatest part of it is the features'
    assert load_keras(run / 'best.keras').get_layer(FEATURES).output.shape == (None, 16)
    wrong = dataclasses.replace(config, teacher_network_args={})
    with pytest.raises(ModelError, match='16 channels; the recipe says how many'):
        train(wrong, data, tmp_path / 'wrong', teachers=[path])


@pytest.mark.slow
def test_a_student_comes_near_the_features_of_its_teacher(data, tmp_path, small_run):
    path = small_run / 'best.keras'
    plain = dataclasses.replace(SMALL, epochs=6, ema=0.0, distillation=0.9)
    taught = dataclasses.replace(plain, feature_distillation=5.0)
    faces = load(data, 'validation').images[..., None].astype(np.float32)
    wanted = load_feature_teacher(path, load_keras(path))(faces)[TEACHER_FEATURES].astype(float)
    distances = []
    for config in (plain, taught):
        run = tmp_path / str(config.feature_distillation)
        train(config, data, run, teachers=[path])
        student = load_keras(run / 'last.keras')
        assert list(student.output_names) == list(HEADS)  # the features are no output of it
        assert list(load_keras(run / 'best.keras').output_names) == list(HEADS)
        features = keras.Model(student.input, student.get_layer(FEATURES).output)
        # the averages of the normalization are far behind after so few steps
        found = np.asarray(features(faces, training=True))
        distances.append(float(np.square(found - wanted).mean()))
    assert distances[1] < 0.7 * distances[0]
    for teachers in ([], [path] * 2):
        with pytest.raises(RunError, match='teacher'):
            train(taught, data, tmp_path / 'none', teachers)


@pytest.mark.slow
def test_initial_weights(data, tmp_path, network, small_run):
    still = dataclasses.replace(SMALL, epochs=1, learning_rate=0.0, warmup_epochs=None, ema=0.0)
    start, run = small_run / 'last.keras', tmp_path / 'run'
    train(still, data, run, initial_weights=start)
    ends = (load_keras(path).trainable_weights for path in (start, run / 'last.keras'))
    for old, new in zip(*ends, strict=True):
        np.testing.assert_allclose(old.numpy(), new.numpy(), atol=1e-6)
    with pytest.raises(RunError, match='another initial_weights_sha256'):
        train(still, data, run)
    network.save(tmp_path / 'other.keras')
    with pytest.raises(ModelError, match=r'other\.keras is another network than that of the'):
        train(still, data, tmp_path / 'n', initial_weights=tmp_path / 'other.keras')


def test_a_diverging_training_ends_with_an_error(data, tmp_path):
    config = dataclasses.replace(
        SMALL, optimizer='sgd', learning_rate=1e30, warmup_epochs=None, epochs=3
    )
    with pytest.raises(DivergenceError, match='the loss is not finite since step \\d+'):
        train(config, data, tmp_path)
    assert not (tmp_path / 'last.keras').exists()


@pytest.mark.parametrize(
    ('changes', 'teachers', 'message'),
    [
        ({'seed': 2}, [], 'started with another config'),
        ({'distillation': 0.7}, [], 'drawn needs a teacher: give one with --teacher'),
        ({}, ['t.keras'], 'drawn does not use a teacher'),
    ],
)
def test_runs_that_cannot_start(small_run, data, changes, teachers, message):
    with pytest.raises(RunError, match=message):
        train(dataclasses.replace(SMALL, **changes), data, small_run, teachers)


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('t.keras', b'hello', r't\.keras is not a \.keras file: it starts with'),
        ('t.tflite', b'hello', r't\.tflite is not a \.tflite file: it starts with'),
        (
            't.tflite',
            DEFAULT_MODEL.read_bytes()[:100_000],
            'cannot be (loaded|read)|exported model',
        ),
        ('t.tflite', None, r'there is no model file .*t\.tflite'),
        ('t.keras', None, r'there is no model file .*t\.keras'),
    ],
)
def test_unusable_teachers_and_initial_weights_are_named(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    readers = [load_network, lambda path: load_teachers([path], HEADS)]
    readers += [exported_layers] if name == 't.tflite' else []
    for load_one in readers:
        with pytest.raises(ModelError, match=message):
            load_one(path)


def test_an_exported_model_is_no_network_of_keras():
    with pytest.raises(ModelError, match=r'is an exported model; give the best\.keras'):
        load_network(DEFAULT_MODEL)


def test_an_exported_model_as_teacher():
    """Its probabilities before the calibration, of any number of faces."""
    teacher = load_teachers([DEFAULT_MODEL], HEADS)
    rng = np.random.default_rng(0)
    classifier = EmotionClassifier.load(head='crowd')
    for count in (3, 1):
        faces = rng.integers(0, 256, (count, 48, 48), np.uint8)
        found = teacher(faces[..., None].astype(np.float32))
        assert found.keys() == {*HEADS}
        expected = classifier.classify(faces)
        # undo the calibration: logits times the temperature, less the offset
        metadata = classifier.metadata
        logits = np.log(expected) * metadata.temperature['crowd'] - metadata.offset['crowd']
        powers = np.exp(logits)
        assert found['crowd'] == pytest.approx(powers / powers.sum(-1, keepdims=True), abs=1e-4)


def test_a_teacher_with_other_heads_is_refused(tmp_path):
    teacher = copy_packaged_model(tmp_path / 'teacher.tflite')
    with pytest.raises(ModelError, match='its heads are crowd, fer2013, those of the student age'):
        load_teachers([teacher], ('age',))


def test_a_teacher_without_a_head_of_the_student_is_named(tmp_path):
    path = tmp_path / 'study.keras'
    networks.study_model((4,), (8,)).save(path)
    with pytest.raises(ModelError, match=r'study\.keras cannot be a teacher: its heads are fer'):
        load_teachers([path], HEADS)


@pytest.mark.parametrize(
    ('name', 'convolutions', 'dense', 'activation', 'dropout', 'settings'),
    [
        ('study_model_1', [32, 64, 128], [128, 7], 'sigmoid', [], (128, 'sgd', 0.01)),
        (
            'study_model_2',
            [64, 128, 256, 512, 512],
            [1024, 512, 256, 7],
            'relu',
            [],
            (256, 'adam', 1e-3),
        ),
        (
            'study_model_3',
            [64, 128, 512, 512],
            [512, 256, 128, 7],
            'relu',
            [0.15] * 4 + [0.3] * 3,
            (128, 'adam', 1e-4),
        ),
    ],
)
def test_models_of_the_study(name, convolutions, dense, activation, dropout, settings):
    config, kinds = load_config(name), keras.layers
    model = getattr(networks, config.network)(**config.network_args)

    def of(kind):
        return [layer for layer in model.layers if isinstance(layer, kind)]

    assert [layer.filters for layer in of(kinds.Conv2D)] == convolutions
    assert {layer.kernel_size for layer in of(kinds.Conv2D)} == {(3, 3)}
    assert [layer.units for layer in of(kinds.Dense)] == dense
    assert {layer.activation.__name__ for layer in of(kinds.Activation)} == {activation}
    assert [layer.rate for layer in of(kinds.Dropout)] == dropout
    pooling = kinds.AveragePooling2D if name == 'study_model_3' else kinds.MaxPooling2D
    assert len(of(pooling)) == len(convolutions)
    assert bool(of(kinds.BatchNormalization)) == (name != 'study_model_1')
    assert (config.batch_size, config.optimizer, config.learning_rate) == settings
    if name == 'study_model_3':
        plateau = config.plateau
        assert (plateau.factor, plateau.patience, plateau.min_delta) == (0.2, 3, 0.001)
        assert (config.early_stopping, config.epochs) == (3, 48)


def test_the_packaged_model_can_be_trained_further():
    """Its file gives the network of its recipe, but for the rounding to eight bits."""
    model = networks.expression_net(**load_config('expression_net').network_args)
    rng = np.random.default_rng(4)
    faces = np.stack([draw_face(EMOTIONS[n % 7], rng) for n in range(32)])
    faces = faces[..., None].astype(np.float32)
    set_low_rank_weights(model, DEFAULT_MODEL, faces)
    found = np.asarray(keras.ops.softmax(model(faces)['crowd']))
    expected = load_teachers([DEFAULT_MODEL], HEADS)(faces)['crowd']
    assert np.abs(found - expected).max() < 0.1
    assert np.abs(found - expected).mean() < 0.005


@pytest.mark.parametrize('balance', [0.0, 0.5])
def test_a_balanced_loss_adds_log_frequencies_to_the_logits(data, balance):
    images = load(data, 'train')
    config = TrainingConfig('own', 'expression_net', balance=balance)
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(5, 7)).astype(np.float32)
    wanted = rng.dirichlet(np.ones(7), 5).astype(np.float32)
    shifted = logits + balance * np.log(images.class_frequencies)
    expected = -(wanted * scipy.special.log_softmax(shifted, 1)).sum(1)
    found = np.asarray(head_loss('crowd', config, images)(wanted, logits))
    assert found.mean() == pytest.approx(expected.mean(), rel=1e-5)
    others = [
        np.asarray(head_loss('fer2013', each, images)(wanted, logits)).mean()
        for each in (config, TrainingConfig('own', 'expression_net'))
    ]
    assert others[0] == others[1]


@pytest.mark.parametrize('name', ARCHITECTURES)
def test_compared_architectures_are_within_the_budget(name):
    arguments = ARCHITECTURES[name]
    model = networks.expression_net(**arguments)
    if arguments.get('blocks') == 'foldable':
        rng = np.random.default_rng(1)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
        folded = networks.fold(model, **arguments)
        faces = rng.uniform(0, 255, (4, 48, 48, 1)).astype(np.float32)
        expected = np.asarray(model(faces)['crowd'])
        assert expected.std() > 0.1
        assert np.asarray(folded(faces)['crowd']) == pytest.approx(expected, abs=1e-4)
        assert not any('point' in layer.name for layer in folded.layers)
        model = folded
    assert 28e6 < networks.multiplications(model) <= 30e6


def test_the_packaged_recipe_is_within_its_budget():
    config = load_config('expression_net')
    model = networks.expression_net(**config.network_args)
    assert networks.multiplications(model) == 29_834_368
    assert model.count_params() == 714_374
    full = networks.expression_net(**load_config('expression_full').network_args)
    # the docs' 210 million are for the face and its mirror image
    assert 2 * networks.multiplications(full) == pytest.approx(210e6, rel=0.005)


@pytest.mark.slow
def test_an_exported_network_is_approximated_in_fewer_multiplications():
    """Without ranks or with full ones it is the same network, with lower ones a similar one."""
    rng = np.random.default_rng(4)
    faces = np.stack([draw_face(EMOTIONS[n % 7], rng) for n in range(64)])
    faces = faces[..., None].astype(np.float32)
    expected = load_teachers([FULL_NETWORK], HEADS)(faces)['crowd']
    full, differences, costs = ((24, 64), (64, 128), (128, 224), (224, 320)), [], []
    for ranks in (None, full, ((8, 32), (32, 64), (64, 112), (112, 160)), ((2, 2),) * 4):
        model = networks.expression_net(24, (64, 128, 224, 320), ranks=ranks)
        set_low_rank_weights(model, FULL_NETWORK, faces)
        both = [np.asarray(model(f)['crowd']) for f in (faces, faces[:, :, ::-1])]
        found = np.asarray(keras.ops.softmax(np.mean(both, axis=0)))
        differences.append(float(np.abs(found - expected).mean()))
        costs.append(networks.multiplications(model))
    assert differences[0] < 0.01
    assert differences[1] == pytest.approx(differences[0], abs=1e-3)
    assert differences[0] < differences[2] < differences[3]
    assert costs[3] < costs[2] < costs[0] < costs[1]
    with pytest.raises(
        ModelError, match=r'than that of the recipe: it has no weights \(3, 3, 24, '
    ):
        set_low_rank_weights(networks.expression_net(24, (48,), (1,)), FULL_NETWORK, faces)


STUDY = dataclasses.replace(
    load_config('study_model_3'),
    network_args={'filters': (8, 16), 'dense': (32,), 'pooling': 'average'},
    learning_rate=1e-3,
)


@pytest.mark.parametrize(
    ('min_steps', 'batch_size'),
    [(1, 128), pytest.param(TrainingConfig.min_steps, 16, marks=pytest.mark.slow)],
)
def test_patience_counts_steps_enough_on_few_images(data, tmp_path, capsys, min_steps, batch_size):
    """With one step an epoch the study's early stopping ended the training at chance."""
    config = dataclasses.replace(STUDY, min_steps=min_steps, epochs=6, batch_size=batch_size)
    train(config, data, tmp_path)
    rows = epoch_rows(tmp_path)
    note = 'the network is no better than guessing: macro recall'
    best = max(float(row['val_fer2013_macro_recall']) for row in rows)
    if min_steps == 1:
        assert len(rows) < 7
        assert f'{note} {best:.1%}, by chance 14.3%, after {len(rows)} steps of 128 images' in (
            capsys.readouterr().err
        )
    else:
        assert best > 0.5
        assert note not in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize('best_by', ['macro_recall', 'accuracy'])
def test_the_best_epoch_is_that_of_the_chosen_score(data, tmp_path, monkeypatch, best_by):
    """Accuracy prefers a network that knows the frequent class alone."""
    split = load(data, 'validation')
    frequent = np.flatnonzero(split.labels == 3)
    split = split.subset(np.concatenate([np.arange(42), *[frequent] * 8]))
    monkeypatch.setattr(
        'emotion_training.train.training.load',
        lambda folder, name: split if name == 'validation' else load(folder, name),
    )
    answers = iter([np.full(len(split), 3), (split.labels + (split.labels == 3)) % 7])
    monkeypatch.setattr(
        ValidationCallback,
        '_predict',
        lambda self: dict.fromkeys(HEADS, 9 * np.eye(7)[next(answers)]),
    )
    train(dataclasses.replace(SMALL, epochs=2, best_by=best_by), data, tmp_path)
    weights = [load_keras(tmp_path / f'{name}.keras').get_weights() for name in ('best', 'last')]
    same = all(np.array_equal(*pair) for pair in zip(*weights, strict=True))
    assert same == (best_by == 'macro_recall')


def test_recipes_by_name_and_path(tmp_path, monkeypatch):
    assert load_config('study_model_3').best_by == 'accuracy'
    assert load_config('expression_net').best_by == 'macro_recall'
    recipe = tmp_path / 'mine.py'
    recipe.write_text(
        'from emotion_training.train.config import TrainingConfig\n'
        "config = TrainingConfig('mine', 'expression_net', optimizer='sgd')\n"
    )
    monkeypatch.chdir(tmp_path)
    assert load_config('mine.py') == load_config(str(recipe))
    assert load_config('mine.py').optimizer == 'sgd'


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, "no recipe '.*mine.py'; there are expression_compact, .* or give the path of a"),
        ('settings = 1', 'mine.py does not set `config` to a TrainingConfig'),
        ('config = 1 +', 'mine.py cannot be run: SyntaxError'),
        ('import nothing_of_this_name', 'mine.py cannot be run: ModuleNotFoundError'),
        (
            'from emotion_training.train.config import TrainingConfig as T\n'
            "config = T('mine', 'expression_net', optimizer='adan')",
            "mine.py cannot be run: .*'adan' in the recipe mine is none of",
        ),
        (
            'from emotion_training.train.config import TrainingConfig as C\n'
            "config = C('a/b', 'expression_net')",
            "mine.py cannot be run: .*'a/b', the name of a recipe, must do as the name of a file",
        ),
    ],
)
def test_recipes_that_cannot_be_used(tmp_path, content, message):
    if content is not None:
        (tmp_path / 'mine.py').write_text(content)
    with pytest.raises(ValueError, match=message):
        load_config(str(tmp_path / 'mine.py'))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'network': 'resnet'}, "there is no network 'resnet'"),
        ({'network_args': {'width': 3}}, "cannot make its network: .*argument 'width'"),
    ],
)
def test_networks_that_cannot_be_made(data, tmp_path, changes, message):
    with pytest.raises(RunError, match=f'the recipe drawn.* {message}'):
        train(dataclasses.replace(SMALL, **changes), data, tmp_path / 'run')
