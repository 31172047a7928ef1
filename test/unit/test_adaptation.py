# SPDX-License-Identifier: Apache-2.0
"""What is learned of a person's neutral face, and what is not."""

import numpy as np
import pytest

from emotion_perception.adaptation import (
    LARGEST_ADAPTATION,
    PersonBaseline,
    log_probabilities,
)
from emotion_perception.emotions import EMOTIONS
from emotion_perception.tracking import Track, TrackingSettings
from emotion_perception.types import HeadPose

NEUTRAL_ROW = np.array([0.02, 0.01, 0.01, 0.06, 0.8, 0.08, 0.02], np.float32)
AVERAGE = log_probabilities(NEUTRAL_ROW)
SAD_AT_REST = np.array([0.02, 0.01, 0.01, 0.02, 0.45, 0.47, 0.02], np.float32)
SMILE = np.array([0.01, 0.01, 0.01, 0.9, 0.05, 0.01, 0.01], np.float32)
SAD, NEUTRAL, HAPPY = (EMOTIONS.index(name) for name in ('sadness', 'neutral', 'happiness'))


def learned(probabilities, seconds=60.0, rate_hz=5.0):
    """Return what is known of a person who looks the same for so long."""
    baseline = PersonBaseline()
    for _ in range(round(seconds * rate_hz)):
        baseline.update(probabilities, 1 / rate_hz, AVERAGE)
    return baseline


def test_nothing_is_known_at_first_and_of_an_average_person():
    for baseline in (PersonBaseline(), learned(NEUTRAL_ROW)):
        assert baseline.difference == pytest.approx(np.zeros(7), abs=1e-6)
        assert baseline.adapted(SMILE) == pytest.approx(SMILE, abs=1e-6)


def test_a_face_that_looks_sad_at_rest_is_read_as_neutral_after_a_while():
    baseline = learned(SAD_AT_REST, seconds=20)
    assert SAD_AT_REST.argmax() == SAD
    assert baseline.adapted(SAD_AT_REST)[NEUTRAL] > 0.6
    assert baseline.difference[SAD] > 0.5
    assert baseline.adapted(SMILE).argmax() == HAPPY
    assert baseline.adapted(SMILE).sum() == pytest.approx(1, abs=1e-6)


def test_a_smile_that_lasts_stays_a_smile():
    assert learned(SMILE, seconds=600).adapted(SMILE) == pytest.approx(SMILE, abs=1e-6)


@pytest.mark.parametrize('expression', [HAPPY, SAD])
def test_what_can_be_learned_is_bounded(expression):
    """A half smile becomes weaker, by a factor of e squared at most."""
    row = np.full(7, 0.01, np.float32)
    row[NEUTRAL], row[expression] = 0.46, 0.49
    baseline = learned(row, seconds=3600)
    assert np.abs(baseline.difference).max() <= LARGEST_ADAPTATION
    before, after = row, baseline.adapted(row)
    odds = (before[expression] / before[NEUTRAL]) / (after[expression] / after[NEUTRAL])
    assert 1 < odds <= np.exp(2 * LARGEST_ADAPTATION) + 1e-3


def test_the_rate_of_the_readings_does_not_matter():
    slow, fast = (learned(SAD_AT_REST, 10.0, rate_hz).difference for rate_hz in (5.0, 30.0))
    assert slow == pytest.approx(fast, abs=0.03)


def test_a_pause_counts_as_half_a_second():
    once, paused = PersonBaseline(), PersonBaseline()
    once.update(SAD_AT_REST, 0.5, AVERAGE)
    paused.update(SAD_AT_REST, 60.0, AVERAGE)
    assert paused.difference == pytest.approx(once.difference)


def track_of(settings, neutral=AVERAGE, turn_rad=0.0, seconds=20):
    track = Track(1, 0.0, 0.0, np.zeros(2), 80.0)
    for index in range(seconds * 5):
        track.add_head_pose(HeadPose(turn_rad, 0.0, 0.0, 1.0, 0.0), index / 5, 80.0)
        track.add_reading(SAD_AT_REST, index / 5, settings, neutral)
    return track


def test_a_track_names_the_adapted_expression_and_keeps_what_the_network_says():
    track = track_of(TrackingSettings(uncertain_below=0.5, adapt_to_person=True))
    assert track.expression.label == 'neutral'
    assert track.probabilities is SAD_AT_REST
    assert track.expression.probabilities[NEUTRAL] > 0.6


@pytest.mark.parametrize(
    ('settings', 'neutral'),
    [
        (TrackingSettings(adapt_to_person=False), AVERAGE),
        (TrackingSettings(adapt_to_person=True), None),
    ],
)
def test_without_adaptation_or_a_known_average_nothing_changes(settings, neutral):
    track = track_of(settings, neutral)
    assert track.expression.probabilities == pytest.approx(SAD_AT_REST, abs=1e-6)
    assert not track.baseline.difference.any()


def test_a_turned_face_teaches_nothing():
    assert not track_of(
        TrackingSettings(adapt_to_person=True), turn_rad=1.2
    ).baseline.difference.any()
