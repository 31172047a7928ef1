# SPDX-License-Identifier: Apache-2.0
"""Counts since the start, rate and percentiles of the recent past, and the diagnostics."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from emotion_perception.ros import frame_statistics as module
from emotion_perception.ros.diagnostics import NodeStatus, level_and_message, to_diagnostic_status
from emotion_perception.ros.frame_statistics import WINDOW_S, FrameStatistics


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that only the test moves."""
    clock = SimpleNamespace(now_s=1000.0)
    monkeypatch.setattr(module, 'time', SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


def add_frames(statistics, clock, seconds, rate_hz):
    for _ in range(int(seconds * rate_hz)):
        clock.now_s += 1 / rate_hz
        statistics.add_frame(1, 0.01, 0.02)


def test_before_the_first_frame(clock):
    statistics = FrameStatistics()
    assert statistics.arrivals() == (0, 0)
    assert statistics.processed == 0
    assert statistics.rate_hz() == 0
    assert statistics.last_frame_at_s == -math.inf
    for which in ('processing', 'age'):
        assert all(math.isnan(value) for value in statistics.percentiles_ms(which))


def test_counts(clock):
    statistics = FrameStatistics()
    for arrived_s, dropped in ((5.0, False), (5.1, True), (5.2, True)):
        statistics.add_arrival(arrived_s, dropped)
    statistics.add_dropped()
    assert statistics.arrivals() == (3, 3)
    assert statistics.last_frame_at_s == 5.2
    for faces in (0, 2, 5):
        clock.now_s += 60
        statistics.add_frame(faces, 0.01, 0.02)
    assert (statistics.processed, statistics.faces) == (3, 7)
    for text in ('640x480 bgr8', '640x480 bgr8', '640x480 mono8', '320x240 mono8'):
        statistics.add_format(text)
    assert (statistics.format, statistics.format_changes) == ('320x240 mono8', 2)
    assert [statistics.update_stalled(now) for now in (False, True, True, False, True)] == [
        False,
        True,
        False,
        False,
        True,
    ]
    assert statistics.stalls == 2


def test_each_kind_of_failure_is_new_once(clock):
    statistics, other = FrameStatistics(), FrameStatistics()
    assert statistics.add_failure('data missing', 'first text')
    assert not statistics.add_failure('data missing', 'second text')
    assert statistics.add_failure('unknown encoding', 'third text')
    assert statistics.failed == {'data missing': 2, 'unknown encoding': 1}
    assert statistics.last_failure == 'third text'
    statistics.add_frame(1, 0.1, 0.1)
    assert statistics.last_failure == ''
    assert not other.failed


@pytest.mark.parametrize('rate_hz', [1, 7.5, 30, 100])
def test_a_steady_rate(clock, rate_hz):
    statistics = FrameStatistics()
    add_frames(statistics, clock, 25, rate_hz)
    assert statistics.rate_hz() == pytest.approx(rate_hz, rel=0.01)


def test_the_rate_after_a_pause_and_a_change(clock):
    statistics = FrameStatistics()
    add_frames(statistics, clock, 10, 30)
    clock.now_s += 3
    add_frames(statistics, clock, 1, 30)
    assert statistics.rate_hz() == pytest.approx(30)
    add_frames(statistics, clock, 3, 2)
    assert statistics.rate_hz() == pytest.approx(2)


def test_stamps_that_keep_jumping(clock):
    statistics = FrameStatistics()
    for jumps in (False, False, True):
        statistics.add_jump_back()
        clock.now_s += 2
        assert statistics.keeps_jumping == jumps
    level, text = level_and_message(NodeStatus('active'), statistics)
    assert level == b'\1'
    assert text.startswith('the stamps of the images keep jumping back')
    clock.now_s += WINDOW_S
    assert not statistics.keeps_jumping


@pytest.mark.parametrize(
    ('age_s', 'level', 'text'),
    [
        (0.9, b'\0', 'processing'),
        (1.1, b'\1', 'the images are 1 s old'),
        (90.0, b'\1', 'the images are 90 s old: synchronize the clocks'),
        (-3600.0, b'\1', 'the images are 3600 s ahead: synchronize the clocks'),
        (math.nan, b'\0', 'processing'),
    ],
)
def test_the_age_of_images(age_s, level, text):
    statistics = FrameStatistics()
    statistics.add_frame(1, 0.01, age_s)
    found, message = level_and_message(NodeStatus('active'), statistics)
    assert found == level
    assert message.startswith(text)


def test_only_the_window_counts(clock):
    """After a change of rate, and when no frame comes any more."""
    statistics = FrameStatistics()
    statistics.add_frame(1, 5.0, 5.0)
    add_frames(statistics, clock, 20, 30)
    assert statistics.percentiles_ms('processing') == pytest.approx((10, 10))
    add_frames(statistics, clock, 11, 5)
    assert statistics.rate_hz() == pytest.approx(5, rel=0.03)
    clock.now_s += WINDOW_S / 2
    assert statistics.rate_hz() == pytest.approx(2.5, rel=0.05)
    clock.now_s += WINDOW_S / 2 + 1
    assert statistics.rate_hz() == 0
    assert math.isnan(statistics.percentiles_ms('age')[1])


def test_percentiles(clock):
    """Those of NumPy in milliseconds; stamps that are not usable are left out of the ages."""
    statistics = FrameStatistics()
    times_s = np.random.default_rng(0).uniform(0.001, 0.020, 200)
    for value_s in times_s:
        clock.now_s += 0.01
        statistics.add_frame(1, value_s, 2 * value_s)
        statistics.add_frame(1, value_s, math.nan)
    expected = np.percentile(times_s, (50, 99)) * 1000
    assert statistics.percentiles_ms('age') == pytest.approx(tuple(2 * expected))
    expected = np.percentile(np.repeat(times_s, 2), (50, 99)) * 1000
    assert statistics.percentiles_ms('processing') == pytest.approx(tuple(expected))


def test_the_keys_of_the_diagnostic_status(clock):
    statistics = FrameStatistics()
    for kind in ('unknown encoding', 'ValueError', 'ValueError'):
        statistics.add_failure(kind, 'text')
    statistics.repaired['jpeg end missing'] += 1
    statistics.add_arrival(5.0, True)
    statistics.add_format('640x480 bgr8')
    add_frames(statistics, clock, 2, 2)
    details = {'model': 'net', 'tracked_faces': 3}
    status = NodeStatus('active', topic='/image', publishers=1, details=details)
    message = to_diagnostic_status('/node', status, statistics)
    assert message.name == '/node: perception'
    assert {pair.key: pair.value for pair in message.values} == {
        'state': 'active',
        'images_received': '1',
        'images_processed': '4',
        'images_dropped': '1',
        'images_failed': '3',
        'images_failed_unknown_encoding': '1',
        'images_failed_value_error': '2',
        'images_repaired': '1',
        'images_repaired_jpeg_end_missing': '1',
        'image_format': '640x480 bgr8',
        'image_levels': '',
        'format_changes': '0',
        'stamp_jumps_back': '0',
        'camera_stalls': '0',
        'image_topic': '/image',
        'image_publishers': '1',
        'faces_processed': '4',
        'rate_hz': '2.00',
        'processing_p50_ms': '10.00',
        'processing_p99_ms': '10.00',
        'age_p50_ms': '20.00',
        'age_p99_ms': '20.00',
        'model': 'net',
        'tracked_faces': '3',
    }
    values = to_diagnostic_status('/node', NodeStatus('inactive'), FrameStatistics()).values
    empty = {pair.key: pair.value for pair in values}
    assert (empty['age_p99_ms'], empty['image_format']) == ('nan', '')


@pytest.mark.parametrize(
    ('status', 'failure', 'level', 'text'),
    [
        ({'state': 'unconfigured'}, '', b'\0', 'unconfigured; no images are read'),
        ({'state': 'unconfigured', 'error': 'no model'}, '', b'\2', 'no model'),
        ({'state': 'active'}, '', b'\0', 'processing 0.0 images per second'),
        (
            {'state': 'active', 'silence_s': 3.0, 'stalled_after_s': 2.0, 'publishers': 2},
            'cut',
            b'\2',
            'no image for 3.0 s',
        ),
        ({'state': 'active', 'publishers': 2}, 'cut', b'\1', 'the last image failed: cut'),
        (
            {'state': 'active', 'topic': '/image', 'publishers': 2},
            '',
            b'\1',
            '2 publishers on /image',
        ),
        (
            {'state': 'active', 'topic': '/eye', 'silence_s': 3.0, 'stalled_after_s': 2.0},
            '',
            b'\2',
            'no image for 3.0 s; is the camera running, and is /eye its topic?',
        ),
        (
            {'state': 'active', 'silence_s': 3.0, 'stalled_after_s': 2.0, 'mismatch': 'theora'},
            '',
            b'\2',
            'no image for 3.0 s; theora',
        ),
        ({'state': 'active', 'namesakes': 2}, '', b'\1', '3 nodes have this name'),
    ],
)
def test_the_worst_comes_first(status, failure, level, text):
    statistics = FrameStatistics()
    if failure:
        statistics.add_failure('kind', failure)
    found_level, message = level_and_message(NodeStatus(**status), statistics)
    assert found_level == level
    assert message.startswith(text)


@pytest.mark.parametrize(
    ('counts', 'rotate', 'advice'),
    [
        ((9, 0, 0, 0), 0, None),
        ((0, 4, 0, 0), 0, None),
        ((2, 6, 0, 0), 0, None),
        ((0, 5, 0, 0), 0, 'faces were turned by 90 degrees 5 of 5 times'),
        ((1, 0, 9, 0), 0, 'set the parameter rotate to 180'),
        ((0, 8, 0, 0), 0, 'set the parameter rotate to 270'),
        ((0, 0, 0, 8), 0, 'set the parameter rotate to 90'),
        ((0, 0, 8, 0), 90, 'set the parameter rotate to 270'),
        ((0, 8, 0, 0), 90, 'set the parameter rotate to 0'),
    ],
)
def test_a_camera_that_hangs_turned_is_noticed(counts, rotate, advice):
    details = {f'faces_turned_{90 * k}_deg': count for k, count in enumerate(counts)}
    status = NodeStatus('active', details={'rotate': rotate, **details})
    level, message = level_and_message(status, FrameStatistics())
    assert level == (b'\0' if advice is None else b'\1')
    assert (advice or 'processing 0.0 images') in message
