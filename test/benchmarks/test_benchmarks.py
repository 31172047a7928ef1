# SPDX-License-Identifier: Apache-2.0
"""
The arithmetic and the images of the benchmarks, and tables of what a record may lack.

That the tables of the record are those of the manual is checked in test/system/test_docs.py.
"""

import re
import sys

import cv2
import numpy as np
import pytest

from benchmarks import clip_labels, live_page, peers, result_tables, timing
from benchmarks.face_images import FACES, SIZES, draw_faces
from benchmarks.networks import make_yardstick, network_sizes
from benchmarks.runtimes import measure_runtimes
from benchmarks.stages import STAGES, Case, StageTimer
from benchmarks.timing import measure_in_rounds, merge_rows
from emotion_perception import Pipeline
from emotion_perception.runtime.network import choose_runtime
from support.drawn_faces import draw_face
from support.tables import cells_of


def test_percentiles_are_in_milliseconds():
    times = np.arange(1, 101) / 1000
    assert timing.percentiles_ms(times) == {'p50': 50.5, 'p95': 95.05, 'p99': 99.01}
    assert timing.percentiles_ms([]) == {}


def test_rounds_are_summarized():
    found = timing.summarize_rounds([[0.001, 0.002, 0.009], [0.003, 0.003, 0.003]])
    assert (found['p50'], found['p50_rounds'], found['calls']) == (3.0, [2.0, 3.0], 6)
    assert found['mean'] == 3.5


def test_slowdown_is_the_median_of_the_rounds_ratios():
    found = timing.slowdown([[0.010], [0.030], [0.050]], [[0.001], [0.002], [0.010]])
    assert found == {'median': 10.0, 'low': 5.0, 'high': 15.0}
    found = timing.slowdown([[0.01, 0.01, 0.04]], [[0.001, 0.001, 0.004]], np.mean)
    assert found['median'] == 10.0
    assert timing.slowdown([[0.01, 0.01, 0.07]], [[0.001] * 3], np.mean)['median'] == 30.0


def test_functions_are_timed_in_turn():
    order = []

    def make(name):
        return lambda index: order.append((name, index)) or 0.001 * (index + 1)

    times = timing.time_in_turn({'a': make('a'), 'b': make('b')}, calls=2, rounds=2)
    assert order[2 * timing.WARM_UP_CALLS :] == [('a', 0), ('b', 0), ('a', 1), ('b', 1)] * 2
    assert times == {'a': [[0.001, 0.002]] * 2, 'b': [[0.001, 0.002]] * 2}


@pytest.mark.parametrize('size', SIZES)
def test_each_drawn_face_is_detected(size):
    pipeline = Pipeline.default(tracking=False)
    assert [len(pipeline.process(draw_faces(size, n))) for n in FACES] == list(FACES)


def test_every_stage_is_timed():
    timer = StageTimer(Case(faces=3))
    with timer.installed():
        elapsed_s = sum(timer(index) for index in range(5))
    assert timer.spent_s.keys() == set(STAGES)
    assert all(spent > 0 for spent in timer.spent_s.values())
    assert sum(timer.spent_s.values()) <= elapsed_s
    assert (timer.readings, timer.other_counts) == (15, 0)


def test_network_sizes():
    """The yardstick has the 31 million multiplications that the budgets count in."""
    sizes = network_sizes()
    assert sizes['face_detection_short_range'] == 30_760_960
    assert sizes['face_landmark'] + sizes['iris_landmark'] < 90_000_000
    assert len(sizes) == 5
    assert make_yardstick()(0) > 0


def test_peers_report_times_and_faces(tmp_path):
    peers.write_frames(tmp_path, 3)
    peer = peers.Peer(peers.NODE, sys.executable, tmp_path)
    try:
        assert all(peer(index) > 0 for index in range(4))
        assert peer.faces == {1}
    finally:
        peer.stop()
    with pytest.raises(peers.PeerError, match="fer: .*No module named 'fer'"):
        peers.Peer('fer', sys.executable, tmp_path)


def test_tables_of_some_parts():
    """`make bench` with `--part` prints the tables whose parts were measured, and no others."""
    start = [{'ready_s': 0.4, 'first_emotion_s': 0.5}, {'ready_s': 0.6, 'first_emotion_s': 0.9}]
    lost = {'way': 'none', 'width': 9, 'height': 5, 'arrived': 0, 'sent': 3, 'latency': {}}
    times = [{'what': 'net', 'LiteRT': {'p50': 2.0}, 'OpenCV': {'p50': 5.0}}]
    runtimes = {'times': times, 'differences': {}}
    tables = result_tables.tables_of({'start': start, 'transport': [lost], 'runtimes': runtimes})
    assert list(tables) == ['budgets', 'runtimes', 'transport']
    cells = cells_of('\n'.join(tables.values()))
    assert ['ready after start', '0.7 s', '0.50 s (0.40 to 0.60)'] in cells
    assert ['none', '9x5', '0 of 3', '', ''] in cells
    assert cells[-4] == ['net', '2.0', '5.0', '2.5']


def test_the_images_are_left_out_of_the_memory():
    latency = {'p50': 9.0, 'p95': 15.0, 'p99': 20.0}
    stream = {
        'rate_hz': 30, 'width': 640, 'height': 480, 'faces': 1, 'found': 1, 'sent': 720,
        'processed': 719, 'skipped': 1, 'latency': latency, 'oldest_reading_ms': 67.0,
        'cpu_ms': 7.0, 'cpu_share': 0.2, 'memory_mb': 170.4, 'image_memory_mb': 17.1,
    }  # fmt: skip
    more = stream | {'faces': 10, 'memory_mb': 172.0}
    cells = cells_of(result_tables.tables_of({'streams': [stream, more]})['budgets'])
    what = 'memory of the node, 640x480, and images in shared memory'
    assert [what, '160 MB', '155 MB, 17 MB'] in cells


def test_both_runtimes_are_measured(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / 'fear').mkdir()
    for number in range(4):
        cv2.imwrite(str(tmp_path / f'fear/{number}.png'), draw_face('fear', rng))
    found = measure_runtimes(2, tmp_path, most=3)
    assert len(found['times']) == 7
    assert all(row[name]['p50'] > 0 for row in found['times'] for name in ('LiteRT', 'OpenCV'))
    assert found['differences']['faces'] == 3
    assert 0 < found['differences']['p50'] <= found['differences']['max'] < 0.1
    assert choose_runtime() == 'LiteRT'


def test_labels_in_clips(tmp_path, portrait):
    assert clip_labels.count_changes(['fear', 'uncertain', 'fear', 'neutral', 'uncertain']) == 1
    assert clip_labels.measure_clip_labels(tmp_path, None, print) == []
    clip = cv2.VideoWriter(
        str(tmp_path / 'a.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, portrait.shape[1::-1]
    )
    for _ in range(10):
        clip.write(portrait)
    clip.release()
    rows = clip_labels.measure_clip_labels(tmp_path, None, print)
    assert [row['setting'] for row in rows] == list(clip_labels.SETTINGS)
    for row in rows:
        assert (row['faces'], row['changes'], row['other_label']) == (10, 0, 0)
    table = result_tables.clip_labels({'clip_labels': rows})
    assert ['default', '10', f'{rows[0]["uncertain"]:.1%}', '0', '0.0%'] in cells_of(table)


@pytest.mark.slow
def test_the_live_page_is_measured():
    """A page opens beside the node, and both are measured while images come."""
    row = live_page.measure_page('a page', 'none', 1, 1.0, 1)
    assert row['sent'] == 30
    assert 0 < row['processed'] <= 30
    assert row['page_mb'] > 20
    assert 0.2 < row['distance_m'] < 5
    job = row['fixed_job']
    assert 0 < job['p50'] <= job['p99']
    table = result_tables.live_page({'live_page': [row]})
    cells = re.sub(' +', ' ', table)
    assert f'| a page | {row["processed"]} of 30 |' in cells
    assert f'| {job["p50"]:.1f} / {job["p99"]:.1f} |' in cells


def test_rounds_are_merged_to_medians_and_sums():
    rows = iter(
        {'page': 'p', 'sent': 30, 'share': share, 'latency': latency}
        for share, latency in [
            (0.3, {'p50': 4.0, 'p99': 9.0}),
            (0.5, {'p50': 5.0, 'p99': 40.0}),
            (0.4, {'p50': 6.0, 'p99': 10.0}),
        ]
    )
    (row,) = measure_in_rounds([lambda: next(rows)], 3)
    latency = {'p50': 5.0, 'p99': 10.0, 'p99_rounds': [9.0, 40.0]}
    assert row == {'page': 'p', 'sent': 90, 'share': 0.4, 'latency': latency}
    row |= {'processed': 88, 'node_share': 0.1, 'page_share': 0.0} | dict.fromkeys(
        ('page_mb', 'node_mb'), 0.0
    )
    cells = result_tables.live_page({'live_page': [row]}).splitlines()[-1].split('|')
    assert [cell.strip() for cell in cells[1:6]] == ['p', '88 of 90', '5.0', '', '10.0 (9 to 40)']


def test_a_round_without_messages_counts_as_none():
    rows = [{'latency': {}}, {'latency': {'p50': 1.0, 'p99': 3.0}}]
    latency = {'p50': 1.0, 'p99': 3.0, 'p99_rounds': [3.0, 3.0]}
    assert merge_rows(rows) == {'latency': latency}
    assert merge_rows(rows[:1]) == {'latency': {}}
