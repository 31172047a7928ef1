"""Ids stay with their faces, and labels neither flicker nor depend on the frame rate."""

import itertools
import math

import numpy as np
import pytest

from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.tracking import SmoothedExpression, Tracker, TrackingSettings
from emotion_perception.types import Detection

RATE_HZ = 30.0


def face(x, y, side=50.0):
    """Return a face with its middle at (x, y)."""
    return Detection((x - side / 2, y - side / 2, side, side), 0.9)


def ids(tracker, stamp_s, *faces):
    """Return the id of each face."""
    return [track.face_id for track in tracker.associate(list(faces), stamp_s)]


def test_first_ids():
    """Ids count from 1 in the order of the faces."""
    assert ids(Tracker(), 0.0, face(100, 100), face(300, 100), face(500, 100)) == [1, 2, 3]


def test_no_faces():
    """An empty image has no tracks, and the next face is the first."""
    tracker = Tracker()
    assert ids(tracker, 0.0) == []
    assert ids(tracker, 0.1, face(100, 100)) == [1]


@pytest.mark.parametrize('speed_px', [1, 5, 15])
@pytest.mark.parametrize('apart_px', [51, 60, 80])
def test_crossing_pair(speed_px, apart_px):
    """Two who pass each other, one behind the other's box, keep their ids in any order."""
    tracker = Tracker()
    steps = 400 // speed_px
    for step in range(steps):
        first = face(100 + speed_px * step, 200)
        second = face(500 - speed_px * step, 200 + apart_px)
        if step % 2:
            assert ids(tracker, step / RATE_HZ, second, first) == [2, 1]
        else:
            assert ids(tracker, step / RATE_HZ, first, second) == [1, 2]


def test_crossing_in_one_line():
    """Velocity tells two apart who meet in one place and go on."""
    tracker = Tracker()
    assert ids(tracker, 0.0, face(100, 200), face(502, 200)) == [1, 2]
    for step in range(1, 81):
        left, right = face(100 + 5 * step, 200), face(502 - 5 * step, 200)
        assert ids(tracker, step / RATE_HZ, right, left) == [2, 1]


def test_fast_face_is_expected_ahead():
    """A face that moves by more than half its width a frame keeps its id through a gap of frames."""
    tracker = Tracker()
    for step in [*range(10), 13, 14, 17, 18]:
        assert ids(tracker, step / RATE_HZ, face(40.0 * step, 100)) == [1]


@pytest.mark.parametrize(('gap_s', 'expected'), [(0.1, 1), (0.69, 1), (0.71, 2), (60.0, 2)])
def test_gap(gap_s, expected):
    """A face that is away for longer than max_gap_s comes back as another."""
    tracker = Tracker(TrackingSettings(max_gap_s=0.7))
    assert ids(tracker, 5.0, face(100, 100)) == [1]
    assert ids(tracker, 5.0 + gap_s / 2) == []
    assert ids(tracker, 5.0 + gap_s, face(102, 100)) == [expected]


def test_changed_gap():
    """max_gap_s may change while faces are followed."""
    tracker = Tracker(TrackingSettings(max_gap_s=0.7))
    ids(tracker, 0.0, face(100, 100))
    tracker.settings = TrackingSettings(max_gap_s=2.0)
    assert ids(tracker, 1.5, face(100, 100)) == [1]
    tracker.settings = TrackingSettings(max_gap_s=0.0)
    assert ids(tracker, 1.6, face(100, 100)) == [2]


def test_ids_are_never_used_again():
    """Whoever comes and goes, an id stands for one track only."""
    tracker = Tracker()
    seen = set()
    for visit in range(20):
        (number,) = ids(tracker, 10.0 * visit, face(100, 100))
        assert number not in seen
        seen.add(number)
    tracker.reset()
    assert ids(tracker, 0.0, face(100, 100)) == [21]


def test_who_left_is_no_longer_followed():
    """A thousand who came and went leave nothing behind; one out of sight counts until the gap is over."""
    tracker = Tracker()
    for number in range(1000):
        assert ids(tracker, float(number), face(100 + number % 5 * 80, 100)) == [number + 1]
        assert len(tracker.ids) == 1
    assert ids(tracker, 999.5) == []
    assert len(tracker.ids) == 1
    assert ids(tracker, 999.8) == []
    assert not tracker.ids


def test_one_leaves():
    """The other keeps its id, and the freed place is not taken over."""
    tracker = Tracker()
    assert ids(tracker, 0.0, face(100, 100), face(300, 100)) == [1, 2]
    assert ids(tracker, 0.1, face(302, 100)) == [2]
    assert ids(tracker, 0.2, face(304, 100), face(500, 100)) == [2, 3]


def test_stamp_jumps_back():
    """A recording that begins anew begins with new tracks."""
    tracker = Tracker()
    tracks = tracker.associate([face(100, 100)], 50.0)
    assert (tracks[0].face_id, tracks[0].first_seen_s) == (1, 50.0)
    tracks = tracker.associate([face(100, 100)], 3.0)
    assert (tracks[0].face_id, tracks[0].first_seen_s, tracks[0].elapsed_s) == (2, 3.0, 0.0)
    assert ids(tracker, 3.1, face(100, 100)) == [2]


def test_same_stamp_twice():
    """Two images with one stamp are followed, without a time between them."""
    tracker = Tracker()
    ids(tracker, 1.0, face(100, 100))
    (track,) = tracker.associate([face(103, 100)], 1.0)
    assert (track.face_id, track.elapsed_s) == (1, 0.0)
    assert ids(tracker, 1.0 + 1 / RATE_HZ, face(100, 100)) == [1]


@pytest.mark.parametrize('shortest_s', [1e-9, 1e-6, 1e-4, 1e-3])
def test_uneven_stamps(shortest_s):
    """Images that come in pairs, as after a hiccup, do not throw a still face off its track."""
    tracker = Tracker()
    rng = np.random.default_rng(1)
    for pair in range(30):
        for stamp_s in (pair / 15, pair / 15 + shortest_s):
            x, y = 200 + rng.uniform(-2, 2, 2)
            assert ids(tracker, stamp_s, face(x, y)) == [1]


@pytest.mark.parametrize(('jump_px', 'expected'), [(20, 1), (48, 1), (52, 2), (300, 2)])
def test_jump(jump_px, expected):
    """A face farther off than its own width is another one."""
    tracker = Tracker()
    ids(tracker, 0.0, face(100, 100))
    assert ids(tracker, 1 / RATE_HZ, face(100 + jump_px, 100)) == [expected]


@pytest.mark.parametrize(
    ('factor', 'expected'), [(1.0, 1), (1.7, 1), (1.9, 2), (1 / 1.7, 1), (1 / 1.9, 2)]
)
def test_growth(factor, expected):
    """A face in the same place that is suddenly much larger or smaller is another one."""
    tracker = Tracker()
    ids(tracker, 0.0, face(300, 300, 80.0))
    assert ids(tracker, 1 / RATE_HZ, face(300, 300, 80.0 * factor)) == [expected]


def test_nearer_face_is_taken():
    """Of two candidates the nearer keeps the id, whichever the detector names first."""
    tracker = Tracker()
    ids(tracker, 0.0, face(100, 100))
    assert ids(tracker, 0.03, face(130, 100), face(104, 100)) == [2, 1]


def test_times_of_a_track():
    """A track knows when it began and how long ago the face was last seen."""
    tracker = Tracker()
    tracker.associate([face(100, 100)], 7.0)
    tracker.associate([], 7.1)
    (track,) = tracker.associate([face(100, 100)], 7.25)
    assert track.first_seen_s == 7.0
    assert track.last_seen_s == 7.25
    assert track.elapsed_s == pytest.approx(0.25)


def test_box_without_size():
    """Even a box of no size is followed."""
    tracker = Tracker()
    empty = Detection((10.0, 10.0, 0.0, 0.0), 0.5)
    assert ids(tracker, 0.0, empty) == [1]
    assert ids(tracker, 0.1, empty) == [1]


def spread(**shares):
    """Return probabilities with these shares; the rest is spread evenly."""
    rest = (1 - sum(shares.values())) / (len(EMOTIONS) - len(shares))
    return np.array([shares.get(label, rest) for label in EMOTIONS], np.float32)


def smooth(settings, *steps):
    """Return the expression after (probabilities, seconds since the frame before) of each step."""
    expression = SmoothedExpression()
    for probabilities, elapsed_s in steps:
        expression.update(probabilities, elapsed_s, settings)
    return expression


HAPPY, SAD = spread(happiness=0.94), spread(sadness=0.94)


def test_before_the_first_frame():
    """Without a frame there is no opinion."""
    expression = SmoothedExpression()
    assert expression.probabilities is None
    assert (expression.label, expression.confidence) == (UNCERTAIN, 0.0)


def test_first_frame():
    """The first frame is taken as it is."""
    expression = smooth(TrackingSettings(), (HAPPY, 0.0))
    assert np.array_equal(expression.probabilities, HAPPY)
    assert expression.label == 'happiness'
    assert expression.confidence == pytest.approx(0.94)


def test_input_is_not_kept():
    """Later changes reach neither the caller's array nor the track's."""
    mine = HAPPY.copy()
    expression = smooth(TrackingSettings(), (mine, 0.0), (SAD, 0.1))
    assert np.array_equal(mine, HAPPY)
    mine[:] = 0
    assert expression.probabilities.sum() == pytest.approx(1)


def test_time_constant():
    """After one time constant 1/e of the difference is left, after two 1/e**2."""
    settings = TrackingSettings(smoothing_s=0.5)
    for elapsed_s in (0.1, 0.5, 1.0):
        left = math.exp(-elapsed_s / 0.5)
        smoothed = smooth(settings, (HAPPY, 0.0), (SAD, elapsed_s)).probabilities
        assert smoothed == pytest.approx(left * HAPPY + (1 - left) * SAD, abs=1e-6)


@pytest.mark.parametrize('rate_hz', [3, 10, 30, 100, 1000])
def test_frame_rate_does_not_matter(rate_hz):
    """The same time brings the same answer at every frame rate."""
    settings = TrackingSettings(smoothing_s=0.35)
    steps = [(SAD, 1 / rate_hz)] * rate_hz
    smoothed = smooth(settings, (HAPPY, 0.0), *steps).probabilities
    left = math.exp(-1 / 0.35)
    assert smoothed == pytest.approx(left * HAPPY + (1 - left) * SAD, abs=1e-4)


def test_uneven_steps():
    """How the time is divided does not matter either."""
    settings = TrackingSettings(smoothing_s=0.35)
    uneven = [(SAD, step) for step in (0.01, 0.2, 0.001, 0.089, 0.2)]
    first = smooth(settings, (HAPPY, 0.0), *uneven).probabilities
    second = smooth(settings, (HAPPY, 0.0), (SAD, 0.5)).probabilities
    assert first == pytest.approx(second, abs=1e-6)


def test_no_time_no_change():
    """A frame with the stamp of the one before weighs nothing."""
    expression = smooth(TrackingSettings(smoothing_s=0.35), (HAPPY, 0.0), (SAD, 0.0))
    assert expression.probabilities == pytest.approx(HAPPY, abs=1e-6)


def test_without_smoothing():
    """A time constant of 0 shows each frame as it is."""
    expression = smooth(TrackingSettings(smoothing_s=0.0), (HAPPY, 0.0), (SAD, 0.001))
    assert np.array_equal(expression.probabilities, SAD)
    assert expression.label == 'sadness'


def test_sums_to_one():
    """After thousands of frames the probabilities still sum to 1 and none is below 0."""
    rng = np.random.default_rng(0)
    expression = SmoothedExpression()
    for _ in range(5000):
        row = rng.dirichlet(np.full(7, 0.3)).astype(np.float32)
        expression.update(row, rng.uniform(0, 0.2), TrackingSettings())
        assert abs(float(expression.probabilities.sum()) - 1) < 1e-5
        assert expression.probabilities.min() >= 0
    assert expression.probabilities.dtype == np.float32


def labels(shares, settings=None, other='neutral'):
    """Return the label after each frame of a happiness that has these shares; `other` has the rest."""
    settings = settings or TrackingSettings(smoothing_s=0, uncertain_below=0.5, hysteresis=0.08)
    expression = SmoothedExpression()
    out = []
    for share in shares:
        rest = {other: 1 - share} if other else {}
        expression.update(spread(happiness=share, **rest), 0.1, settings)
        out.append(expression.label)
    return out


def test_uncertain_until_confident():
    """A weak face is uncertain until it reaches the threshold."""
    found = labels([0.30, 0.45, 0.49, 0.51, 0.9], other=None)
    assert found == [UNCERTAIN] * 3 + ['happiness'] * 2


def test_uncertain_again():
    """A shown label goes only when the confidence is clearly below the threshold."""
    found = labels([0.6, 0.49, 0.45, 0.43, 0.41, 0.45, 0.49, 0.52], other=None)
    assert found == ['happiness'] * 4 + [UNCERTAIN] * 3 + ['happiness']


def test_no_flicker_at_the_threshold():
    """Noise about the threshold changes the label once at most."""
    noise = 0.5 + np.random.default_rng(4).uniform(-0.07, 0.07, 500)
    found = labels(noise.tolist(), other=None)
    changes = sum(a != b for a, b in itertools.pairwise(found))
    assert changes <= 1
    assert found[-1] == 'happiness'


def test_no_flicker_between_two():
    """Noise about equality of two expressions does not switch the label; a clear lead does."""
    settings = TrackingSettings(smoothing_s=0, uncertain_below=0.3, hysteresis=0.08)
    noise = 0.5 + np.random.default_rng(5).uniform(-0.03, 0.03, 500)
    found = labels([0.6, *noise], settings)
    assert set(found) == {'happiness'}
    assert labels([0.6, 0.47, 0.45, 0.55, 0.53], settings)[1:] == [
        'happiness',
        'neutral',
        'happiness',
        'happiness',
    ]


def test_without_hysteresis():
    """With no hysteresis the leader is shown, and the threshold is one number."""
    settings = TrackingSettings(smoothing_s=0, uncertain_below=0.5, hysteresis=0.0)
    assert labels([0.51, 0.49, 0.51], settings) == ['happiness', 'neutral', 'happiness']
    assert labels([0.51, 0.49, 0.51], settings, other=None) == [
        'happiness',
        UNCERTAIN,
        'happiness',
    ]


def test_leader_that_is_not_confident():
    """When a label is overtaken by one that is itself too weak, nothing is certain."""
    settings = TrackingSettings(smoothing_s=0, uncertain_below=0.5, hysteresis=0.08)
    expression = smooth(
        settings, (spread(happiness=0.9), 0.0), (spread(happiness=0.25, sadness=0.45), 0.1)
    )
    assert expression.label == UNCERTAIN
    assert expression.confidence == pytest.approx(0.45)


def test_switch_of_label():
    """A change of expression is followed within about the time constant, through no third label."""
    settings = TrackingSettings(smoothing_s=0.35)
    expression = smooth(settings, (HAPPY, 0.0))
    seen = []
    for _ in range(30):
        expression.update(SAD, 1 / RATE_HZ, settings)
        seen.append(expression.label)
    assert set(seen) <= {'happiness', UNCERTAIN, 'sadness'}
    assert 0.15 < seen.index('sadness') / RATE_HZ < 0.45
    assert seen[-1] == 'sadness'


def test_confidence_of_the_shown_label():
    """Confidence belongs to the label that is shown, even where another leads by a little."""
    settings = TrackingSettings(smoothing_s=0, uncertain_below=0.4, hysteresis=0.08)
    expression = smooth(
        settings, (spread(happiness=0.9), 0.0), (spread(happiness=0.44, sadness=0.48), 0.1)
    )
    assert expression.label == 'happiness'
    assert expression.confidence == pytest.approx(0.44)


@pytest.mark.parametrize('label', EMOTIONS)
def test_order_of_labels(label):
    """Each place in the vector stands for the label at that place of EMOTIONS."""
    assert smooth(TrackingSettings(), (spread(**{label: 0.94}), 0.0)).label == label


def test_changed_thresholds():
    """Thresholds count from the next frame on."""
    expression = smooth(TrackingSettings(smoothing_s=0), (spread(happiness=0.7), 0.0))
    assert expression.label == 'happiness'
    strict = TrackingSettings(smoothing_s=0, uncertain_below=0.9)
    expression.update(spread(happiness=0.7), 0.1, strict)
    assert expression.label == UNCERTAIN


def test_who_is_followed():
    """A face that is not seen is still followed, until the gap is too long or all begins anew."""
    tracker = Tracker(TrackingSettings(max_gap_s=0.5))
    assert tracker.ids == set()
    ids(tracker, 0.0, face(100, 100), face(300, 100))
    assert tracker.ids == {1, 2}
    ids(tracker, 0.4, face(100, 100))
    assert tracker.ids == {1, 2}
    ids(tracker, 0.6, face(100, 100))
    assert tracker.ids == {1}
    ids(tracker, 0.7, face(100, 100), face(300, 100))
    assert tracker.ids == {1, 3}
    tracker.reset()
    assert tracker.ids == set()
