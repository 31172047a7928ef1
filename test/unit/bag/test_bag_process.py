# SPDX-License-Identifier: Apache-2.0
"""`bag process`: what it writes, that it is always the same, and what it refuses."""

import errno
import math
import os
import signal
import sqlite3
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from emotion_perception.bag.message_types import (
    CAMERA_INFO,
    EMOTION,
    EMOTIONS_OF_IMAGE,
    RAW,
)
from emotion_perception.bag.process import process_bag
from emotion_perception.bag.reading import open_bag
from emotion_perception.bag.writing import NewBag, new_bag
from emotion_perception.detection.keyframes import DETECT_EVERY
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import bgr_to_image, seconds, time_message
from emotion_perception.tracking import TrackingSettings

from .conftest import PERIOD_NS, contents, file_bytes, jpeg, stamped

COMMAND = [sys.executable, '-m', 'emotion_perception.cli', 'bag', 'process']


def without(module, arguments):
    """Run `emotion-perception` in a process that cannot import a module."""
    code = f'import sys; sys.modules[{module!r}] = None; from emotion_perception import cli; '
    code += f'sys.exit(cli.main({arguments!r}))'
    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)


def arrays(path, types, topic='/emotion/faces'):
    """Return the EmotionArrays of a recording."""
    rows = contents(path)
    return [types.decode(data, EMOTIONS_OF_IMAGE) for name, _, data in rows if name == topic]


def test_each_image_has_a_result(run, tmp_path, portrait_bag, types):
    code, out, errors = run('process', portrait_bag, '-o', tmp_path / 'out')
    assert (code, errors) == (0, [])
    assert out == f'{tmp_path / "out"}: 5 images of /eye/image, 5 faces with 1 ids\n'
    results = arrays(tmp_path / 'out', types)
    assert [[face.label for face in array.faces] for array in results] == [['happiness']] * 5
    assert [[face.face_id for face in array.faces] for array in results] == [[1]] * 5
    assert [array.header.stamp.nanosec for array in results] == [n * PERIOD_NS for n in range(5)]
    assert {array.header.frame_id for array in results} == {'eye'}
    assert {(array.image_width, array.image_height) for array in results} == {(320, 240)}
    assert [array.images_received for array in results] == [1, 2, 3, 4, 5]
    assert {array.images_skipped for array in results} == {0}
    tracked_ns = [array.faces[0].tracked_for.nanosec for array in results]
    assert tracked_ns == pytest.approx([n * PERIOD_NS for n in range(5)], abs=1000)
    # times of this run would differ from those of the next
    assert all(math.isnan(array.processing_time) for array in results)
    assert all(math.isnan(array.age) for array in results)


def test_the_recordings_own_messages_are_copied(tmp_path, write_bag, small_portrait, pipeline):
    images = [bgr_to_image(small_portrait, stamped(number)) for number in range(3)]
    head = [Header(stamp=Time(sec=n), frame_id='x' * n) for n in range(6)]
    source = write_bag('source', {'/eye': images, '/head': head}, {'/head': 'std_msgs/msg/Header'})
    process_bag(source, tmp_path / 'out', pipeline)
    new = contents(tmp_path / 'out')
    assert [row for row in new if not row[0].startswith('/emotion')] == contents(source)
    assert [row[0] for row in new[:4]] == ['/eye', '/emotion', '/emotion/faces', '/head']
    with open_bag(source) as old, open_bag(tmp_path / 'out') as bag:
        copied = [one for one in bag.connections if not one.topic.startswith('/emotion')]
        assert [(one.topic, one.msgtype, one.digest, one.msgdef) for one in copied] == [
            (one.topic, one.msgtype, one.digest, one.msgdef) for one in old.connections
        ]


def test_only_the_new_topics(run, tmp_path, portrait_bag):
    assert run('process', portrait_bag, '-o', tmp_path / 'out', '--only-new')[0] == 0
    assert {topic for topic, _, _ in contents(tmp_path / 'out')} == {'/emotion', '/emotion/faces'}


@pytest.mark.parametrize(('storage', 'compress'), [('mcap', True), ('sqlite3', False)])
def test_every_run_gives_the_same_bytes(tmp_path, write_bag, small_portrait, storage, compress):
    """One run here, one in a process of its own without rclpy; the storage changes no result."""
    images = [bgr_to_image(small_portrait, stamped(n)) for n in range(3)]
    options = {'storage': storage, 'compress': compress}
    source = write_bag('in', {'/eye': images}, **options)
    process_bag(source, tmp_path / 'here', Pipeline.default(detect_every=DETECT_EVERY), **options)
    flags = ['--storage', storage, *(['--compress'] if compress else [])]
    command = ['bag', 'process', str(source), '-o', str(tmp_path / 'there'), *flags]
    assert without('rclpy', command).returncode == 0
    assert file_bytes(tmp_path / 'here') == file_bytes(tmp_path / 'there')
    data_file = 'bag.mcap' if storage == 'mcap' else 'bag.db3'
    assert set(file_bytes(tmp_path / 'here')) == {'metadata.yaml', data_file}
    plain = write_bag('plain', {'/eye': images})
    process_bag(plain, tmp_path / 'other', Pipeline.default(detect_every=DETECT_EVERY))
    assert contents(tmp_path / 'here') == contents(tmp_path / 'other')


def test_positions_come_from_the_camera_info_of_the_recording(
    tmp_path, write_bag, small_portrait, types
):
    images = [bgr_to_image(small_portrait, stamped(number)) for number in range(3)]
    k = [277.0, 0.0, 160.0, 0.0, 277.0, 120.0, 0.0, 0.0, 1.0]
    info = CameraInfo(width=320, height=240, k=k, distortion_model='plumb_bob')
    for name, calibration, known in (
        ('calibrated', info, True),
        ('not', CameraInfo(width=320, height=240), False),
    ):
        topics = {'/eye/camera_info': [calibration] * 3, '/eye/image': images}
        source = write_bag(name, topics, {'/eye/camera_info': CAMERA_INFO})
        process_bag(source, tmp_path / f'{name}_out', Pipeline.default())
        faces = [array.faces[0] for array in arrays(tmp_path / f'{name}_out', types)]
        assert {face.distance_source for face in faces} == {'face_size' if known else ''}
        assert [math.isnan(face.distance) for face in faces] == [not known] * 3
        if known:
            assert [face.distance for face in faces] == pytest.approx([0.57] * 3, abs=0.1)


def test_sqlite_has_counted_the_index_before_it_may_choose_to(tmp_path, write_bag, small_portrait):
    source = write_bag('in', {'/eye': [bgr_to_image(small_portrait, stamped(0))]})
    process_bag(source, tmp_path / 'out', Pipeline.default(), storage='sqlite3')
    database = sqlite3.connect(tmp_path / 'out' / 'bag.db3')
    # an image, its face and its array at one time
    assert ('timestamp_idx', '3 3') in database.execute('SELECT idx, stat FROM sqlite_stat1')
    database.close()


def test_the_same_message_has_always_the_same_bytes(types):
    """Rclpy leaves memory as it was where values are padded."""
    image = Image(encoding='bgr8', header=Header(frame_id='abc'), data=b'12')
    assert len({types.encode(image, RAW) for _ in range(50)}) == 1
    read = types.decode_image(types.encode(image, RAW), RAW)
    assert (read.encoding, read.header.frame_id, bytes(read.data)) == ('bgr8', 'abc', b'12')


def test_compressed_images(tmp_path, write_bag, small_portrait, types, pipeline):
    images = [jpeg(small_portrait, stamped(number)) for number in range(3)]
    source = write_bag('jpeg', {'/eye/image/compressed': images})
    result = process_bag(source, tmp_path / 'out', pipeline)
    assert (result.topic, result.images, result.faces) == ('/eye/image/compressed', 3, 3)
    assert arrays(tmp_path / 'out', types)[2].faces[0].label == 'happiness'


@pytest.mark.parametrize(
    ('stamps_ms', 'ids', 'tracked_ms'),
    [
        ((10000, 11000, 12000, 3000, 4000), [1, 1, 1, 2, 2], [0, 1000, 2000, 0, 1000]),
        ((10000, 10100, 10050, 10200), [1, 1, 1, 1], [0, 100, 100, 200]),
        ((0, 0, 0), [1, 1, 1], [0, 100, 200]),
    ],
    ids=['a second round', 'images out of order', 'no stamps: the time of recording'],
)
def test_irregular_stamps(tmp_path, write_bag, small_portrait, types, stamps_ms, ids, tracked_ms):
    """As with the node: a jump back gives new ids, small disorder does not."""
    stamps = [time_message(value * 10**6) for value in stamps_ms]
    images = [bgr_to_image(small_portrait, Header(stamp=stamp)) for stamp in stamps]
    pipeline = Pipeline.default(settings=TrackingSettings(max_gap_s=5.0))
    process_bag(write_bag('again', {'/eye': images}), tmp_path / 'out', pipeline)
    results = arrays(tmp_path / 'out', types)
    assert [seconds(array.header.stamp) for array in results] == [ms / 1000 for ms in stamps_ms]
    faces = [array.faces[0] for array in results]
    assert [face.face_id for face in faces] == ids
    tracked = [face.tracked_for.sec * 1000 + face.tracked_for.nanosec / 1e6 for face in faces]
    assert tracked == pytest.approx(tracked_ms, abs=0.01)


def test_failed_images_are_counted(run, tmp_path, write_bag, small_portrait, types):
    good = bgr_to_image(small_portrait, stamped(0))
    unknown = Image(encoding='x264', height=4, width=4, step=12, data=bytes(48))
    short = Image(encoding='bgr8', height=400, width=400, step=1200, data=bytes(48))
    huge = Image(encoding='bgr8', height=2**31, width=2**31, step=1200, data=bytes(48))
    one = bgr_to_image(np.zeros((1, 1, 3), np.uint8), stamped(4))
    messages = [good, unknown, Image(), short, huge, one, b'\0\1\0\0garbage', b'', unknown, good]
    source = write_bag('odd', {'/eye': messages})
    code, out, errors = run('process', source, '-o', tmp_path / 'out')
    assert code == 1
    assert out.endswith('out: 10 images of /eye, 2 faces with 2 ids\n')
    (line,) = errors
    assert line.startswith(
        '7 of 10 images failed: 2 unknown encoding, 2 message damaged, 1 empty image, '
        "1 data missing, 1 image too large; the first: unknown encoding 'x264'"
    )
    assert [array.images_received for array in arrays(tmp_path / 'out', types)] == [1, 6, 10]
    copied = [row for row in contents(tmp_path / 'out') if row[0] == '/eye']
    assert copied == contents(source)


def test_failed_compressed_images_are_counted(
    tmp_path, write_bag, small_portrait, pipeline, capfd
):
    whole = cv2.imencode('.jpg', small_portrait)[1].tobytes()
    # one without its end marker does not fail
    blobs = (whole, whole[:900], whole[:-3], b'GIF89a', b'', whole[:2] + bytes(50), whole[:-2])
    messages = [CompressedImage(format='jpeg', data=data) for data in blobs]
    result = process_bag(write_bag('odd', {'/eye': messages}), tmp_path / 'out', pipeline)
    assert (result.images, result.faces, result.failed.total()) == (7, 2, 5)
    assert (result.failed['image cut short'], result.failed['empty image']) == (2, 1)
    assert capfd.readouterr().err == ''  # libjpeg says something about each, too


def test_existing_emotions_are_not_mixed_with_new_ones(run, tmp_path, portrait_bag, types):
    first, second = tmp_path / 'first', tmp_path / 'second'
    process_bag(portrait_bag, first, Pipeline.default(detect_every=DETECT_EVERY))
    code, _, errors = run('process', first, '-o', second)
    assert code == 2
    assert errors[0].endswith(
        'has /emotion already; give --namespace for the new topics, or --only-new'
    )
    assert run('process', first, '-o', second, '--namespace', 'again/')[0] == 0
    old, new = (arrays(second, types, name) for name in ('/emotion/faces', '/again/emotion/faces'))
    assert [str(array) for array in old] == [str(array) for array in new]
    assert len(new) == 5


def test_topics_of_an_unknown_type_are_named(run, tmp_path, portrait_bag, types):
    source = tmp_path / 'source'
    with open_bag(portrait_bag) as old, new_bag(source, 'sqlite3') as new:
        topics = {RAW: '/eye', 'strange_msgs/msg/Thing': '/thing', EMOTION: '/old/emotion'}
        added = {
            kind: new.add_topic(name, kind, ('', 'RIHS01_0')) for kind, name in topics.items()
        }
        for _, stamp, data in old.messages(old.connections):
            new.write(added[RAW], stamp, data)
            new.write(added['strange_msgs/msg/Thing'], stamp, b'\0\1\0\0')
    code, _, errors = run('process', source, '-o', tmp_path / 'out')
    assert code == 1
    assert errors == ['not copied, because its type is not known: /thing (strange_msgs/msg/Thing)']
    assert len(contents(tmp_path / 'out')) == 15
    with open_bag(tmp_path / 'out') as bag:
        assert bag.on('/eye')[0].digest == types.define(RAW)[1]


def test_missing_messages_are_counted(run, tmp_path, portrait_bag):
    yaml = portrait_bag / 'metadata.yaml'
    yaml.write_text(yaml.read_text().replace('message_count: 5', 'message_count: 9'))
    code, _, errors = run('process', portrait_bag, '-o', tmp_path / 'out')
    assert code == 1
    assert errors == [f'{portrait_bag}: 4 messages of /eye/image are missing in the file']


def test_nothing_is_overwritten(run, tmp_path, portrait_bag):
    before = file_bytes(portrait_bag)
    for out in (portrait_bag, portrait_bag / 'bag.mcap'):
        code, _, errors = run('process', portrait_bag, '-o', out)
        assert code == 2
        assert errors[0].endswith(f'{out} exists already; remove it or choose another name')
    inside = portrait_bag / 'emotions'
    for command in ('process', 'play', 'report', 'record'):
        code, _, errors = run(command, portrait_bag, '-o', inside)
        assert code == 2
        assert f'{inside} lies in the input folder {portrait_bag}; choose a place' in errors[0]
    assert file_bytes(portrait_bag) == before
    assert list(tmp_path.iterdir()) == [portrait_bag]


@pytest.mark.parametrize(
    ('error', 'code', 'message'),
    [
        (OSError(errno.ENOSPC, 'No space left on device'), 2, 'make room and start the same'),
        (sqlite3.OperationalError('disk is full'), 2, 'is full; nothing was kept; make room'),
        (KeyboardInterrupt(), 130, 'nothing was written, start the same command'),
    ],
    ids=['disk full', 'sqlite full', 'Ctrl-C'],
)  # fmt: skip
def test_a_run_that_fails_half_way_leaves_nothing(
    run, tmp_path, portrait_bag, monkeypatch, error, code, message
):
    assert run('process', portrait_bag, '-o', tmp_path / 'whole')[0] == 0
    written, write = [], NewBag.write

    def fail(self, connection, stamp_ns, data):
        written.append(stamp_ns)
        if len(written) > 7:
            raise error
        write(self, connection, stamp_ns, data)

    with monkeypatch.context() as patch:
        patch.setattr(NewBag, 'write', fail)
        found, out, errors = run('process', portrait_bag, '-o', tmp_path / 'out')
    assert (found, out) == (code, '')
    assert message in errors[0]
    assert sorted(tmp_path.iterdir()) == [portrait_bag, tmp_path / 'whole']
    assert run('process', portrait_bag, '-o', tmp_path / 'out')[0] == 0
    assert file_bytes(tmp_path / 'out') == file_bytes(tmp_path / 'whole')


def test_after_a_killed_run_the_next_gives_the_same_bytes(tmp_path, write_bag, small_portrait):
    images = [bgr_to_image(small_portrait, stamped(n)) for n in range(40)]
    source = write_bag('long', {'/eye': images})
    out, partial = tmp_path / 'out', tmp_path / 'out.partial' / 'bag' / 'bag.mcap'
    process = subprocess.Popen([*COMMAND, source, '-o', out], stderr=subprocess.DEVNULL)
    while not (partial.exists() and partial.stat().st_size) and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    assert not out.exists()
    assert partial.exists()
    for name in ('out', 'whole'):
        pipeline = Pipeline.default(detect_every=DETECT_EVERY)
        process_bag(source, tmp_path / name, pipeline)
    assert file_bytes(out) == file_bytes(tmp_path / 'whole')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['long', 'out', 'whole']


@pytest.mark.parametrize(
    ('missing', 'message'),
    [
        ('rosbags', 'rosbags is missing; install what bootstrap/requirements-bags.txt lists'),
        ('sensor_msgs', '`emotion-perception doctor` lists what is missing'),
        ('emotion_msgs', 'emotion_msgs is not built or not sourced'),
    ],
)
def test_a_missing_library_is_one_line(tmp_path, missing, message):
    done = without(missing, ['bag', 'process', 'in', '-o', str(tmp_path / 'out')])
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith('INFO')]
    assert message in line
