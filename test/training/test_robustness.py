# SPDX-License-Identifier: Apache-2.0
"""Corruptions, faces in scenes, and the command, tables and figure that report their scores."""

import dataclasses
import hashlib
import json
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotion_perception.classification import DEFAULT_MODEL
from emotion_perception.emotions import EMOTIONS
from emotion_perception.types import Detection
from emotion_training import cli
from emotion_training.data.dataset import Dataset, load
from emotion_training.evaluate import (
    adaptation_scores,
    both_heads,
    corruption_scores,
    corruptions,
    scene_scores,
    sensitivity,
)
from emotion_training.evaluate.corruption_scores import CORRUPTIONS, corrupt, selective_score
from emotion_training.evaluate.model_outputs import probabilities
from emotion_training.evaluate.scene_scores import Place, best_detection, paste, scene
from support.drawn_faces import draw_face
from support.tables import cells_of

FACE = draw_face('happiness', np.random.default_rng(3))
GRAY = np.full((48, 48), 120, np.uint8)


def rng():
    return np.random.default_rng(0)


def test_each_corruption_by_its_own_measure():
    assert np.array_equal(corruptions.fewer_pixels(FACE, 48), FACE)
    assert len(np.unique(corruptions.fewer_pixels(FACE, 1))) == 1
    for blurred in (
        corruptions.defocus(GRAY, 2.0),
        corruptions.motion_blur(GRAY, 9, 30.0),
        corruptions.turned(GRAY, 40.0),
    ):
        assert np.abs(blurred.astype(int) - 120).max() <= 1
    noisy = corruptions.noise(GRAY, 10.0, rng()).astype(float)
    assert noisy.std() == pytest.approx(10, rel=0.1)
    assert noisy.mean() == pytest.approx(120, abs=1)
    dark = corruptions.low_light(GRAY, 0.5, 1.0, rng()).astype(float)
    assert dark.mean() == pytest.approx(60, abs=1)
    errors = [np.abs(corruptions.jpeg(FACE, q).astype(int) - FACE).mean() for q in (95, 50, 5)]
    assert errors[0] < errors[1] < errors[2]


def test_occlusion_covers_the_given_area():
    for share in (0.05, 0.4):
        changed = np.mean([
            (corruptions.covered(GRAY, share, np.random.default_rng(k)) != 120).mean()
            for k in range(1, 40)
        ])  # fmt: skip
        assert changed == pytest.approx(share, rel=0.1)


def test_glasses_are_on_the_eyes():
    clear, dark = corruptions.glasses(GRAY, 1, 0.0), corruptions.glasses(GRAY, 2, 1.0)
    assert clear[19, 15] == clear[19, 33] == 120
    assert dark[19, 15] == dark[19, 33] == 25
    assert clear[19, 24] == 25  # the bridge
    assert (clear[30:] == 120).all()


def test_a_loose_crop_has_a_smaller_face_and_a_border():
    crop = corruptions.loose(FACE, 24, 6, 18, cv2.BORDER_CONSTANT, 77)
    small = cv2.resize(FACE, (24, 24), interpolation=cv2.INTER_AREA)
    assert np.array_equal(crop[6:30, 18:42], small)
    crop[6:30, 18:42] = 77
    assert (crop == 77).all()
    for surroundings in corruptions.SURROUNDINGS:
        assert np.array_equal(corruptions.loose(FACE, 48, 0, 0, surroundings), FACE)
    mixed = corruptions.loose(FACE.astype(np.float32) / 2, 24, 0, 0, cv2.BORDER_REPLICATE)
    assert mixed.dtype == np.float32
    assert mixed[:, 40:].std(1).max() == 0  # repeated edge pixels


def test_a_turned_head_is_compressed_on_the_far_side_and_centered():
    face = np.full((48, 48), 100, np.uint8)
    face[:, 14:17], face[:, 31:34], face[:, 23:25] = 200, 200, 250
    row = corruptions.turned(face, 30.0)[0].astype(float) - 100
    at = [
        float(np.average(np.arange(*part), weights=row[slice(*part)]))
        for part in ((0, 20), (20, 27), (27, 48))
    ]
    # by hand: the lines are 20.7 degrees to either side of the middle of a cylinder of radius 24
    expected = [24 * (np.sin(np.deg2rad(30 + side * 20.7)) - 0.5) + 23.5 for side in (-1, 0, 1)]
    assert at == pytest.approx(expected, abs=0.3)
    mirrored = corruptions.turned(face[:, ::-1], -30.0)[:, ::-1]
    assert np.abs(mirrored.astype(int) - corruptions.turned(face, 30.0)).max() <= 1


def test_corruptions_are_deterministic_and_increase_with_severity():
    faces = np.stack([draw_face('fear', np.random.default_rng(k)) for k in range(20)])
    for name, (_, strengths, _) in CORRUPTIONS.items():
        assert len(strengths) == 5
        mild, severe = corrupt(faces, name, strengths[0]), corrupt(faces, name, strengths[-1])
        assert np.array_equal(mild, corrupt(faces, name, strengths[0]))
        assert (mild.dtype, mild.shape) == (np.uint8, faces.shape)
        change = [np.abs(each.astype(int) - faces).mean() for each in (mild, severe)]
        assert change[0] < change[1], name


def test_uncertain_faces_are_not_covered():
    probabilities = np.zeros((4, 7), np.float32)
    probabilities[:, 0], probabilities[:, 1] = (0.9, 0.8, 0.5, 0.8), (0.1, 0.2, 0.5, 0.2)
    found = selective_score(probabilities, np.array([0, 1, 1, 0]))
    assert (found['accuracy'], found['answered']) == (0.5, 0.75)
    assert found['accuracy_of_answered'] == pytest.approx(2 / 3, abs=1e-4)
    none = selective_score(np.full((2, 7), 1 / 7), np.array([0, 1]))
    assert none['accuracy_of_answered'] is None


@pytest.mark.parametrize('side', [40, 200])
def test_a_pasted_face_is_unchanged_inside_its_square(side):
    background = scene(rng())
    assert background.shape == (480, 640)
    frame, (x, y, width) = paste(FACE, side, background, rng())
    interpolation = cv2.INTER_AREA if side < 48 else cv2.INTER_CUBIC
    expected = cv2.resize(FACE, (side, side), interpolation=interpolation)
    inside = frame[y : y + side, x : x + side, 0]
    assert width == side
    assert np.abs(inside.astype(int) - expected).max() <= 1
    far, pad = np.ones((480, 640), bool), round(0.6 * side) + 1
    far[max(y - pad, 0) : y + side + pad, max(x - pad, 0) : x + side + pad] = False
    assert np.array_equal(frame[far][:, 0], background[far])


def test_only_a_detection_in_the_square_is_the_pasted_face():
    near = Detection((110.0, 110.0, 40.0, 40.0), 0.6, None)
    better = Detection((105.0, 105.0, 50.0, 50.0), 0.8, None)
    elsewhere = Detection((300.0, 110.0, 40.0, 40.0), 0.9, None)
    assert best_detection([near, elsewhere, better], Place(100, 100, 60)) is better
    assert best_detection([elsewhere], Place(100, 100, 60)) is None


@pytest.mark.slow
def test_the_command_writes_tables_json_and_figure(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(scene_scores, 'SIDES_PX', (40, 120))
    assert cli.main(['robustness', str(DEFAULT_MODEL), str(data), '--out', str(tmp_path)]) == 0
    found = json.loads((tmp_path / 'robustness.json').read_text())
    clean = found['corruptions']['clean']
    assert clean['images'] == found['scenes']['images'] == 42
    assert found['scenes']['bare']['accuracy'] == clean['accuracy']
    assert set(found['corruptions']['corruptions']) == set(CORRUPTIONS)
    assert [row['side_px'] for row in found['scenes']['sizes']] == [40, 120]
    row = next(r for r in cells_of(capsys.readouterr().out) if r and r[0] == 'occlusion')
    assert row[1] == 'area covered: 0.05, 0.1, 0.2, 0.3, 0.4'
    assert row[2].startswith(f'{100 * clean["accuracy"]:.1f} (')
    assert cv2.imread(str(tmp_path / 'robustness.png')).shape[0] > 500


def test_tables_of_corruptions_and_scenes():
    at = {'accuracy': 0.8, 'macro_recall': 0.7, 'answered': 0.5, 'accuracy_of_answered': None}
    fog = {'strength_is': 'm', 'at': [{'strength': 0.3} | at]}
    result = {'clean': at | {'accuracy': 0.9}, 'corruptions': {'fog': fog}}
    header, _, row = cells_of(corruption_scores.table(result))
    assert header[:4] == ['', 'strength', 'none', 'I']
    assert row == ['fog', 'm: 0.3', '90.0 (70)', '80.0 (70)', '50', '']
    header, _, row = cells_of(corruption_scores.comparison({'net': result}, 'fog'))
    assert (header, row) == (['', 'none', '0.3'], ['net', '90.0 (70)', '80.0 (70)'])
    undetected = {'sizes': [{'side_px': 40, 'found': 0.0, 'other_detections': 0}]}
    assert cells_of(scene_scores.table(undetected))[-1] == ['40', '0.0', '', '', '']


def test_sensitivity_trades_neutral_faces_for_others(data):
    split = load(data, 'validation')
    rows = sensitivity.measure(DEFAULT_MODEL, split)['at']
    assert [row['sensitivity'] for row in rows] == list(sensitivity.SENSITIVITIES)
    for less, more in pairwise(rows):
        assert less['neutral'] >= more['neutral']
        assert less['others'] <= more['others']
        assert all(less['weak'][share] <= more['weak'][share] for share in less['weak'])
    plain = probabilities(DEFAULT_MODEL, 'crowd', split.images)
    clear = split.majority >= 0
    assert rows[0]['accuracy'] == pytest.approx(
        (plain.argmax(1) == split.majority)[clear].mean(), abs=1e-4
    )


def test_sequences_of_neutral_faces_are_read_better_with_adaptation(monkeypatch):
    """Sequences of a network that finds every second face sad at rest, and smiles at once."""
    neutral, sad, happy = map(EMOTIONS.index, ('neutral', 'sadness', 'happiness'))
    faces = np.stack([draw_face('neutral', np.random.default_rng(k)) for k in range(8)])
    split = Dataset(
        faces,
        np.array([neutral] * 4 + [happy] * 4),
        None,
        np.array([str(k) for k in range(8)]),
        tuple(map(str, range(8))),
    )

    def predict(model, head, faces, strengths, mean):
        found = np.full((len(faces), len(strengths), 7), 0.01, np.float32)
        smiles = strengths > 0.4 if len(faces) and strengths.min() < 1 else strengths < 0
        found[:, :, neutral], found[:, :, happy] = np.where(smiles, 0.1, 0.9), 0.04
        found[:, smiles, happy] = 0.85
        found[::2, ~smiles, neutral], found[::2, ~smiles, sad] = 0.44, 0.5
        return found / found.sum(-1, keepdims=True)

    known = np.full((4, 7), 0.02, np.float32)
    known[:, neutral] = 0.88
    monkeypatch.setattr(adaptation_scores, 'predict_blends', predict)
    monkeypatch.setattr(adaptation_scores, 'probabilities', lambda *_: known)
    found = adaptation_scores.measure(DEFAULT_MODEL, split)
    assert found['sequences']['weak moments']['at the peak'] == [1, 1]
    plain, adapted = found['sequences']['strong moments']['at rest']
    assert plain == 0.5
    assert adapted > 0.9
    assert [pair[0] for pair in found['neutral']] == [0.5] * 12
    assert found['neutral'][0][1] < 1 == found['neutral'][-1][1]


def test_one_answer_from_both_heads(data, monkeypatch):
    """A head that knows the majority and one that knows the label, which is never the same."""
    split = load(data, 'validation')
    split = dataclasses.replace(split, labels=(split.majority + 1) % len(EMOTIONS))
    one_hot = np.eye(len(EMOTIONS), dtype=np.float32)
    known = {'crowd': split.majority, 'fer2013': split.labels}
    heads = {head: 0.8 * one_hot[labels] + 0.2 / 7 for head, labels in known.items()}
    monkeypatch.setattr(both_heads, 'head_probabilities', lambda model, images: heads)
    result = both_heads.measure(DEFAULT_MODEL, split)
    rows = result['at']
    assert [row['weight'] for row in rows] == list(both_heads.WEIGHTS)
    assert (rows[0]['majority'], rows[0]['label']) == (1, 0)
    assert (rows[-1]['majority'], rows[-1]['label']) == (0, 1)
    assert (rows[0]['macro_recall'], rows[-1]['macro_recall_gain'][0]) == (1, -1)
    losses = [row['log_loss'] for row in rows]
    assert losses == sorted(losses)
    header, _, first, *_, last = cells_of(both_heads.table(result))
    assert first[:3] == ['0', '100.0', '']
    assert last[:3] == ['1', '0.0', '-100.0 (-100.0 .. -100.0)']
    assert len(header) == len(last) == 9


@pytest.mark.slow
def test_the_command_measures_every_part_of_the_card(data, tmp_path):
    """Of the packaged model on drawn faces; the parts are those of the packaged card."""
    model = DEFAULT_MODEL
    records, images = tmp_path / 'records', tmp_path / 'images'
    command = ['card', str(model), str(data), '--records', str(records), '--images', str(images)]
    assert cli.main(command) == 0
    packaged = Path(__file__).parents[2] / 'docs' / 'lab' / 'records' / 'model_robustness.json'
    robustness = json.loads((records / 'model_robustness.json').read_text())
    assert robustness.keys() == json.loads(packaged.read_text()).keys()
    (scored,) = json.loads((records / 'model_scores.json').read_text())['models']
    hashes = {scored['sha256'], *(part['sha256'] for part in robustness.values())}
    assert hashes == {hashlib.sha256(model.read_bytes()).hexdigest()}
    assert {path.name for path in images.iterdir()} == {
        f'model_{name}.png'
        for name in ('confusion', 'reliability', 'risk_coverage', 'robustness', 'training')
    }
    assert all(cv2.imread(str(path)) is not None for path in images.iterdir())
