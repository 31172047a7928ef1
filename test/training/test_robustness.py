"""Spoilt faces, faces in scenes, and the tables that say what they cost."""

import json

import cv2
import numpy as np
import pytest

from emotion_perception.classification import DEFAULT_MODEL
from emotion_perception.types import Detection
from emotion_training import cli
from emotion_training.data.augmentation import RANDOM_CORRUPTIONS, Augmentation
from emotion_training.evaluate import corruption_scores, corruptions, scene_scores
from emotion_training.evaluate.corruption_scores import (
    CORRUPTIONS,
    confident_score,
    spoilt,
)
from emotion_training.evaluate.scene_scores import Place, found_in, paste, scene
from support.drawn_faces import draw_face

FACE = draw_face('happiness', np.random.default_rng(3))
PLAIN = np.full((48, 48), 120, np.uint8)


def rng():
    return np.random.default_rng(0)


def test_each_degradation_keeps_what_it_should():
    assert np.array_equal(corruptions.fewer_pixels(FACE, 48), FACE)
    assert len(np.unique(corruptions.fewer_pixels(FACE, 1))) == 1
    for blurred in (
        corruptions.defocus(PLAIN, 2.0),
        corruptions.motion_blur(PLAIN, 9, 30.0),
        corruptions.turned(PLAIN, 40.0),
    ):
        assert np.abs(blurred.astype(int) - 120).max() <= 1
    noisy = corruptions.noise(PLAIN, 10.0, rng()).astype(float)
    assert noisy.std() == pytest.approx(10, rel=0.1)
    assert noisy.mean() == pytest.approx(120, abs=1)
    dark = corruptions.low_light(PLAIN, 0.5, 1.0, rng()).astype(float)
    assert dark.mean() == pytest.approx(60, abs=1)
    errors = [np.abs(corruptions.jpeg(FACE, q).astype(int) - FACE).mean() for q in (95, 50, 5)]
    assert errors[0] < errors[1] < errors[2]


def test_a_covered_face_is_covered_by_that_share():
    for share in (0.05, 0.2, 0.4):
        changed = np.mean([
            (corruptions.covered(PLAIN, share, np.random.default_rng(k)) != 120).mean()
            for k in range(1, 40)
        ])  # fmt: skip
        assert changed == pytest.approx(share, rel=0.1)
    assert np.array_equal(FACE, draw_face('happiness', np.random.default_rng(3)))


def test_glasses_lie_on_the_eyes():
    thin, dark = corruptions.glasses(PLAIN, 1, 0.0), corruptions.glasses(PLAIN, 2, 1.0)
    assert thin[19, 15] == thin[19, 33] == 120
    assert dark[19, 15] == dark[19, 33] == 25
    assert thin[19, 24] == 25  # the bridge
    assert (thin[30:] == 120).all()


def test_a_loose_crop_shows_the_face_smaller_and_something_round_it():
    seen = corruptions.loose(FACE, 24, 6, 18, cv2.BORDER_CONSTANT, 77)
    small = cv2.resize(FACE, (24, 24), interpolation=cv2.INTER_AREA)
    assert np.array_equal(seen[6:30, 18:42], small)
    seen[6:30, 18:42] = 77
    assert (seen == 77).all()
    for surroundings in corruptions.SURROUNDINGS:
        assert np.array_equal(corruptions.loose(FACE, 48, 0, 0, surroundings), FACE)
    mixed = corruptions.loose(FACE.astype(np.float32) / 2, 24, 0, 0, cv2.BORDER_REPLICATE)
    assert mixed.dtype == np.float32
    assert mixed[:, 40:].std(1).max() == 0  # the right edge, drawn out


def test_a_turned_head_squeezes_the_far_side_and_keeps_the_middle():
    face = np.full((48, 48), 100, np.uint8)
    face[:, 14:17], face[:, 31:34], face[:, 23:25] = 200, 200, 250
    seen = corruptions.turned(face, 30.0)[0].astype(float) - 100
    at = [
        float(np.average(np.arange(*part), weights=seen[slice(*part)]))
        for part in ((0, 20), (20, 27), (27, 48))
    ]
    # by hand: the lines stand 20.7 degrees to either side of the middle of a cylinder of radius 24
    turned = [24 * (np.sin(np.deg2rad(30 + side * 20.7)) - 0.5) + 23.5 for side in (-1, 0, 1)]
    assert at == pytest.approx(turned, abs=0.3)
    mirrored = corruptions.turned(face[:, ::-1], -30.0)[:, ::-1]
    assert np.abs(mirrored.astype(int) - corruptions.turned(face, 30.0)).max() <= 1


def test_corruptions_are_the_same_each_time_and_rise():
    faces = np.stack([draw_face('fear', np.random.default_rng(k)) for k in range(20)])
    for name, (_, strengths, _) in CORRUPTIONS.items():
        assert len(strengths) == 5
        first = spoilt(faces, name, strengths[0])
        assert np.array_equal(first, spoilt(faces, name, strengths[0]))
        assert first.dtype == np.uint8
        assert first.shape == faces.shape
        change = [
            np.abs(spoilt(faces, name, s).astype(int) - faces).mean()
            for s in (strengths[0], strengths[-1])
        ]
        assert change[0] < change[1], name


def test_every_corruption_is_drawn(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    step = {'accuracy': 0.9, 'macro_recall': 0.8, 'answered': 0.7, 'accuracy_of_answered': 0.95}
    result = {
        'question': 'FER+ majority',
        'clean': step | {'images': 3},
        'corruptions': {
            name: {'strength_is': what, 'at': [step | {'strength': each} for each in strengths]}
            for name, (what, strengths, _) in CORRUPTIONS.items()
        },
    }
    titles = []
    save = Figure.savefig

    def savefig(figure, *args, **kwargs):
        titles.extend(axes.get_title() for axes in figure.axes if axes.get_visible())
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, 'savefig', savefig)
    corruption_scores.draw(result, tmp_path / 'drawn.png')
    assert titles == list(CORRUPTIONS)
    assert cv2.imread(str(tmp_path / 'drawn.png')).shape[1] > 1000


def test_augmentation_draws_every_fault_it_is_told():
    faces = np.stack([FACE] * 60)
    for name in RANDOM_CORRUPTIONS:
        only = Augmentation(0, 0, 0, 0, 0, 0, 0, 1.0, (name,))
        changed = (only(faces, rng()) != faces).any((1, 2))
        assert changed.mean() > 0.9, name


def test_what_is_not_answered_does_not_count_as_right():
    told = np.zeros((4, 7), np.float32)
    told[:, 0], told[:, 1] = (0.9, 0.8, 0.5, 0.7), (0.1, 0.2, 0.5, 0.3)
    found = confident_score(told, np.array([0, 1, 1, 0]))
    assert (found['accuracy'], found['answered']) == (0.5, 0.75)
    assert found['accuracy_of_answered'] == pytest.approx(2 / 3, abs=1e-4)
    assert (
        confident_score(np.full((2, 7), 1 / 7), np.array([0, 1]))['accuracy_of_answered'] is None
    )


def test_a_pasted_face_is_where_it_is_said_and_unchanged():
    background = scene(rng())
    assert background.shape == (480, 640)
    for side in (40, 200):
        picture, place = paste(FACE, side, background, rng())
        x, y, side = place
        inside = picture[y : y + side, x : x + side, 0]
        shrink = cv2.INTER_AREA if side < 48 else cv2.INTER_CUBIC
        assert np.abs(inside.astype(int) - cv2.resize(FACE, (side, side), interpolation=shrink)).max() <= 1  # fmt: skip
        far = np.ones((480, 640), bool)
        pad = round(0.6 * side) + 1
        far[max(y - pad, 0) : y + side + pad, max(x - pad, 0) : x + side + pad] = False
        assert np.array_equal(picture[far][:, 0], background[far])


def test_only_a_detection_in_the_square_is_the_pasted_face():
    near = Detection((110.0, 110.0, 40.0, 40.0), 0.6, None)
    better = Detection((105.0, 105.0, 50.0, 50.0), 0.8, None)
    elsewhere = Detection((300.0, 110.0, 40.0, 40.0), 0.9, None)
    assert found_in(Place(100, 100, 60), [near, elsewhere, better]) is better
    assert found_in(Place(100, 100, 60), [elsewhere]) is None


def test_the_command_writes_tables_json_and_plot(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(scene_scores, 'SIDES_PX', (40, 120))
    assert cli.main(['robustness', str(DEFAULT_MODEL), str(data), '--out', str(tmp_path)]) == 0
    found = json.loads((tmp_path / 'robustness.json').read_text())
    clean = found['corruptions']['clean']
    assert clean['images'] == found['scenes']['images'] == 42
    assert found['scenes']['bare']['accuracy'] == clean['accuracy']
    assert set(found['corruptions']['corruptions']) == set(CORRUPTIONS)
    assert [row['side_px'] for row in found['scenes']['sizes']] == [40, 120]
    printed = capsys.readouterr().out
    assert f'| occlusion | area covered: 0.05, 0.1, 0.2, 0.3, 0.4 | {100 * clean["accuracy"]:.1f}' in printed  # fmt: skip
    assert cv2.imread(str(tmp_path / 'robustness.png')).shape[0] > 500


def test_the_table_says_what_was_measured():
    at = {'accuracy': 0.8, 'macro_recall': 0.7, 'answered': 0.5, 'accuracy_of_answered': None}
    result = {'clean': at, 'corruptions': {'fog': {'strength_is': 'm', 'at': [{'strength': 3} | at]}}}  # fmt: skip
    assert corruption_scores.table(result).splitlines() == [
        '|  | strength | none | I | of the last: answered | right of these |',
        '|---|---|---|---|---|---|',
        '| fog | m: 3 | 80.0 (70) | 80.0 (70) | 50 |  |',
    ]
    missing = {'sizes': [{'side_px': 40, 'found': 0.0, 'other_detections': 0}]}
    assert scene_scores.table(missing).splitlines()[-1] == '| 40 | 0.0 |  |  |  |'


def test_models_are_compared_step_by_step():
    def result(first, second):
        return {
            'clean': {'accuracy': 0.9, 'macro_recall': 0.8},
            'corruptions': {
                'noise': {
                    'at': [
                        {'strength': 5, 'accuracy': first, 'macro_recall': 0.5},
                        {'strength': 0.7, 'accuracy': second, 'macro_recall': 0.456},
                    ]
                }
            },
        }

    results = {'old': result(0.81, 0.7), 'new': result(0.85, 0.75)}
    assert corruption_scores.comparison(results, 'noise').splitlines() == [
        '|  | none | 5 | 0.7 |',
        '|---|---|---|---|',
        '| old | 90.0 (80) | 81.0 (50) | 70.0 (46) |',
        '| new | 90.0 (80) | 85.0 (50) | 75.0 (46) |',
    ]
