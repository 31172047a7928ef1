# SPDX-License-Identifier: Apache-2.0
"""Augmentation: reproducible and within its ranges."""

import numpy as np
import pytest

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.augmentation import RANDOM_CORRUPTIONS, Augmentation
from support.drawn_faces import draw_face

FACES = np.stack([draw_face(EMOTIONS[i % 7], np.random.default_rng(i)) for i in range(64)])
LOOSE = Augmentation(loose=0.25).loose_crops


@pytest.mark.parametrize(('flip', 'step'), [(0, 1), (1, -1)])
def test_zero_ranges_change_nothing_and_flip_mirrors(flip, step):
    augmented = Augmentation(0, 0, 0, flip, 0, 0, 0, 0)(FACES, np.random.default_rng(0))
    assert np.array_equal(augmented, FACES[:, :, ::step])


@pytest.mark.parametrize(
    ('augment', 'faces'), [(Augmentation(), FACES), (LOOSE, FACES[..., None].astype(np.float32))]
)
def test_the_result_depends_on_the_seed_alone(augment, faces):
    first, again, other = (augment(faces, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (first.dtype, first.shape) == (faces.dtype, faces.shape)


def test_shifts_are_within_the_range():
    dots = np.zeros((200, 48, 48), np.uint8)
    dots[:, 23:25, 23:25] = 255
    out = Augmentation(0, 0, 4.5, 0, 0, 0, 0, 0)(dots, np.random.default_rng(0)).astype(float)
    for axis in (1, 2):
        mass = out.sum(3 - axis)
        moved = (mass * np.arange(48)).sum(1) / mass.sum(1) - 23.5
        assert 3.5 < np.abs(moved).max() < 4.7
        assert abs(moved.mean()) < 0.5


def test_fraction_of_loose_crops():
    faces = np.concatenate([FACES] * 8)[..., None].astype(np.float32)
    changed = (LOOSE(faces, np.random.default_rng(0)) != faces).any((1, 2, 3))
    assert changed.mean() == pytest.approx(0.25, abs=0.05)


def test_a_weak_expression_keeps_a_part_of_the_face_and_its_light():
    neutral = FACES.mean(0, dtype=np.float32)
    faces = FACES[..., None].astype(np.float32)
    weak = Augmentation(weak=1.0).weaken(faces, neutral, np.random.default_rng(0))
    for face, weaker in zip(faces[..., 0], weak[..., 0], strict=True):
        lit = (neutral - neutral.mean()) / neutral.std() * face.std() + face.mean()
        inside = (weaker > 0) & (weaker < 255) & (np.abs(lit - face) > 20)
        shares = ((weaker - face) / np.where(lit == face, 1, lit - face))[inside]
        assert 0.15 <= np.median(shares) <= 0.5
        np.testing.assert_allclose(shares, np.median(shares), atol=1e-3)


@pytest.mark.parametrize('name', RANDOM_CORRUPTIONS)
def test_severity_strengthens_the_strongest_corruptions(name):
    """Rotated and tinted faces stay as they are: an angle and a tint have no usual range."""

    def largest_change(severity):
        augmentation = Augmentation(corrupt=1.0, corruptions=(name,), erase=0.0, severity=severity)
        faces = np.concatenate([FACES] * 4)[..., None].astype(np.float32)
        changed = augmentation.corrupted(faces, np.random.default_rng(0)) - faces
        return np.sort(np.abs(changed).mean((1, 2, 3)))[-20:].mean()

    stronger = largest_change(2.0) / largest_change(1.0)
    if name in ('turned', 'glasses'):
        assert stronger == 1
    else:
        assert stronger > 1.05
