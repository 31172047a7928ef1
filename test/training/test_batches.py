"""What a network is given to learn: mixed pictures, and what teachers say of them."""

import dataclasses

import numpy as np
import pytest

from emotion_training.data.augmentation import Augmentation
from emotion_training.data.batches import AugmentedBatches
from emotion_training.data.dataset import load
from emotion_training.train.config import TrainingConfig

HEADS = ('crowd', 'fer2013')
PLAIN = TrainingConfig(
    name='plain', network='expression_net', batch_size=16,
    augmentation=Augmentation(0, 0, 0, 0, 0, 0, 0, 0),
)  # fmt: skip


@pytest.fixture(scope='module')
def images(data):
    return load(data, 'train')


def test_mixup_mixes_pictures_and_targets_alike(images):
    plain = AugmentedBatches(images, PLAIN, HEADS)
    mixed = AugmentedBatches(images, dataclasses.replace(PLAIN, mixup=1.0), HEADS)
    faces, wanted, _ = plain[3]
    faces_mixed, wanted_mixed, weights = mixed[3]
    before = np.roll(faces, 1, axis=0)
    rows = (faces != before).reshape(16, -1).any(1)
    share = (faces_mixed - before)[rows] / np.where(faces == before, np.nan, faces - before)[rows]
    share = float(np.nanmedian(share))
    assert 0.5 <= share < 1
    np.testing.assert_allclose(faces_mixed, share * faces + (1 - share) * before, atol=1e-2)
    for head in HEADS:  # every drawn face has the same votes, so all weigh the same
        np.testing.assert_allclose(
            wanted_mixed[head],
            share * wanted[head] + (1 - share) * np.roll(wanted[head], 1, axis=0),
            atol=1e-4,
        )
        assert weights[head].std() < 1e-6


def test_mixed_targets_are_weighed_by_the_votes(images):
    votes = images.votes.copy()
    votes[::2] = 0
    votes[::2, -1] = 10  # ten people saw no face in every second picture: the crowd says nothing
    some = dataclasses.replace(images, votes=votes)
    _, wanted, weights = AugmentedBatches(some, dataclasses.replace(PLAIN, mixup=1.0), HEADS)[0]
    said = weights['crowd'] > 0
    np.testing.assert_allclose(wanted['crowd'][said].sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(wanted['crowd'][~said], 0)
    np.testing.assert_allclose(weights['fer2013'], 1, atol=1e-6)
    assert weights['crowd'].min() < 0.5 < weights['crowd'].max()


def test_a_teacher_sees_what_the_network_sees_and_has_its_share(images):
    seen = []

    def teacher(faces):
        seen.append(faces)
        answer = np.full((len(faces), 7), 0.1, np.float32)
        answer[:, 2] = 0.4
        return dict.fromkeys(HEADS, answer)

    config = dataclasses.replace(PLAIN, teaching=0.75, mixup=0.3)
    faces, wanted, weights = AugmentedBatches(images, config, HEADS, teacher)[1]
    _, own, own_weights = AugmentedBatches(images, config, HEADS)[1]
    np.testing.assert_array_equal(seen[0], faces)
    for head in HEADS:
        answer = teacher(faces)[head]
        total = 0.25 * own_weights[head] + 0.75
        both = (0.25 * own_weights[head])[:, None] * own[head] + 0.75 * answer
        np.testing.assert_allclose(weights[head], total, atol=1e-6)
        np.testing.assert_allclose(wanted[head], both / total[:, None], atol=1e-5)


def test_a_teacher_is_asked_before_faces_are_shown_in_loose_crops(images):
    seen = []

    def teacher(faces):
        seen.append(faces)
        return dict.fromkeys(HEADS, np.full((len(faces), 7), 1 / 7, np.float32))

    loose = dataclasses.replace(
        PLAIN, augmentation=dataclasses.replace(PLAIN.augmentation, loose=1.0)
    )
    shown, _, _ = AugmentedBatches(images, loose, HEADS, teacher)[2]
    tight, _, _ = AugmentedBatches(images, PLAIN, HEADS)[2]
    np.testing.assert_array_equal(seen[0], tight)
    assert (shown != tight).any((1, 2, 3)).all()


def test_the_same_batch_whatever_was_drawn_before(images):
    config = dataclasses.replace(PLAIN, mixup=0.3, augmentation=Augmentation())
    first, second = (AugmentedBatches(images, config, HEADS) for _ in range(2))
    for each in (first, second):
        each.start_epoch(4)
    first[0]
    np.testing.assert_array_equal(first[2][0], second[2][0])
