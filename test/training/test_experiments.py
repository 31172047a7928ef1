"""The experiments: what each arm learns from, intervals over images and seeds, tables, resumed runs."""

import json

import h5py
import numpy as np
import pytest

from emotion_training import cli
from emotion_training.data.dataset import Dataset, load
from emotion_training.experiments import experiment_tables, filter_comparison, study, variants
from emotion_training.experiments.scoring import score_arms
from emotion_training.filtering import deepface_agreement
from emotion_training.train.config import load_config


def answers_of(right, labels):
    """Return sure answers that are right where `right` says so."""
    told = np.where(right, labels, (labels + 1) % 7)
    return np.eye(7, dtype=np.float32)[told]


def split_of(count, votes=None):
    labels = np.arange(count) % 7
    images = np.zeros((count, 48, 48), np.uint8)
    return Dataset(
        images, labels, votes, np.array([f'{k:x}' for k in range(count)]), ('',) * count
    )


def test_the_mean_of_the_runs_and_the_difference_to_the_first_arm():
    split = split_of(700)
    rank = np.arange(700) // 7  # 0..99, the same in each class
    runs = {
        'raw': [answers_of(rank < 50, split.labels), answers_of(rank < 60, split.labels)],
        'better': [answers_of(rank < 70, split.labels), answers_of(rank < 80, split.labels)],
    }
    found = score_arms(runs, split, None)['FER2013 label']
    assert found['images'] == 700
    raw, better = found['arms']['raw']['accuracy'], found['arms']['better']['accuracy']
    assert (raw['mean'], raw['runs']) == (0.55, [0.5, 0.6])
    assert 'against_first' not in raw
    difference, low, high = better['against_first']
    assert difference == pytest.approx(0.2)
    # images alone would give a half width of about 0.03; a difference of two runs adds 0.07
    assert 0.08 < low < 0.15
    assert 0.25 < high < 0.32
    assert found['arms']['better']['macro_recall']['mean'] == pytest.approx(0.75)


def test_an_arm_like_the_first_has_no_difference():
    split = split_of(70)
    told = [answers_of(np.arange(70) < 40, split.labels)]
    row = score_arms({'a': told, 'b': told}, split, None)['FER2013 label']['arms']['b']
    assert row['accuracy']['against_first'] == [0.0, 0.0, 0.0]


def test_leak_free_leaves_out_what_was_learned_from():
    split = split_of(70)
    told = [answers_of(np.arange(70) < 35, split.labels)]
    found = score_arms({'a': told}, split, split.digests[:35])
    assert found['FER2013 label']['arms']['a']['accuracy']['mean'] == 0.5
    leak_free = found['FER2013 label, leak-free']
    assert leak_free['images'] == 35
    assert leak_free['arms']['a']['accuracy']['mean'] == 0.0


def test_the_control_draws_as_many_of_each_class():
    split = split_of(700)
    keep = np.arange(700) // 7 < 1 + split.labels * 10
    first, again = variants.as_many(split, keep), variants.as_many(split, keep)
    for label in range(7):
        assert first.keep[split.labels == label].sum() == 1 + label * 10
    np.testing.assert_array_equal(first.keep, again.keep)
    assert (first.keep != keep).any()


def test_every_arm_takes_as_many_steps():
    base = load_config('small_net')
    half = filter_comparison.config_of(variants.ARMS[0], 500, 1000, 3, base)
    assert (half.epochs, half.seed) == (2 * base.epochs, 3)
    shares = next(arm for arm in variants.ARMS if arm.name == 'vote-shares')
    config = filter_comparison.config_of(shares, 1000, 1000, 1, base)
    assert (config.epochs, config.network_args['heads']) == (base.epochs, ('crowd',))


def test_a_judge_is_asked_once(data):
    known = variants.judges(None, data / 'nowhere')
    train = load(data, 'train')
    assert known['votes'](train) is known['votes'](train)


@pytest.fixture
def few_arms(monkeypatch):
    """Leave the arms that need no other network than the one that is trained."""
    few = tuple(a for a in variants.ARMS if a.name in ('raw', 'votes', 'as-many-as-votes'))
    monkeypatch.setattr(filter_comparison, 'ARMS', few)
    return few


def test_filtering_trains_what_is_missing_and_scores_all(data, tmp_path, few_arms, capsys):
    out = tmp_path / 'out'
    command = ['experiment', 'filtering', str(data), '--out', str(out), '--epochs', '1']
    command += ['--seeds', '1']
    assert cli.main([*command, '--arm', 'raw']) == 0
    assert '2 runs are still to be made' in capsys.readouterr().out
    assert not (out / 'filtering.json').exists()
    made = (out / 'runs' / 'raw-1' / 'last.keras').stat().st_mtime_ns
    assert cli.main(command) == 0
    printed = capsys.readouterr().out
    assert (out / 'runs' / 'raw-1' / 'last.keras').stat().st_mtime_ns == made
    results = json.loads((out / 'filtering.json').read_text())
    assert list(results['arms']) == ['raw', 'votes', 'as-many-as-votes']
    assert results['arms']['raw']['images'] == 140
    assert results['arms']['raw']['methods'] == {}
    assert results['arms']['as-many-as-votes']['classes'] == results['arms']['votes']['classes']
    scored = results['scores']['FER+ majority']
    assert scored['images'] == 42
    assert experiment_tables.filtering_table(results) in printed
    row = scored['arms']['votes']['accuracy']
    assert f'| votes | {100 * row["mean"]:.1f} (' in printed


def test_without_deepface_weights_the_experiment_says_where_they_belong(data, tmp_path, capsys):
    command = ['experiment', 'filtering', str(data), '--out', str(tmp_path / 'out')]
    gone = tmp_path / 'gone.h5'
    assert cli.main([*command, '--arm', 'deepface', '--weights', str(gone)]) == 2
    assert f'{gone} is missing' in capsys.readouterr().err


def test_study_trains_and_scores_on_what_deepface_keeps(data, tmp_path, monkeypatch):
    whole = {len(load(data, name)): load(data, name) for name in ('train', 'validation')}

    def classify(images, weights):
        """Agree with every label but that of the first image of each class."""
        labels = whole[len(images)].labels
        first = [int(np.flatnonzero(labels == label)[0]) for label in range(7)]
        told = labels.copy()
        told[first] = (told[first] + 1) % 7
        return np.eye(7, dtype=np.float32)[told]

    weights = tmp_path / 'weights.h5'
    with h5py.File(weights, 'w') as file:
        file.attrs[deepface_agreement.STAND_IN] = 'drawn'
    monkeypatch.setattr(deepface_agreement, 'classify', classify)
    results = study.run(data, tmp_path / 'out', weights, epochs=1)
    found = json.loads(results.read_text())
    assert (found['train_images'], found['validation_images']) == (133, 35)
    assert 'STAND-IN' in found['weights']
    assert list(found['models'])[1:] == list(study.MODELS)
    for name in study.MODELS:
        row = found['models'][name]
        assert row['epochs'] == 1
        kept, all_of_it = row['kept_validation'] * 35, row['validation'] * 42
        assert 0 <= all_of_it - kept <= 7 + 1e-6
        assert f'| {name} | 1 | {row["training"]:.2%} |' in experiment_tables.study_table(found)
    assert '| the study, Model 3 |  | 72.82% | 69.82% |  |  |' in experiment_tables.study_table(
        found
    )


def test_the_table_of_models_gives_the_gain_against_the_first():
    first = {'accuracy': 0.8, 'macro_recall': 0.7, 'ece': 0.02}
    other = first | {'accuracy': 0.81, 'against_first': {'accuracy': [0.01, -0.002, 0.022]}}
    scores = {
        'models': [
            {'name': 'a/net.tflite', 'questions': {'label': first}},
            {'name': 'b/net.tflite', 'questions': {'label': other}},
        ]
    }
    assert experiment_tables.models_table(scores, ('label',)).splitlines() == [
        '|  | label | gain | ECE |',
        '|---|---|---|---|',
        '| a | 80.00 (70.0) |  | 2.0 |',
        '| b | 81.00 (70.0) | +1.00 (-0.2 .. +2.2) | 2.0 |',
    ]
