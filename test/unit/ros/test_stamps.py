# SPDX-License-Identifier: Apache-2.0
"""Image stamps become times that never decrease."""

import numpy as np
import pytest

from emotion_perception.ros.stamps import MAX_DISORDER_S, MonotonicStamps


def to_times(*pairs):
    """Return the jumps back and the times of a stream of (stamp, arrival)."""
    stamps = MonotonicStamps()
    times_s = [stamps.to_monotonic_s(*pair) for pair in pairs]
    return stamps.jumps_back, times_s


def test_the_steps_are_those_of_steady_stamps():
    """How long images take to arrive does not matter."""
    delays_s = np.random.default_rng(0).uniform(0, 0.2, 50)
    stamps_s = 1.7e9 + np.arange(50) / 30
    _, times_s = to_times(*zip(stamps_s, 5 + np.arange(50) / 30 + delays_s, strict=True))
    assert np.diff(times_s) == pytest.approx([1 / 30] * 49, abs=1e-6)


@pytest.mark.parametrize(
    ('pairs', 'steps_s', 'jumps'),
    [
        ([(0.0, 3.0), (0.0, 3.1), (0.0, 3.3)], [0.1, 0.2], 0),
        ([(12.5, 3.0), (12.5, 3.1), (12.5, 3.3)], [0.1, 0.2], 0),
        (
            [(10.0, 0.0), (10.1, 0.1), (10.1, 0.4), (10.1, 0.9), (10.2, 1.0)],
            [0.1, 0.3, 0.5, 0.1],
            0,
        ),
        ([(10.0, 0), (10.1, 0), (10.05, 0), (9.65, 0), (10.12, 0)], [0.1, 0, 0, 0.02], 0),
        (
            [(50.0, 0.0), (50.1, 0.1), (2.0, 0.2), (2.1, 0.3), (0.0, 0.4), (0.1, 0.5)],
            [0.1, 0, 0.1, 0, 0.1],
            2,
        ),
        ([(50.0, 0.0), (50.0 - MAX_DISORDER_S + 0.01, 0.1)], [0], 0),
        ([(50.0, 0.0), (50.0 - MAX_DISORDER_S - 0.01, 0.1)], [0], 1),
        ([(10.0, 0.0), (9999.0, 0.1), (10.2, 0.2), (10.3, 0.3)], [9989, 0, 0.1], 1),
        ([(0.0, 5.0), (0.0, 4.0), (0.0, 4.5)], [0, 0.5], 0),
    ],
    ids=[
        'no stamps',
        'a paused clock',
        'a clock that goes on',
        'out of order',
        'a recording that starts again',
        'just disorder',
        'just a jump',
        'one wrong stamp',
        'an arrival clock that runs back',
    ],
)
def test_stamps_that_are_not_steady(pairs, steps_s, jumps):
    jumps_back, times_s = to_times(*pairs)
    assert np.diff(times_s) == pytest.approx(steps_s)
    assert jumps_back == jumps


def test_two_cameras_whose_clocks_differ():
    """The images of a second camera, 0.3 s behind, do not make time run faster."""
    pairs = [(10 + step / 30 - behind, step / 30) for step in range(30) for behind in (0.0, 0.3)]
    jumps_back, times_s = to_times(*pairs)
    assert jumps_back == 0
    assert times_s[-1] - times_s[0] == pytest.approx(29 / 30)
