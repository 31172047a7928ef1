"""Augmented images: the same for the same seed, within bounds, fast enough."""

import time

import numpy as np
import pytest

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.augmentation import Augmentation
from support.drawn_faces import draw_face

FACES = np.stack([draw_face(EMOTIONS[i % 7], np.random.default_rng(i)) for i in range(64)])
NOTHING = Augmentation(0, 0, 0, 0, 0, 0, 0, 0)


def test_nothing_to_change_changes_nothing():
    assert np.array_equal(NOTHING(FACES, np.random.default_rng(0)), FACES)


def test_flip_mirrors_exactly():
    flipped = Augmentation(0, 0, 0, 1.0, 0, 0, 0, 0)(FACES, np.random.default_rng(0))
    assert np.array_equal(flipped, FACES[:, :, ::-1])


def test_the_seed_decides():
    first, again, other = (Augmentation()(FACES, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.uint8
    assert first.shape == FACES.shape


def test_a_shift_is_no_larger_than_asked():
    dots = np.zeros((200, 48, 48), np.uint8)
    dots[:, 23:25, 23:25] = 255
    shifted = Augmentation(0, 0, 4.5, 0, 0, 0, 0, 0)(dots, np.random.default_rng(0)).astype(float)
    total = shifted.sum((1, 2))
    rows = (shifted.sum(2) * np.arange(48)).sum(1) / total - 23.5
    columns = (shifted.sum(1) * np.arange(48)).sum(1) / total - 23.5
    for moved in (rows, columns):
        assert 3.5 < np.abs(moved).max() < 4.7
        assert abs(moved.mean()) < 0.5


def test_as_many_faces_as_asked_are_shown_in_loose_crops():
    faces = np.concatenate([FACES] * 8)[..., None].astype(np.float32)
    some = Augmentation(loose=0.25).loosen(faces, np.random.default_rng(0))
    changed = (some != faces).any((1, 2, 3))
    assert changed.mean() == pytest.approx(0.25, abs=0.05)
    assert np.array_equal(some, Augmentation(loose=0.25).loosen(faces, np.random.default_rng(0)))
    assert some.dtype == np.float32
    assert not np.array_equal(
        some, Augmentation(loose=0.25).loosen(faces, np.random.default_rng(1))
    )


def test_feeds_three_thousand_images_a_second():
    change, rng = Augmentation(), np.random.default_rng(0)
    best = min(_seconds(lambda: change(FACES, rng)) for _ in range(10))
    assert len(FACES) / best > 3000


def _seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
