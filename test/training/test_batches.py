# SPDX-License-Identifier: Apache-2.0
"""Training batches: mixup, loose crops and the teacher's part of the targets."""

import dataclasses

import numpy as np
import pytest

from emotion_training.data.augmentation import Augmentation
from emotion_training.data.batches import AugmentedBatches
from emotion_training.data.dataset import load
from emotion_training.models.networks import TEACHER_FEATURES
from emotion_training.train.config import TrainingConfig

HEADS = ('crowd', 'fer2013')
PLAIN = TrainingConfig(
    name='plain', network='expression_net', batch_size=16, min_steps=1,
    augmentation=Augmentation(0, 0, 0, 0, 0, 0, 0, 0),
)  # fmt: skip
LOOSE = dataclasses.replace(PLAIN.augmentation, loose=1.0)
PREDICTION = np.array([0.1, 0.1, 0.4, 0.1, 0.1, 0.1, 0.1], np.float32)


@pytest.fixture(scope='module')
def images(data):
    return load(data, 'train')


def predict(faces):
    """Return what a teacher predicts, the same of each face."""
    return dict.fromkeys(HEADS, np.tile(PREDICTION, (len(faces), 1)))


def batches(images, teacher=None, **changes):
    return AugmentedBatches(images, dataclasses.replace(PLAIN, **changes), HEADS, teacher)


def test_mixup_mixes_images_and_targets_alike(images):
    faces, targets, _ = batches(images)[3]
    mixed, mixed_targets, weights = batches(images, mixup=1.0)[3]
    previous = np.roll(faces, 1, axis=0)
    different = faces != previous
    share = np.median((mixed - previous)[different] / (faces - previous)[different])
    assert 0.5 <= share < 1
    np.testing.assert_allclose(mixed, share * faces + (1 - share) * previous, atol=1e-2)
    for head in HEADS:  # every drawn face has the same votes and so the same weight
        own = targets[head]
        expected = share * own + (1 - share) * np.roll(own, 1, axis=0)
        np.testing.assert_allclose(mixed_targets[head], expected, atol=1e-4)
        assert weights[head].std() < 1e-6


def test_mixed_targets_are_weighted_by_the_votes(images):
    votes = images.votes.copy()
    votes[::2] = 0
    votes[::2, -1] = 10  # no face in every second image: the crowd has no target
    some = dataclasses.replace(images, votes=votes)
    _, targets, weights = batches(some, mixup=1.0)[0]
    known = weights['crowd'] > 0
    np.testing.assert_allclose(targets['crowd'].sum(1), known, atol=1e-5)
    np.testing.assert_allclose(weights['fer2013'], 1, atol=1e-6)
    assert weights['crowd'].min() < 0.5 < weights['crowd'].max()


def test_the_teacher_predicts_the_mixed_faces_before_the_loose_crops(images):
    seen = []

    def teacher(faces):
        seen.append(faces)
        return predict(faces)

    options = {'mixup': 0.3, 'augmentation': LOOSE}
    faces, targets, weights = batches(images, teacher, distillation=0.75, **options)[1]
    tight, own, own_weights = batches(images, mixup=0.3)[1]
    np.testing.assert_array_equal(seen[0], tight)
    assert (faces != tight).any((1, 2, 3)).all()
    for head in HEADS:
        own_share = 0.25 * own_weights[head]
        np.testing.assert_allclose(weights[head], own_share + 0.75, atol=1e-6)
        both = own_share[:, None] * own[head] + 0.75 * PREDICTION
        np.testing.assert_allclose(targets[head], both / (own_share + 0.75)[:, None], atol=1e-5)


def test_a_clean_teacher_predicts_before_corruptions_which_do_not_repeat_in_a_cycle(images):
    seen = []

    def teacher(faces):
        seen.append(faces)
        return predict(faces)

    corrupting = dataclasses.replace(PLAIN.augmentation, erase=1.0, corrupt=1.0, weak=1.0)
    made = batches(
        images,
        teacher,
        distillation=0.5,
        distillation_cycle=2,
        clean_teacher=True,
        augmentation=corrupting,
    )
    faces, targets, _ = made[1]
    clean = batches(images)[1][0]
    np.testing.assert_array_equal(seen[0], clean)
    assert (faces != clean).any((1, 2, 3)).all()
    made.start_epoch(4)
    again, same_targets, _ = made[1]
    assert len(seen) == 1
    np.testing.assert_array_equal(same_targets['crowd'], targets['crowd'])
    assert (again != faces).any((1, 2, 3)).all()


def test_a_target_temperature_sharpens_votes_and_predictions(images):
    options = {'distillation': 1.0, 'target_temperature': {'crowd': 0.5}}
    _, targets, _ = batches(images, predict, **options)[0]
    squares = PREDICTION**2 / (PREDICTION**2).sum()  # 0.4 of 1 becomes 0.16 of 0.22
    np.testing.assert_allclose(targets['crowd'], np.tile(squares, (16, 1)), atol=1e-6)
    np.testing.assert_allclose(targets['fer2013'], np.tile(PREDICTION, (16, 1)), atol=1e-6)
    _, plain, _ = batches(images)[0]
    _, sharp, _ = batches(images, target_temperature={'crowd': 0.5})[0]
    squares = plain['crowd'] ** 2
    np.testing.assert_allclose(sharp['crowd'], squares / squares.sum(1, keepdims=True), atol=1e-6)


def test_a_batch_is_independent_of_earlier_batches(images):
    first, second = (batches(images, mixup=0.3, augmentation=Augmentation()) for _ in range(2))
    for each in (first, second):
        each.start_epoch(4)
    first[0]
    np.testing.assert_array_equal(first[2][0], second[2][0])


def test_few_images_are_repeated(images):
    made = batches(images.subset(np.arange(10)), min_steps=5)
    assert len(made) == 5
    seen = np.concatenate([made[index][0] for index in range(5)])[..., 0]
    assert [np.all(seen == image, axis=(1, 2)).sum() for image in images.images[:10]] == [8] * 10


def test_the_features_of_the_teacher_are_targets_too(images):
    features = np.arange(16 * 5, dtype=np.float16).reshape(16, 5)
    made = batches(
        images, lambda faces: predict(faces) | {TEACHER_FEATURES: features}, distillation=0.5
    )
    _, targets, weights = made[0]
    assert targets[TEACHER_FEATURES].dtype == np.float32
    np.testing.assert_array_equal(targets[TEACHER_FEATURES], features)
    np.testing.assert_array_equal(weights[TEACHER_FEATURES], np.ones(16))
    assert set(targets) == set(weights) == {*HEADS, TEACHER_FEATURES}


def test_a_cycle_of_distillation_repeats_images_and_predictions_mirrored(images):
    """The teacher is asked once for each batch of the cycle."""
    asked = []

    def teacher(faces):
        asked.append(len(faces))
        prediction = np.roll(PREDICTION, len(asked))
        return dict.fromkeys(HEADS, np.tile(prediction, (len(faces), 1)))

    made = batches(
        images, teacher, distillation=0.5, distillation_cycle=2, augmentation=Augmentation()
    )
    epochs = []
    for epoch in range(5):
        made.start_epoch(epoch)
        epochs.append([made[index] for index in range(2)])
    assert len(asked) == 4
    for epoch, again, mirrored in ((0, 2, True), (1, 3, True), (0, 4, False)):
        for (faces, targets, _), (same, same_targets, _) in zip(
            epochs[epoch], epochs[again], strict=True
        ):
            np.testing.assert_array_equal(same, faces[:, :, ::-1] if mirrored else faces)
            for head in HEADS:
                np.testing.assert_array_equal(same_targets[head], targets[head])
    assert (epochs[0][0][0] != epochs[1][0][0]).any()
