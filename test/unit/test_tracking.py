# SPDX-License-Identifier: Apache-2.0
"""Ids stay with their faces; labels neither flicker nor depend on the frame rate."""

import itertools
import math

import numpy as np
import pytest

from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.tracking import (
    SmoothedExpression,
    Tracker,
    TrackingSettings,
    sensitive,
)
from emotion_perception.types import MAX_TURN_RAD, Detection, HeadPose

RATE_HZ = 30.0


def face(x, y, side=50.0):
    """Return a face with its center at (x, y)."""
    return Detection((x - side / 2, y - side / 2, side, side), 0.9)


def ids(tracker, stamp_s, *faces):
    """Return the id of each face."""
    return [track.face_id for track in tracker.associate(list(faces), stamp_s)]


def test_ids_count_from_1_in_the_order_of_the_faces():
    tracker = Tracker()
    assert ids(tracker, 0.0) == []
    assert ids(tracker, 0.1, face(100, 100), face(300, 100), face(500, 100)) == [1, 2, 3]


@pytest.mark.parametrize('speed_px', [1, 5, 15])
@pytest.mark.parametrize('apart_px', [51, 80])
def test_two_faces_that_pass_each_other_keep_their_ids(speed_px, apart_px):
    tracker = Tracker()
    for step in range(400 // speed_px):
        first = face(100 + speed_px * step, 200)
        second = face(500 - speed_px * step, 200 + apart_px)
        if step % 2:
            assert ids(tracker, step / RATE_HZ, second, first) == [2, 1]
        else:
            assert ids(tracker, step / RATE_HZ, first, second) == [1, 2]


def test_two_faces_that_meet_in_one_place_are_told_apart_by_their_velocity():
    tracker = Tracker()
    assert ids(tracker, 0.0, face(100, 200), face(502, 200)) == [1, 2]
    for step in range(1, 81):
        left, right = face(100 + 5 * step, 200), face(502 - 5 * step, 200)
        assert ids(tracker, step / RATE_HZ, right, left) == [2, 1]


def test_a_fast_face_keeps_its_id_through_a_gap_of_frames():
    tracker = Tracker()
    for step in [*range(10), 13, 14, 17, 18]:
        assert ids(tracker, step / RATE_HZ, face(40.0 * step, 100)) == [1]


@pytest.mark.parametrize(('gap_s', 'expected'), [(0.1, 1), (0.69, 1), (0.71, 2), (60.0, 2)])
def test_max_gap_s(gap_s, expected):
    tracker = Tracker(TrackingSettings(max_gap_s=0.7))
    assert ids(tracker, 5.0, face(100, 100)) == [1]
    assert ids(tracker, 5.0 + gap_s / 2) == []
    assert ids(tracker, 5.0 + gap_s, face(102, 100)) == [expected]


def test_max_gap_s_may_change():
    tracker = Tracker(TrackingSettings(max_gap_s=0.7))
    ids(tracker, 0.0, face(100, 100))
    tracker.settings = TrackingSettings(max_gap_s=2.0)
    assert ids(tracker, 1.5, face(100, 100)) == [1]
    tracker.settings = TrackingSettings(max_gap_s=0.0)
    assert ids(tracker, 1.6, face(100, 100)) == [2]


def test_tracked_ids_are_dropped_after_the_gap_and_never_used_again():
    tracker = Tracker(TrackingSettings(max_gap_s=0.5))
    assert tracker.ids == set()
    ids(tracker, 0.0, face(100, 100), face(300, 100))
    assert ids(tracker, 0.4, face(100, 100)) == [1]
    assert tracker.ids == {1, 2}
    assert ids(tracker, 0.6, face(100, 100)) == [1]
    assert tracker.ids == {1}
    assert ids(tracker, 0.7, face(100, 100), face(300, 100)) == [1, 3]
    tracker.reset()
    assert tracker.ids == set()
    assert ids(tracker, 0.0, face(100, 100)) == [4]


def test_a_thousand_faces_leave_nothing_behind():
    tracker = Tracker()
    for number in range(1000):
        assert ids(tracker, float(number), face(100 + number % 5 * 80, 100)) == [number + 1]
        assert len(tracker.ids) == 1


def test_stamps_that_jump_back_drop_all_tracks():
    tracker = Tracker()
    assert ids(tracker, 50.0, face(100, 100)) == [1]
    (track,) = tracker.associate([face(100, 100)], 3.0)
    assert (track.face_id, track.first_seen_s, track.last_seen_s) == (2, 3.0, 3.0)
    assert ids(tracker, 3.1, face(100, 100)) == [2]


@pytest.mark.parametrize('shortest_s', [0.0, 1e-9, 1e-6, 1e-4, 1e-3])
def test_frames_that_come_in_pairs(shortest_s):
    tracker = Tracker()
    rng = np.random.default_rng(1)
    for pair in range(30):
        for stamp_s in (pair / 15, pair / 15 + shortest_s):
            (track,) = tracker.associate([face(*(200 + rng.uniform(-2, 2, 2)))], stamp_s)
            assert track.face_id == 1
        assert np.abs(track.velocity).max() < 100


@pytest.mark.parametrize(
    ('jump_px', 'growth', 'expected'),
    [
        *((jump, 1.0, 1) for jump in (20, 48)),
        *((jump, 1.0, 2) for jump in (52, 300)),
        *((0, growth, 1) for growth in (1.7, 1 / 1.7)),
        *((0, growth, 2) for growth in (1.9, 1 / 1.9)),
    ],
)
def test_a_face_that_jumps_or_grows_too_much_is_another(jump_px, growth, expected):
    tracker = Tracker()
    ids(tracker, 0.0, face(100, 100))
    assert ids(tracker, 1 / RATE_HZ, face(100 + jump_px, 100, 50 * growth)) == [expected]


def test_the_nearest_face_keeps_the_id():
    tracker = Tracker()
    ids(tracker, 0.0, face(100, 100))
    assert ids(tracker, 0.03, face(130, 100), face(104, 100)) == [2, 1]


def test_readings_are_smoothed_over_the_time_between_them():
    """Also if the face was seen, but not read, in frames in between."""
    tracker, settings = Tracker(), TrackingSettings(smoothing_s=0.5)
    (track,) = tracker.associate([face(100, 100)], 1.0)
    assert track.add_reading(HAPPY, 1.0, settings) == 0
    assert track.expression.probabilities == pytest.approx(HAPPY)
    for stamp_s in (1.1, 1.2, 1.3):
        (track,) = tracker.associate([face(100, 100)], stamp_s)
    change = track.add_reading(SAD, 1.3, settings)
    assert change == pytest.approx(np.abs(HAPPY - SAD).sum() / 2)
    assert track.expression.probabilities == pytest.approx(mix(math.exp(-0.3 / 0.5)), abs=1e-6)
    assert (track.read_s, track.probabilities is SAD) == (1.3, True)


def pose(turn_deg):
    """Return the pose of a head turned to its left."""
    return HeadPose(math.radians(turn_deg), 0.0, 0.0, 1.0, 0.0)


def test_a_turned_face_is_uncertain_until_it_returns():
    """With hysteresis, whatever the classifier says; the smoothed probabilities go on."""
    settings = TrackingSettings(smoothing_s=0)
    (track,) = Tracker().associate([face(100, 100)], 0.0)
    happy = np.eye(7, dtype=np.float32)[EMOTIONS.index('happiness')]
    limit_deg = math.degrees(MAX_TURN_RAD)
    labels = []
    for index, turn_deg in enumerate((0, limit_deg - 1, limit_deg + 1, limit_deg - 1, 20, 0)):
        track.add_head_pose(pose(turn_deg), index / 3, 80.0)
        track.add_reading(happy, index / 3, settings)
        labels.append(track.expression.label)
        assert track.expression.confidence == 1
    assert labels == ['happiness'] * 2 + [UNCERTAIN] * 2 + ['happiness'] * 2
    assert (track.head_pose, track.head_pose_s) == (pose(0), pytest.approx(5 / 3))


def test_the_label_of_a_face_that_turns_back_is_not_that_of_the_turned_one():
    (track,) = Tracker().associate([face(100, 100)], 0.0)
    angry, neutral = spread(anger=0.95), spread(neutral=0.95)
    track.add_head_pose(pose(60), 0.0, 80.0)
    for index in range(30):
        track.add_reading(angry, index / 30, TrackingSettings())
        assert track.expression.label == UNCERTAIN
    track.add_head_pose(pose(0), 1.0, 80.0)
    track.add_reading(neutral, 1.0, TrackingSettings())
    assert track.expression.label == 'neutral'
    assert track.expression.confidence == pytest.approx(0.95)


@pytest.mark.parametrize('before_deg', [0, 60])
@pytest.mark.parametrize(('width_px', 'turned'), [(30.0, False), (80.0, True)])
def test_a_large_face_whose_pose_cannot_be_read_counts_as_turned(before_deg, width_px, turned):
    """A profile, or a face that is covered; a small face is too small for the network."""
    (track,) = Tracker().associate([face(100, 100)], 0.0)
    track.add_head_pose(pose(before_deg), 0.0, width_px)
    track.add_head_pose(None, 0.3, width_px)
    assert (track.turned, track.head_pose) == (turned, None)


def test_the_oldest_head_pose():
    tracker = Tracker()
    assert tracker.oldest_head_pose_s == math.inf
    first, second = tracker.associate([face(100, 100), face(300, 100)], 0.0)
    first.add_head_pose(pose(0), 2.0, 80.0)
    assert tracker.oldest_head_pose_s == -math.inf
    second.add_head_pose(pose(0), 1.0, 80.0)
    assert tracker.oldest_head_pose_s == 1.0
    # a face that is not in the image needs no time for its pose
    tracker.associate([face(100, 100)], 0.1)
    assert tracker.oldest_head_pose_s == 2.0


def test_a_box_without_size_is_tracked():
    tracker = Tracker()
    for stamp_s in (0.0, 0.1):
        assert ids(tracker, stamp_s, Detection((10.0, 10.0, 0.0, 0.0), 0.5)) == [1]


def spread(**given):
    """Return the given probabilities; the rest is spread evenly."""
    rest = (1 - sum(given.values())) / (len(EMOTIONS) - len(given))
    return np.array([given.get(label, rest) for label in EMOTIONS], np.float32)


def smooth(settings, *steps):
    """Return the expression after (probabilities, seconds since the frame before) of each step."""
    expression = SmoothedExpression()
    for probabilities, elapsed_s in steps:
        expression.update(probabilities, elapsed_s, settings)
    return expression


HAPPY, SAD = spread(happiness=0.94), spread(sadness=0.94)


def mix(left):
    """Return HAPPY where `left` of it is left, and SAD for the rest."""
    return left * HAPPY + (1 - left) * SAD


def test_the_first_frame_is_taken_as_it_is():
    mine = HAPPY.copy()
    expression = smooth(TrackingSettings(), (mine, 0.0))
    mine[:] = 0
    assert np.array_equal(expression.probabilities, HAPPY)
    assert (expression.label, expression.confidence) == ('happiness', pytest.approx(0.94))


@pytest.mark.parametrize(
    'steps_s', [[1 / n] * n for n in (3, 30, 1000)] + [[0.01, 0.7, 0.09, 0.2], [0.0], [0.5]]
)
def test_the_frame_rate_does_not_matter(steps_s):
    settings = TrackingSettings(smoothing_s=0.35)
    smoothed = smooth(settings, (HAPPY, 0.0), *((SAD, step) for step in steps_s)).probabilities
    assert smoothed == pytest.approx(mix(math.exp(-sum(steps_s) / 0.35)), abs=1e-4)


def test_probabilities_sum_to_1_after_thousands_of_frames():
    rng = np.random.default_rng(0)
    expression = SmoothedExpression()
    for _ in range(3000):
        row = rng.dirichlet(np.full(7, 0.3)).astype(np.float32)
        expression.update(row, rng.uniform(0, 0.2), TrackingSettings())
        assert abs(float(expression.probabilities.sum()) - 1) < 1e-5
        assert expression.probabilities.min() >= 0
    assert expression.probabilities.dtype == np.float32


def labels(values, other='neutral', **settings):
    """Return the label after each probability of happiness; `other` has the rest."""
    settings = TrackingSettings(
        **{'smoothing_s': 0, 'uncertain_below': 0.5, 'hysteresis': 0.08, **settings}
    )
    expression = SmoothedExpression()
    out = []
    for value in values:
        rest = {other: 1 - value} if other else {}
        expression.update(spread(happiness=value, **rest), 0.1, settings)
        out.append(expression.label)
    return out


H, N, U = 'happiness', 'neutral', UNCERTAIN


@pytest.mark.parametrize(
    ('values', 'options', 'expected'),
    [
        ([0.30, 0.45, 0.49, 0.51, 0.9], {'other': None}, [U, U, U, H, H]),
        ([0.6, 0.49, 0.43, 0.41, 0.45, 0.52], {'other': None}, [H, H, H, U, U, H]),
        ([0.6, 0.47, 0.45, 0.55, 0.53], {'uncertain_below': 0.3}, [H, H, N, H, H]),
        ([0.51, 0.49, 0.51], {'hysteresis': 0.0}, [H, N, H]),
        ([0.51, 0.49, 0.51], {'hysteresis': 0.0, 'other': None}, [H, U, H]),
    ],
    ids=['threshold', 'below the threshold', 'overtaken', 'no hysteresis', 'no leader'],
)
def test_label_has_hysteresis(values, options, expected):
    assert labels(values, **options) == expected


@pytest.mark.parametrize(
    ('noise', 'options', 'changes'),
    [(0.07, {'other': None}, 1), (0.03, {'uncertain_below': 0.3}, 0)],
    ids=['at the threshold', 'between two'],
)
def test_label_does_not_flicker(noise, options, changes):
    values = 0.5 + np.random.default_rng(4).uniform(-noise, noise, 500)
    found = labels([0.6, *values] if changes == 0 else values.tolist(), **options)
    assert sum(a != b for a, b in itertools.pairwise(found)) <= changes
    assert found[-1] == 'happiness'


@pytest.mark.parametrize(
    ('frame', 'uncertain_below', 'label', 'confidence'),
    [
        # overtaken by one that is not confident itself
        ({'happiness': 0.25, 'sadness': 0.45}, 0.5, UNCERTAIN, 0.45),
        # another is more probable, but by less than the hysteresis
        ({'happiness': 0.44, 'sadness': 0.48}, 0.4, 'happiness', 0.44),
        ({'happiness': 0.1, 'sadness': 0.8}, 0.4, 'sadness', 0.8),
    ],
)
def test_confidence_belongs_to_the_label(frame, uncertain_below, label, confidence):
    settings = TrackingSettings(smoothing_s=0, uncertain_below=uncertain_below, hysteresis=0.08)
    expression = smooth(settings, (spread(happiness=0.9), 0.0), (spread(**frame), 0.1))
    assert expression.label == label
    assert expression.confidence == pytest.approx(confidence)


def test_a_new_expression_is_shown_after_about_the_time_constant():
    settings = TrackingSettings()
    expression = smooth(settings, (HAPPY, 0.0))
    seen = []
    for _ in range(30):
        expression.update(SAD, 1 / RATE_HZ, settings)
        seen.append(expression.label)
    assert set(seen) <= {'happiness', UNCERTAIN, 'sadness'}
    assert 0.15 < seen.index('sadness') / RATE_HZ < 0.45
    assert seen[-1] == 'sadness'


@pytest.mark.parametrize('sensitivity', [-1.0, 0.0, 0.7, 3.0])
def test_sensitivity_divides_the_odds_of_neutral(sensitivity):
    before = np.array([0.1, 0.05, 0.05, 0.1, 0.6, 0.1, 0.0], np.float32)
    after = sensitive(before, sensitivity)
    odds = after[4] / (1 - after[4])
    assert odds == pytest.approx(1.5 * math.exp(-sensitivity), rel=1e-5)
    assert after.sum() == pytest.approx(1)
    others = np.arange(7) != 4
    assert after[others] / after[0] == pytest.approx(before[others] / before[0], rel=1e-5)
    assert (after is before) == (sensitivity == 0)
    assert sensitive(np.stack([before, before]), sensitivity) == pytest.approx(
        np.stack([after, after])
    )


def test_a_weak_smile_is_named_by_a_sensitive_node():
    frame = np.array([0.01, 0.01, 0.01, 0.4, 0.55, 0.01, 0.01], np.float32)
    for sensitivity, label in ((0.0, UNCERTAIN), (2.0, 'happiness'), (-2.0, 'neutral')):
        expression = SmoothedExpression()
        expression.update(frame, 0.0, TrackingSettings(sensitivity=sensitivity))
        assert expression.label == label
