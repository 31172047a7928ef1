# SPDX-License-Identifier: Apache-2.0
"""A recording played to a live node gives the results of `bag process`."""

import math
import re
import signal
import subprocess
import sys
import time

import pytest
from sensor_msgs.msg import Image

from emotion_perception.bag.comparison import differences, read_summary, table
from emotion_perception.bag.message_types import EMOTION, EMOTIONS_OF_IMAGE, RAW, MessageTypes
from emotion_perception.bag.reading import open_bag
from emotion_perception.bag.writing import new_bag

SUMMARY = re.compile(
    r'(\S+): (\d+) images of (\S+) sent, (\d+) results, '
    r'round trip p50 ([\d.]+) ms, p99 ([\d.]+) ms; (\d+) sent late\n'
)

UNLIMITED = '100.0'
"""A `time_budget` with which a busy machine, too, reads all faces in each image."""


def bag(*arguments):
    """Run `emotion-perception bag` in a process of its own."""
    command = [sys.executable, '-m', 'emotion_perception.cli', 'bag', *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def errors(done):
    """Return the error lines without LiteRT's."""
    return [line for line in done.stderr.splitlines() if not line.startswith('INFO')]


def results(path, topic='/emotion/faces', kind=EMOTIONS_OF_IMAGE):
    """Return the emotions in a recording."""
    types = MessageTypes()
    with open_bag(path) as opened:
        return [types.decode(m[2], kind) for m in opened.messages(opened.on(topic))]


@pytest.fixture(scope='module')
def moving(tmp_path_factory):
    """Return two seconds of the portrait, raw and as jpeg, each with its emotions."""
    folder = tmp_path_factory.mktemp('bags')
    for form in ('raw', 'jpeg'):
        source = folder / form
        record = ['record', 'portrait', '-o', source, '--seconds', '2', '--format', form]
        assert bag(*record).returncode == 0
        assert bag('process', source, '-o', folder / f'{form}_offline').returncode == 0
    return folder


def without_times(array):
    """Return a result as text without measured times."""
    array.processing_time = array.age = 0.0
    return str(array)


@pytest.mark.parametrize('form', ['raw', 'jpeg'])
def test_live_node_and_process_agree_on_every_image(start, tmp_path, moving, form):
    transport = 'compressed' if form == 'jpeg' else 'raw'
    start('emotion_node', autostart='true', image_transport=transport, time_budget=UNLIMITED)
    done = bag('play', moving / form, '-o', tmp_path / 'live', '--every-image')
    assert done.returncode == 0, done.stderr
    summary = SUMMARY.fullmatch(done.stdout)
    assert (summary[2], summary[4]) == ('60', '60')
    rows = differences(read_summary(moving / f'{form}_offline'), read_summary(tmp_path / 'live'))
    assert not rows, '\n' + table(rows, ('offline', 'live'))
    live, offline = results(tmp_path / 'live'), results(moving / f'{form}_offline')
    assert all(array.processing_time > 0 for array in live)
    assert [without_times(one) for one in live] == [without_times(one) for one in offline]
    each = [
        results(path, '/emotion', EMOTION)
        for path in (tmp_path / 'live', moving / f'{form}_offline')
    ]
    assert [str(face) for face in each[0]] == [str(face) for face in each[1]]


def test_played_with_its_own_timing_and_a_clock(start, tmp_path, moving):
    start('emotion_node', autostart='true', use_sim_time='true')
    begun = time.monotonic()
    options = ('--rate', '0.5', '--clock', '--with-images')
    done = bag('play', moving / 'raw', '-o', tmp_path / 'live', *options)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun > 3.9  # two seconds at half the rate
    summary = SUMMARY.fullmatch(done.stdout)
    assert summary[3] == '/camera/image_raw'
    live = results(tmp_path / 'live')
    assert len(live) == int(summary[4])
    # a node on a busy machine may drop some
    assert len(live) > 40
    assert {face.label for array in live for face in array.faces} == {'happiness'}
    assert {face.face_id for array in live for face in array.faces} == {1}
    # ages in the recording's time, which runs at half the rate
    ages = [array.age for array in live if not math.isnan(array.age)]
    assert len(ages) > 5
    assert max(ages) < 1
    with open_bag(tmp_path / 'live') as opened, open_bag(moving / 'raw') as source:
        images = list(opened.messages(opened.on('/camera/image_raw')))
        assert [m[1:] for m in images] == [m[1:] for m in source.messages(source.connections)]
        times = [m[1] for m in opened.messages(opened.on('/emotion/faces'))]
    stamps = [a.header.stamp.sec * 10**9 + a.header.stamp.nanosec for a in live]
    assert all(0 <= time - stamp < 10**9 for time, stamp in zip(times, stamps, strict=True))
    page = tmp_path / 'page.html'
    assert bag('report', tmp_path / 'live', '-o', page, '--pictures').returncode == 0
    assert 'processing time</td><td>median ' in page.read_text()
    assert '<img src="data:image/jpeg' in page.read_text()


def test_without_a_node(tmp_path, moving):
    done = bag('play', moving / 'raw', '-o', tmp_path / 'live', '--wait', '0.5')
    (line,) = errors(done)
    assert done.returncode == 2
    assert 'no active node subscribes to /image and publishes emotions within 0.5 s; start' in line
    assert list(tmp_path.iterdir()) == []


def test_failed_images_between_others(start, tmp_path, moving):
    """The live node and `process` give the same results, and none for failed images."""
    types = MessageTypes()
    odd = types.encode(Image(encoding='x264', height=4, width=4, step=4, data=bytes(16)), RAW)
    with open_bag(moving / 'raw') as source, new_bag(tmp_path / 'odd') as new:
        topic = new.add_topic('/eye', RAW, types.define(RAW))
        for number, (_, stamp_ns, data) in enumerate(source.messages(source.connections)):
            if number % 2 == 0 and number < 20:
                new.write(topic, stamp_ns, data)
            elif number < 20:
                new.write(topic, stamp_ns, odd if number % 4 == 1 else b'\0\1\0\0torn')
    start('emotion_node', autostart='true', time_budget=UNLIMITED)
    done = bag('play', tmp_path / 'odd', '-o', tmp_path / 'live', '--every-image')
    assert done.returncode == 1
    assert errors(done) == ['5 images that no node can decode, 5 messages that hold no image']
    assert bag('process', tmp_path / 'odd', '-o', tmp_path / 'offline').returncode == 1
    both = [results(tmp_path / name) for name in ('live', 'offline')]
    assert [len(arrays) for arrays in both] == [10, 10]
    faces = [[str(face) for array in arrays for face in array.faces] for arrays in both]
    assert faces[0] == faces[1]


def test_ctrl_c_leaves_nothing(start, tmp_path, moving):
    start('emotion_node', autostart='true')
    command = ['bag', 'play', moving / 'raw', '-o', tmp_path / 'live', '--rate', '0.01']
    playing = subprocess.Popen(
        [sys.executable, '-m', 'emotion_perception.cli', *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (tmp_path / 'live.partial').is_dir():
        assert playing.poll() is None
        time.sleep(0.1)
    time.sleep(1.5)
    playing.send_signal(signal.SIGINT)
    out, error = playing.communicate(timeout=10)
    assert playing.returncode == 130
    assert out == ''
    assert error.splitlines()[-1] == 'stopped; nothing was written, start the same command again'
    assert not list(tmp_path.glob('live*'))
