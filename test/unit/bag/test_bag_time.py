# SPDX-License-Identifier: Apache-2.0
"""The time in a recording while it is played."""

import pytest

from emotion_perception.bag import player
from emotion_perception.bag.player import BagClock

S = 10**9


@pytest.fixture
def now(monkeypatch):
    """Return the monotonic time in seconds as a list of one number that a test changes."""
    now = [100.0]
    monkeypatch.setattr(player.time, 'monotonic', lambda: now[0])
    return now


@pytest.mark.parametrize('rate', [0.5, 1.0, 4.0])
def test_it_runs_at_its_rate(now, rate):
    clock = BagClock(rate)
    assert (clock.now_ns(), clock.seconds_until(7 * S)) == (0, 0)
    clock.advance(7 * S)
    assert clock.seconds_until(8 * S) == pytest.approx(1 / rate)
    now[0] += 1 / rate
    assert clock.now_ns() == pytest.approx(8 * S)
    now[0] += 1 / rate
    assert clock.seconds_until(8 * S) == pytest.approx(-1 / rate)


def test_it_moves_forward_to_an_image_that_was_sent_too_early(now):
    clock = BagClock(1.0)
    clock.advance(7 * S)
    clock.advance(9 * S)
    assert clock.now_ns() == 9 * S
    now[0] += 5
    assert clock.now_ns() == pytest.approx(12 * S)


def test_without_a_rate_it_only_moves_from_image_to_image(now):
    clock = BagClock()
    clock.advance(7 * S)
    now[0] += 5
    assert (clock.now_ns(), clock.seconds_until(99 * S)) == (7 * S, 0)
    clock.advance(8 * S)
    assert clock.now_ns() == 8 * S
