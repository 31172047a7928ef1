"""The benchmark's arithmetic, its pictures and its tables are right, and its peers are asked in turn."""

import json
import socket
import sys

import numpy as np
import pytest

from benchmarks import figures, growth, peers, stages, tables
from benchmarks.frames import FACES, SIZES, frame
from benchmarks.processes import free_domain
from emotion_perception import Pipeline


def test_percentiles_are_in_milliseconds():
    times = np.arange(1, 101) / 1000
    assert figures.percentiles_ms(times) == {'p50': 50.5, 'p95': 95.05, 'p99': 99.01}
    assert figures.percentiles_ms([]) == {}


def test_the_spread_is_that_of_the_rounds():
    found = figures.of_rounds([[0.001, 0.002, 0.009], [0.003, 0.003, 0.003]])
    assert found['p50_rounds'] == [2.0, 3.0]
    assert found['p50'] == 3.0
    assert found['calls'] == 6


def test_a_ratio_is_taken_round_by_round():
    found = figures.ratio([[0.010], [0.030], [0.050]], [[0.001], [0.002], [0.010]])
    assert found == {'median': 10.0, 'low': 5.0, 'high': 15.0}


def test_a_line_through_points():
    found = figures.line_fit([0, 1, 3], [2, 5, 11])
    assert found['slope'] == pytest.approx(3)
    assert found['start'] == pytest.approx(2)
    assert found['r2'] == 1.0


def test_calls_are_interleaved():
    order = []

    def work(name):
        def call(index):
            order.append((name, index))
            return 0.001 * (index + 1)

        return call

    times = figures.interleaved({'a': work('a'), 'b': work('b')}, calls=2, rounds=2, warm=1)
    assert order[2:] == [('a', 0), ('b', 0), ('a', 1), ('b', 1)] * 2
    assert times == {'a': [[0.001, 0.002]] * 2, 'b': [[0.001, 0.002]] * 2}


@pytest.mark.parametrize('size', SIZES)
def test_the_detector_finds_each_face_of_the_pictures(size):
    pipeline = Pipeline.default(tracking=False)
    assert [len(pipeline.process(frame(size, count))) for count in FACES] == list(FACES)


def test_the_stages_add_up_to_the_whole():
    serve, watch = stages.make_work(stages.Case(faces=3), {})
    serve(0)
    watch.spent = dict.fromkeys(stages.STAGES, 0.0)
    whole = sum(serve(index) for index in range(1, 11))
    assert set(watch.spent) == set(stages.STAGES)
    assert all(spent > 0 for spent in watch.spent.values())
    assert 0.8 * whole < sum(watch.spent.values()) <= whole


def test_a_worker_answers_with_seconds_and_faces(tmp_path):
    peers.write_frames(tmp_path, 3)
    worker = peers.Worker(peers.OURS, sys.executable, tmp_path)
    try:
        assert [0 < worker(index) < 5 for index in range(4)] == [True] * 4
        assert worker.faces == {1}
    finally:
        worker.stop()


def test_a_worker_that_cannot_start_says_why(tmp_path):
    peers.write_frames(tmp_path, 1)
    with pytest.raises(peers.PeerError, match="fer: .*No module named 'fer'"):
        peers.Worker('fer', sys.executable, tmp_path)


def test_a_domain_that_somebody_is_in_is_not_taken():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as somebody:
        # where Fast DDS waits for others in domain 215
        somebody.bind(('', 61160))
        assert [free_domain([215, 216]) for _ in range(5)] == [216] * 5
        assert free_domain([215]) == 215


def row(faces=1, size=(640, 480), p50=3.0, every=1):
    whole = {
        'p50': p50,
        'p95': p50 + 1,
        'p99': p50 + 2,
        'p50_rounds': [p50, p50 + 0.5],
        'calls': 9,
    }
    return {
        'width': size[0], 'height': size[1], 'faces': faces, 'transport': 'raw', 'detector': 'blazeface',
        'cores': 1, 'every': every, 'whole': whole, 'cpu_ms': p50, 'stages': dict.fromkeys(stages.STAGES, 0.5),
    }  # fmt: skip


def stream(rate, faces=1):
    return {
        'rate_hz': rate, 'width': 640, 'height': 480, 'faces': faces, 'found': faces, 'sent': 240,
        'processed': 240, 'skipped': 0, 'latency': {'p50': 4.0, 'p95': 5.0, 'p99': 6.0}, 'cpu_ms': 4.0,
        'cpu_share': rate / 200, 'memory_mb': 170.0,
    }  # fmt: skip


def test_tables_and_fits_say_what_was_measured(tmp_path):
    sizes = [(320, 240), (1280, 720)]
    results = {
        'stages': [row(n, p50=2.0 + n) for n in (0, 1, 3)] + [row(size=s, p50=1.0) for s in sizes]
        + [row(p50=2.5, every=3)],
        'streams': [stream(15), stream(30), stream(60), stream(30, 10)],
        'start': [{'ready_s': 0.4, 'first_emotion_s': 0.5}, {'ready_s': 0.6, 'first_emotion_s': 0.9}],
        'states': [{'state': 'inactive', 'cpu_share': 0.01, 'memory_mb': 150.0}],
        'peers': {
            'node': figures.of_rounds([[0.004]]) | {'version': 'as the node runs', 'faces': [1]},
            'fer': figures.of_rounds([[0.06]])
            | {'version': '25', 'faces': [1], 'times_slower': {'node': {'median': 15, 'low': 12, 'high': 20}}},
        },
    }  # fmt: skip
    results['growth'] = growth.fits(json.loads(json.dumps(results)))
    assert results['growth']['faces']['slope'] == pytest.approx(1.0)
    assert results['growth']['faces']['start'] == pytest.approx(2.0)
    assert results['growth']['rate']['slope'] == pytest.approx(1 / 200)
    assert '2.0 ms and 1.00 ms a face' in growth.sentences(results['growth'])
    told = tables.budgets(results)
    assert (
        'every image searched: image to messages, p50 / p99 | 5 / 10 ms | 3.0 / 5.0 ms |' in told
    )
    assert (
        'every 3. image searched: image to messages, p50 / p99 | 5 / 10 ms | 2.5 / 4.5 ms |'
        in told
    )
    assert '| 33 ms; all | 6.0 ms; 240 of 240 |' in told
    assert '| 1 ms | 0.17 to 0.50 ms |' in told
    assert '| 1.5 s | 0.40 to 0.60 s |' in told
    assert '| first emotion after start |  | 0.50 to 0.90 s |' in told
    assert '| 10 | node: 15.0 (12.0 to 20.0) |' in told
    assert '| 200 MB | 170 MB |' in told
    nothing = {'way': 'none', 'width': 9, 'height': 5, 'arrived': 0, 'sent': 3, 'latency': {}}
    assert tables.transport({'transport': [nothing]}).endswith('\n| none | 9x5 | 0 of 3 |  |  |')
    growth.plot(results, tmp_path / 'plot.png')
    assert (tmp_path / 'plot.png').stat().st_size > 10_000
