"""Time that can be relied on, from stamps that cannot."""

import numpy as np
import pytest

from emotion_perception.ros.stamps import MAX_DISORDER_S, MonotonicStamps


def times(*pairs):
    """Return clock and time of each (stamp, arrival)."""
    clock = MonotonicStamps()
    return clock, [clock.to_monotonic_s(*pair) for pair in pairs]


def test_steady_stamps_decide():
    """The steps are those of the stamps; how long images were under way does not matter."""
    delays = np.random.default_rng(0).uniform(0, 0.2, 50)
    stamps = 1.7e9 + np.arange(50) / 30
    _, found = times(*zip(stamps, 5 + np.arange(50) / 30 + delays, strict=True))
    assert np.diff(found) == pytest.approx([1 / 30] * 49, abs=1e-6)


@pytest.mark.parametrize('stamp_s', [0.0, 12.5])
def test_stamps_that_stand_still_leave_it_to_the_arrival(stamp_s):
    """Zero, or any other stamp that stays, is no step of no time."""
    clock, found = times(*((stamp_s, 3 + step * 0.1) for step in range(5)))
    assert np.diff(found) == pytest.approx([0.1] * 4)
    assert clock.jumps_back == 0


def test_a_clock_that_goes_on():
    """After a pause the stamps decide again."""
    _, found = times((10.0, 0.0), (10.1, 0.1), (10.1, 0.4), (10.1, 0.9), (10.2, 1.0))
    assert np.diff(found) == pytest.approx([0.1, 0.3, 0.5, 0.1])


def test_a_little_older_takes_no_time():
    """Images out of order wait for the newest stamp to be passed."""
    clock, found = times(*((stamp, 0.0) for stamp in (10.0, 10.1, 10.05, 9.65, 10.12)))
    assert np.diff(found) == pytest.approx([0.1, 0, 0, 0.02])
    assert clock.jumps_back == 0


def test_two_clocks_that_differ():
    """The images of two cameras, one 0.3 s behind, do not make time run faster."""
    pairs = [(10 + step / 30 - behind, step / 30) for step in range(30) for behind in (0.0, 0.3)]
    clock, found = times(*pairs)
    assert clock.jumps_back == 0
    assert found[-1] - found[0] == pytest.approx(29 / 30)


def test_a_jump_back_is_counted_and_time_goes_on():
    """A recording that begins anew counts from where it begins."""
    clock, found = times((50.0, 0.0), (50.1, 0.1), (2.0, 0.2), (2.1, 0.3), (0.0, 0.4), (0.1, 0.5))
    assert clock.jumps_back == 2
    assert np.diff(found) == pytest.approx([0.1, 0, 0.1, 0, 0.1])


@pytest.mark.parametrize(
    ('back_s', 'jumps'), [(MAX_DISORDER_S - 0.01, 0), (MAX_DISORDER_S + 0.01, 1)]
)
def test_the_bound(back_s, jumps):
    """The bound between disorder and a jump is the one that is documented."""
    clock, _ = times((50.0, 0.0), (50.0 - back_s, 0.1))
    assert clock.jumps_back == jumps


def test_one_wrong_stamp():
    """A single stamp from the future is a long step and a jump back, and then all is well."""
    clock, found = times((10.0, 0.0), (9999.0, 0.1), (10.2, 0.2), (10.3, 0.3))
    assert clock.jumps_back == 1
    assert np.diff(found) == pytest.approx([9989, 0, 0.1])


def test_an_arrival_clock_that_runs_back():
    """Not even a broken clock makes time run back."""
    _, found = times((0.0, 5.0), (0.0, 4.0), (0.0, 4.5))
    assert np.diff(found) == pytest.approx([0, 0.5])
