# SPDX-License-Identifier: Apache-2.0
"""The experiments: training sets, intervals over images and seeds, resumed runs."""

import dataclasses
import json

import cv2
import h5py
import numpy as np
import pytest

from emotion_training import cli
from emotion_training.data.conditions import CONDITIONS, rows_of_conditions
from emotion_training.data.dataset import Dataset, load
from emotion_training.experiments import (
    architecture_comparison,
    experiment_tables,
    filter_comparison,
    left_out_conditions,
    study,
    variants,
)
from emotion_training.experiments.scoring import score_variants
from emotion_training.filtering import deepface_agreement
from emotion_training.train.config import load_config
from support.tables import cells_of


def certain(right, labels):
    """Return one-hot probabilities that are right where `right` is true."""
    predicted = np.where(right, labels, (labels + 1) % 7)
    return np.eye(7, dtype=np.float32)[predicted]


def split_of(count):
    digests = np.array([f'{k:x}' for k in range(count)])
    images = np.zeros((count, 48, 48), np.uint8)
    return Dataset(images, np.arange(count) % 7, None, digests, ('',) * count)


def test_mean_of_the_runs_and_difference_to_the_baseline():
    split = split_of(700)
    rank = np.arange(700) // 7  # 0..99, the same in each class
    runs = {
        name: [certain(rank < right, split.labels) for right in rights]
        for name, rights in (('raw', (50, 60)), ('better', (70, 80)), ('same', (50, 60)))
    }
    found = score_variants(runs, split, None)['FER2013 label']
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
    assert found['arms']['same']['accuracy']['against_first'][0] == 0.0


def test_leak_free_scores_leave_out_training_images():
    split = split_of(70)
    outputs = {'a': [certain(np.arange(70) < 35, split.labels)]}
    found = score_variants(outputs, split, split.digests[:35])
    assert found['FER2013 label']['arms']['a']['accuracy']['mean'] == 0.5
    leak_free = found['FER2013 label, leak-free']
    assert leak_free['images'] == 35
    assert leak_free['arms']['a']['accuracy']['mean'] == 0.0


def test_the_control_has_as_many_images_of_each_class():
    split = split_of(700)
    keep = np.arange(700) // 7 < 1 + split.labels * 10
    first, again = variants.random_subset(split, keep), variants.random_subset(split, keep)
    for label in range(7):
        assert first.keep[split.labels == label].sum() == 1 + label * 10
    np.testing.assert_array_equal(first.keep, again.keep)
    assert (first.keep != keep).any()


def test_every_variant_takes_as_many_steps():
    base = load_config('small_net')
    raw, shares = variants.VARIANTS[0], variants.VARIANTS[-1]
    half = filter_comparison.variant_config(raw, 500, 1000, 3, base)
    assert (half.epochs, half.seed) == (2 * base.epochs, 3)
    config = filter_comparison.variant_config(shares, 1000, 1000, 1, base)
    assert (config.epochs, config.network_args['heads']) == (base.epochs, ('crowd',))


@pytest.mark.slow
def test_filtering_trains_what_is_missing_and_scores_all(data, tmp_path, monkeypatch, capsys):
    few = tuple(v for v in variants.VARIANTS if v.name in ('raw', 'votes', 'as-many-as-votes'))
    monkeypatch.setattr(filter_comparison, 'VARIANTS', few)
    out = tmp_path / 'out'
    command = ['experiment', 'filtering', str(data), '--out', str(out), '--epochs', '1']
    command += ['--seeds', '1']
    assert cli.main([*command, '--variant', 'votes']) == 0
    assert 'the runs of raw, the baseline, are missing' in capsys.readouterr().out
    assert not (out / 'filtering.json').exists()
    assert cli.main([*command, '--variant', 'raw']) == 0
    assert list(json.loads((out / 'filtering.json').read_text())['arms']) == ['raw', 'votes']
    made = (out / 'runs' / 'raw-1' / 'last.keras').stat().st_mtime_ns
    assert cli.main(command) == 0
    assert (out / 'runs' / 'raw-1' / 'last.keras').stat().st_mtime_ns == made
    results = json.loads((out / 'filtering.json').read_text())
    assert list(results['arms']) == ['raw', 'votes', 'as-many-as-votes']
    assert results['arms']['raw']['images'] == 140
    assert results['arms']['raw']['methods'] == {}
    assert results['arms']['as-many-as-votes']['classes'] == results['arms']['votes']['classes']
    assert results['scores']['FER+ majority']['images'] == 42
    table = experiment_tables.filtering_table(results)
    assert table in capsys.readouterr().out
    row = results['scores']['FER+ majority']['arms']['votes']['accuracy']
    cells = [[cell.strip() for cell in line.split('|')] for line in table.splitlines()]
    assert any(
        c[1:2] == ['votes'] and c[2].startswith(f'{100 * row["mean"]:.1f} (') for c in cells
    )


@pytest.mark.slow
def test_architectures_are_trained_timed_and_scored(data, tmp_path, monkeypatch, capsys):
    tiny = {'stem': 4, 'widths': (8, 8), 'depths': (1, 1)}
    networks = {
        'residual': tiny,
        'foldable 3x3': tiny | {'blocks': 'foldable', 'depths': (2, 1)},
        'inverted residual, squeeze-excite': tiny | {'blocks': 'inverted', 'squeeze': 4},
    }
    monkeypatch.setattr(architecture_comparison, 'ARCHITECTURES', networks)
    monkeypatch.setattr(
        architecture_comparison,
        'RECIPE',
        dataclasses.replace(architecture_comparison.RECIPE, min_steps=1),
    )
    out = tmp_path / 'out'
    command = ['experiment', 'architectures', str(data), '--out', str(out)]
    assert cli.main([*command, '--epochs', '1', '--seeds', '2']) == 0
    results = json.loads((out / 'architectures.json').read_text())
    assert (results['epochs'], results['seeds']) == (1, [1, 2])
    assert list(results['networks']) == list(networks)
    # 3x3 kernels: 1 to 4 channels at 48x48; 4 to 8 and 8 to 8 at 24x24; 8 to 8 at 12x12; two heads
    costs = 36 * 48**2 + (4 + 8) * 72 * 24**2 + 576 * 12**2 + 2 * 7 * 8
    folded = results['networks']['foldable 3x3']
    assert folded['multiplications'] == costs
    assert set(folded['yardsticks']) == {'float32', 'dynamic'}
    assert 0 < folded['yardsticks']['float32'] < 1
    arms = results['scores']['fer2013']['FER2013 label']['arms']
    assert list(arms) == list(networks)
    assert len(arms['residual']['accuracy']['runs']) == 2
    table = experiment_tables.architectures_table(results)
    assert table in capsys.readouterr().out
    header, _, *rows = cells_of(table)
    assert header[:4] == ['', 'million multiplications', 'million parameters', 'float32']
    assert rows[1][1] == f'{costs / 1e6:.1f}'
    recall = arms['residual']['macro_recall']['mean']
    assert rows[0][-1] == f'{100 * recall:.1f}'


def test_images_of_each_condition():
    """The darkest, brightest, flattest, most one-sided, smoothest and oddest of fifty."""
    rng = np.random.default_rng(0)
    face = np.zeros((48, 48))
    face[8:40, 8:40] = 60
    face[18:22, 14:20] = face[18:22, 28:34] = face[32:35, 18:30] = 20
    images = np.stack([100 + face + rng.normal(0, 8, (48, 48)) for _ in range(50)])
    images[3] -= 90
    images[7] += 80
    images[11] = 128 + 0.1 * (images[11] - 128)
    images[15, :, :24] *= 0.4
    images[19] = cv2.GaussianBlur(images[19], None, 4)
    images[23] = np.roll(images[23], 24, axis=(0, 1))
    images = np.clip(images, 0, 255).astype(np.uint8)
    split = Dataset(images, np.zeros(50, int), None, np.zeros(50, str), tuple(map(str, range(50))))
    splits = {'train': split.subset(np.arange(20)), 'validation': split.subset(np.arange(20, 50))}
    found = rows_of_conditions(splits, 1 / 50)
    rows = {
        name: np.flatnonzero(np.concatenate([found[part][name] for part in splits])).tolist()
        for name in CONDITIONS
    }
    assert rows == {
        'dark': [3],
        'bright': [7],
        'low contrast': [11],
        'side light': [15],
        'few details': [19],
        'unusual layout': [23],
    }


@pytest.mark.slow
def test_conditions_are_left_out_and_scored(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        left_out_conditions,
        'WAYS',
        {'vote shares': {'min_steps': 2}, 'balanced loss': {'min_steps': 2, 'balance': 0.5}},
    )
    monkeypatch.setattr(left_out_conditions, 'SHARE', 0.05)
    out = tmp_path / 'out'
    command = ['experiment', 'conditions', str(data), '--out', str(out)]
    assert cli.main([*command, '--epochs', '1', '--seeds', '1']) == 0
    results = json.loads((out / 'conditions.json').read_text())
    images = results['images']
    assert images['train'] + images['known conditions'] + images['left out'] == 182
    assert 10 <= images['left out'] <= 60
    known = load(out / 'data' / 'known', 'train')
    assert len(known) == images['train']
    ways = ['vote shares', *(f'vote shares, offset {o} afterwards' for o in (0.5, 0.75))]
    assert list(results['ways']) == [*ways, 'balanced loss']
    (run,) = results['ways']['vote shares']
    table = experiment_tables.conditions_table(results)
    assert table in capsys.readouterr().out
    header, _, *rows = cells_of(table)
    assert header[6] == 'left out: accuracy'
    assert rows[0][6] == f'{100 * run["left out"]["FER+ majority"]["accuracy"]:.1f}'
    assert [row[0] for row in rows] == [*ways, 'balanced loss']


def test_missing_deepface_weights_are_named(data, tmp_path, capsys):
    command = ['experiment', 'filtering', str(data), '--out', str(tmp_path / 'out')]
    missing = tmp_path / 'missing.h5'
    assert cli.main([*command, '--variant', 'deepface', '--weights', str(missing)]) == 2
    assert f'{missing} is missing' in capsys.readouterr().err


@pytest.mark.slow
def test_study_trains_and_scores_on_the_kept_images(data, tmp_path, monkeypatch):
    splits = {len(load(data, name)): load(data, name) for name in ('train', 'validation')}

    def classify(images, weights):
        """Predict every label but that of the first image of each class."""
        labels = splits[len(images)].labels
        first = [int(np.flatnonzero(labels == label)[0]) for label in range(7)]
        return certain(~np.isin(np.arange(len(labels)), first), labels)

    weights = tmp_path / 'weights.h5'
    with h5py.File(weights, 'w') as file:
        file.attrs[deepface_agreement.STAND_IN] = 'drawn'
    monkeypatch.setattr(deepface_agreement, 'classify', classify)
    monkeypatch.setattr(
        study, 'load_config', lambda name: dataclasses.replace(load_config(name), min_steps=1)
    )
    results = study.run(data, tmp_path / 'out', weights, epochs=1)
    found = json.loads(results.read_text())
    assert (found['train_images'], found['validation_images']) == (133, 35)
    assert 'STAND-IN' in found['weights']
    assert list(found['models'])[1:] == list(study.MODELS)
    for name in study.MODELS:
        row = found['models'][name]
        assert row['epochs'] == 1
        assert 0 <= row['validation'] * 42 - row['kept_validation'] * 35 <= 7 + 1e-6
