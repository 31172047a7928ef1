"""Counts since the start; rates and percentiles of the recent past."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from emotion_perception.ros import frame_statistics as module
from emotion_perception.ros.frame_statistics import WINDOW_S, FrameStatistics


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that only moves when it is told to."""
    hands = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(module, 'time', SimpleNamespace(monotonic=lambda: hands.now))
    return hands


def test_before_the_first_frame(clock):
    """Nothing counted, nothing measured."""
    statistics = FrameStatistics()
    assert (statistics.received, statistics.skipped, statistics.processed) == (0, 0, 0)
    assert statistics.rate_hz() == 0
    for which in ('processing', 'age'):
        assert all(math.isnan(value) for value in statistics.percentiles_ms(which))
    assert statistics.last_frame_at == -math.inf


def test_counts(clock):
    """Frames and faces are summed, from the start on."""
    statistics = FrameStatistics()
    for faces in (0, 2, 5):
        clock.now += 60
        statistics.add_frame(faces, 0.01, 0.02)
    assert (statistics.processed, statistics.faces) == (3, 7)


def test_failures(clock):
    """Each kind of failure is counted for itself and is news only once."""
    statistics = FrameStatistics()
    assert statistics.add_failure('data missing', 'first text')
    assert not statistics.add_failure('data missing', 'second text')
    assert statistics.add_failure('unknown encoding', 'third text')
    assert dict(statistics.failed) == {'data missing': 2, 'unknown encoding': 1}
    assert statistics.last_failure == 'third text'


def test_arrivals(clock):
    """Arrived and skipped frames are counted, and when the last one came."""
    statistics = FrameStatistics()
    for arrived, skipped in ((5.0, False), (5.1, True), (5.2, True)):
        statistics.add_arrival(skipped, arrived)
    assert statistics.arrivals() == (3, 2)
    assert statistics.last_frame_at == 5.2


def test_formats(clock):
    """The first format is no change, and each other one is."""
    statistics = FrameStatistics()
    for text in ('640x480 bgr8', '640x480 bgr8', '640x480 mono8', '320x240 mono8'):
        statistics.add_format(text)
    assert statistics.format_changes == 2
    assert statistics.format == '320x240 mono8'


@pytest.mark.parametrize('rate_hz', [1, 7.5, 30, 100])
def test_rate(clock, rate_hz):
    """The rate is that of the last ten seconds, exactly at a steady rate."""
    statistics = FrameStatistics()
    for _ in range(int(25 * rate_hz)):
        clock.now += 1 / rate_hz
        statistics.add_frame(1, 0.01, 0.02)
    assert statistics.rate_hz() == pytest.approx(rate_hz, rel=0.01)


def test_rate_follows(clock):
    """After a change of rate the old one is forgotten within the window."""
    statistics = FrameStatistics()
    for seconds, rate_hz in ((20, 30), (11, 5)):
        for _ in range(seconds * rate_hz):
            clock.now += 1 / rate_hz
            statistics.add_frame(1, 0.01, 0.02)
    assert statistics.rate_hz() == pytest.approx(5, rel=0.03)


def test_silence(clock):
    """When no frame comes any more, the rate falls, and after the window nothing is told."""
    statistics = FrameStatistics()
    for _ in range(300):
        clock.now += 1 / 30
        statistics.add_frame(1, 0.01, 0.02)
    clock.now += WINDOW_S / 2
    assert statistics.rate_hz() == pytest.approx(15, rel=0.02)
    clock.now += WINDOW_S / 2 + 1
    assert statistics.rate_hz() == 0
    assert math.isnan(statistics.percentiles_ms('processing')[0])
    assert math.isnan(statistics.percentiles_ms('age')[1])


def test_percentiles(clock):
    """Median and 99th percentile are those of NumPy, in milliseconds, each of its own column."""
    statistics = FrameStatistics()
    times = np.random.default_rng(0).uniform(0.001, 0.020, 200)
    for value in times:
        clock.now += 0.01
        statistics.add_frame(1, value, 2 * value)
    expected = np.percentile(times, (50, 99)) * 1000
    assert statistics.percentiles_ms('processing') == pytest.approx(tuple(expected))
    assert statistics.percentiles_ms('age') == pytest.approx(tuple(2 * expected))


def test_percentiles_of_the_window(clock):
    """What is older than the window does not count."""
    statistics = FrameStatistics()
    statistics.add_frame(1, 5.0, 5.0)
    clock.now += WINDOW_S + 0.1
    for _ in range(10):
        statistics.add_frame(1, 0.010, 0.030)
    assert statistics.percentiles_ms('processing') == pytest.approx((10, 10))
    assert statistics.percentiles_ms('age') == pytest.approx((30, 30))


def test_unknown_ages(clock):
    """Stamps that say nothing are left out of the ages."""
    statistics = FrameStatistics()
    for age_s in (math.nan, 0.040, math.nan):
        statistics.add_frame(1, 0.010, age_s)
    assert statistics.percentiles_ms('age') == pytest.approx((40, 40))
    only_unknown = FrameStatistics()
    only_unknown.add_frame(1, 0.010, math.nan)
    assert all(math.isnan(value) for value in only_unknown.percentiles_ms('age'))


def test_memory_is_bounded(clock):
    """An hour at 30 Hz leaves only the window's frames behind."""
    statistics = FrameStatistics()
    for _ in range(108_000):
        clock.now += 1 / 30
        statistics.add_frame(1, 0.01, 0.02)
    assert statistics.processed == 108_000
    assert len(statistics._recent) <= 302


def test_instances_are_apart(clock):
    """Two nodes do not share their counts."""
    first, second = FrameStatistics(), FrameStatistics()
    first.add_failure('kind', 'text')
    first.add_frame(1, 0.1, 0.1)
    assert not second.failed
    assert second.rate_hz() == 0
    assert math.isnan(second.percentiles_ms('age')[0])
