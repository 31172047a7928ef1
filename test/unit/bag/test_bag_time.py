"""The recording's own time while it is played."""

import pytest

from emotion_perception.bag import player
from emotion_perception.bag.player import BagTime


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that a test sets; it begins at 100 s."""
    now = [100.0]
    monkeypatch.setattr(player.time, 'monotonic', lambda: now[0])
    return now


@pytest.mark.parametrize('rate', [0.5, 1.0, 4.0])
def test_it_runs_at_its_rate(clock, rate):
    time = BagTime(rate)
    assert time.now_ns() == 0
    assert time.left_s(7 * 10**9) == 0
    time.reach(7 * 10**9)
    assert time.left_s(8 * 10**9) == pytest.approx(1 / rate)
    clock[0] += 1 / rate
    assert time.now_ns() == pytest.approx(8 * 10**9)
    clock[0] += 1 / rate
    assert time.left_s(8 * 10**9) == pytest.approx(-1 / rate)


def test_it_goes_on_to_an_image_that_was_sent_too_early(clock):
    time = BagTime(1.0)
    time.reach(7 * 10**9)
    time.reach(9 * 10**9)
    assert time.now_ns() == 9 * 10**9
    clock[0] += 5
    assert time.now_ns() == pytest.approx(12 * 10**9)


def test_without_a_rate_it_only_goes_from_image_to_image(clock):
    time = BagTime()
    time.reach(7 * 10**9)
    clock[0] += 5
    assert time.now_ns() == 7 * 10**9
    assert time.left_s(99 * 10**9) == 0
    time.reach(8 * 10**9)
    assert time.now_ns() == 8 * 10**9
