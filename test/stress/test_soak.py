# SPDX-License-Identifier: Apache-2.0
"""A short soak, and figures that show growth and only growth."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotion_perception.detection import make_detector
from stress.soak.growth import growth_table, slope_per_hour, summary, to_record
from stress.soak.soak_run import Run, Sample, soak
from stress.soak.visitors_camera import CROWD, Painter, Program

ROOT = Path(__file__).parents[2]
SAMPLE = Sample(
    time_s=0.0, image=0, resident_mb=170.0, private_mb=70.0, threads=20, file_descriptors=23,
    endpoints=21, topics=8, cpu_share=0.2, sent=1, processed=1, skipped=0, faces=1, highest_id=1,
    latency_p50_ms=8.0, latency_p99_ms=15.0, latency_max_ms=16.0,
)  # fmt: skip


def make_run(change=lambda minute: {}, forgotten=True, ended='', minutes=35):
    """Return a run with a sample every five seconds; `change` returns fields by minute."""
    samples = []
    for step in range(1, minutes * 12 + 1):
        images = dict.fromkeys(('image', 'sent', 'processed'), step * 150)
        # a crowd takes some memory while it is there
        sample = replace(
            SAMPLE, time_s=step * 5.0, resident_mb=170 + 2.0 * (step % 8 == 4), **images
        )
        samples.append(replace(sample, **change(step / 12)))
    return Run(Program(minutes * 1800), samples, forgotten, ended)


@pytest.mark.stress
def test_nothing_grows_while_people_come_and_go():
    program = Program(frames=480, round_s=8.0)
    run = soak(program, every_s=0.5, hold_up_s=4.0)
    if run.ended == 'the machine is too slow':
        pytest.skip(f'{run.ended}: load {os.getloadavg()[0]:.1f}')
    record = to_record(run, 8.0)
    print(json.dumps(record))
    assert run.ended == ''
    names = ('threads', 'file_descriptors', 'endpoints', 'topics', 'all_forgotten')
    assert {name: record['checks'][name] for name in names} == dict.fromkeys(names, True)
    assert record['visits'] == 2 * 18
    assert record['processed'] + record['skipped'] + record['lost'] >= record['sent'] > 0


@pytest.mark.stress
def test_an_interrupted_soak_keeps_its_samples(tmp_path):
    """Ctrl-C in a terminal, which reaches the node and the camera too."""
    running = subprocess.Popen(
        [sys.executable, '-m', 'stress.soak', '--every', '0.2', '--out', str(tmp_path)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env=os.environ | {'PYTHONPATH': os.pathsep.join(sys.path)},
    )  # fmt: skip
    rows, deadline = tmp_path / 'lab' / 'records' / 'soak.csv', time.monotonic() + 90
    try:
        while not (rows.exists() and len(rows.read_text().splitlines()) > 3):
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < deadline, 'there are no samples'
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 1, err
    assert '**Unfinished**: stopped by hand.' in out
    record = json.loads(rows.with_suffix('.json').read_text())
    with rows.open() as file:
        assert len(list(csv.DictReader(file))) == record['samples'] >= 3
    assert (tmp_path / 'images' / 'soak.png').stat().st_size > 10_000


def test_drawn_people_are_detected():
    painter, detector = Painter(Program(frames=1200)), make_detector()
    found = [len(detector.detect(painter.draw(round(s * 30)))) for s in (1.0, 5.5, 20.5, 33.5)]
    assert found == [0, 1, CROWD, 0]


def test_slope_through_noise_and_steps():
    rng, times_s = np.random.default_rng(1), np.arange(0, 3600, 5.0)
    values = 170 + 3.0 * times_s / 3600 + rng.normal(0, 0.05, len(times_s))
    values[100:108] += 20
    found = slope_per_hour(times_s, values, times_s // 40)
    assert found['slope'] == pytest.approx(3.0, abs=0.1)
    assert found['low'] < 3.0 < found['high'] < found['low'] + 0.2
    assert found['start'] == pytest.approx(170, abs=0.1)
    within_rounds = slope_per_hour(times_s, 170 + (times_s % 40) / 40, times_s // 40)
    assert (within_rounds['slope'], within_rounds['rounds']) == (0, 90)
    assert slope_per_hour([0, 1, 2, 3], [1, 2, 3, 4], [0, 0, 1, 1])['slope'] is None


@pytest.mark.parametrize(
    ('change', 'forgotten', 'failed'),
    [
        (lambda m: {}, True, set()),
        (lambda m: {'resident_mb': 170 + 0.8 * m / 60}, True, set()),
        (lambda m: {'resident_mb': 170 + 1.2 * m / 60}, True, {'resident_mb'}),
        (lambda m: {'resident_mb': 170 + 4 * min(m, 4.9)}, True, set()),
        (lambda m: {'threads': 21 + (m > 33)}, True, {'threads'}),
        (lambda m: {'threads': 21 + (17 < m < 18)}, True, set()),
        (lambda m: {'file_descriptors': 21 - (m > 33)}, True, set()),
        (lambda m: {}, False, {'all_forgotten'}),
    ],
)
def test_growth_after_the_warm_up_fails(change, forgotten, failed):
    checks = to_record(make_run(change, forgotten), 300)['checks']
    assert checks == {name: name not in failed for name in checks}


def test_an_uncertain_slope_is_no_check():
    rng = np.random.default_rng(0)
    run = make_run(lambda minute: {'resident_mb': 170 + minute / 60 + rng.normal(0, 3)})
    record = to_record(run, 300)
    assert record['checks']['resident_mb'] is None
    assert '| unknown' in growth_table(record)


def test_texts():
    record = json.loads(json.dumps(to_record(make_run(), 300)))
    assert summary(record).startswith('35.0 minutes at 30 Hz, the first 5.0 of them to warm up: ')
    assert '+0.00 (+0.00 to +0.00) MB an hour over 46 rounds' in growth_table(record)
    nothing = to_record(make_run(forgotten=None, ended='stopped by hand', minutes=0), 300)
    assert summary(nothing) == 'Nothing was measured. **Unfinished**: stopped by hand.'
