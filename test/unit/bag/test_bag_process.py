"""The emotions of a recording: what is written, that it is always the same, and what is refused."""

import errno
import math
import sqlite3
import subprocess
import sys

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from emotion_perception import cli
from emotion_perception.bag.message_types import EMOTION, EMOTIONS_OF_IMAGE, RAW
from emotion_perception.bag.process import process_bag
from emotion_perception.bag.reading import open_bag
from emotion_perception.bag.writing import NewBag, new_bag
from emotion_perception.detection.keyframes import DETECT_EVERY
from emotion_perception.errors import BagError
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import bgr_to_image, time_message
from emotion_perception.tracking import TrackingSettings

from .conftest import PERIOD_NS, jpeg, stamped


def run(capsys, *arguments):
    """Run `emotion-perception bag`; return its exit code, output and errors without LiteRT's line."""
    code = cli.main(['bag', *map(str, arguments)])
    printed = capsys.readouterr()
    errors = [line for line in printed.err.splitlines() if not line.startswith('INFO')]
    return code, printed.out, errors


def contents(path):
    """Return (topic, time, bytes) of every message in a recording, in its order."""
    with open_bag(path) as bag:
        return [
            (connection.topic, stamp, data)
            for connection, stamp, data in bag.messages(bag.connections)
        ]


def arrays(path, types, topic='/emotion/faces'):
    """Return the EmotionArrays of a recording."""
    return [
        types.decode(data, EMOTIONS_OF_IMAGE) for name, _, data in contents(path) if name == topic
    ]


def hashes(path):
    """Return name and content of each file of a recording."""
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_what_the_faces_show(capsys, tmp_path, portrait_bag, types):
    code, out, errors = run(capsys, 'process', portrait_bag, '-o', tmp_path / 'out')
    assert (code, errors) == (0, [])
    assert out == f'{tmp_path / "out"}: 5 images of /eye/image, 5 faces with 1 ids\n'
    told = arrays(tmp_path / 'out', types)
    assert [[face.label for face in array.faces] for array in told] == [['happiness']] * 5
    assert [[face.face_id for face in array.faces] for array in told] == [[1]] * 5
    assert [array.header.stamp.nanosec for array in told] == [n * PERIOD_NS for n in range(5)]
    assert {array.header.frame_id for array in told} == {'eye'}
    assert {(array.image_width, array.image_height) for array in told} == {(320, 240)}
    assert [array.images_received for array in told] == [1, 2, 3, 4, 5]
    assert {array.images_skipped for array in told} == {0}
    seen = [array.faces[0].tracked_for.nanosec for array in told]
    assert seen == pytest.approx([n * PERIOD_NS for n in range(5)], abs=1000)


def test_times_that_nobody_measured_are_nan(tmp_path, portrait_bag, types):
    process_bag(portrait_bag, tmp_path / 'out', Pipeline.default())
    for array in arrays(tmp_path / 'out', types):
        assert math.isnan(array.processing_time)
        assert math.isnan(array.age)


def test_the_messages_of_the_recording_stay_as_they_were(tmp_path, write_bag, small_portrait):
    images = [bgr_to_image(small_portrait, stamped(number)) for number in range(3)]
    head = [Header(stamp=Time(sec=n), frame_id='x' * n) for n in range(6)]
    source = write_bag('source', {'/eye': images, '/head': head}, {'/head': 'std_msgs/msg/Header'})
    process_bag(source, tmp_path / 'out', Pipeline.default())
    new = contents(tmp_path / 'out')
    assert [row for row in new if not row[0].startswith('/emotion')] == contents(source)
    assert [row[0] for row in new[:4]] == ['/eye', '/emotion', '/emotion/faces', '/head']
    with open_bag(source) as old, open_bag(tmp_path / 'out') as bag:
        kept = [one for one in bag.connections if not one.topic.startswith('/emotion')]
        assert [(one.topic, one.msgtype, one.digest, one.msgdef) for one in kept] == [
            (one.topic, one.msgtype, one.digest, one.msgdef) for one in old.connections
        ]


def test_only_the_new_topics(capsys, tmp_path, portrait_bag):
    code, _, _ = run(capsys, 'process', portrait_bag, '-o', tmp_path / 'out', '--only-new')
    assert code == 0
    assert {topic for topic, _, _ in contents(tmp_path / 'out')} == {'/emotion', '/emotion/faces'}


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('compress', [[], ['--compress']], ids=['plain', 'compressed'])
def test_every_run_gives_the_same_bytes(tmp_path, portrait_bag, storage, compress):
    """Runs in processes of their own, with hashes of their own, into folders of other names."""
    written = []
    for number in range(2):
        out = tmp_path / f'run{number}'
        command = ['bag', 'process', portrait_bag, '-o', out, '--storage', storage, *compress]
        subprocess.run(
            [sys.executable, '-m', 'emotion_perception.cli', *command], check=True, timeout=60
        )
        written.append(hashes(out))
    assert written[0] == written[1]
    assert set(written[0]) == {'metadata.yaml', 'bag.mcap' if storage == 'mcap' else 'bag.db3'}


def test_the_kind_of_file_changes_no_answer(tmp_path, write_bag, small_portrait, types):
    told = []
    for number, (storage, compress) in enumerate(
        (kind, small) for kind in ('mcap', 'sqlite3') for small in (False, True)
    ):
        images = [bgr_to_image(small_portrait, stamped(n)) for n in range(3)]
        bag = write_bag(f'in{number}', {'/eye': images}, storage=storage, compress=compress)
        out = tmp_path / f'out{number}'
        process_bag(bag, out, Pipeline.default(), storage=storage, compress=compress)
        told.append([row for row in contents(out) if row[0].startswith('/emotion')])
    assert len(told[0]) == 6
    assert all(one == told[0] for one in told)


def test_the_same_message_is_always_the_same_bytes(types):
    """Fast CDR leaves memory as it was where values are padded."""
    image = Image(encoding='bgr8', header=Header(frame_id='abc'))
    assert len({types.encode(image, RAW) for _ in range(300)}) == 1


def test_compressed_images(tmp_path, write_bag, small_portrait, types):
    images = [jpeg(small_portrait, stamped(number)) for number in range(3)]
    outcome = process_bag(
        write_bag('jpeg', {'/eye/image/compressed': images}), tmp_path / 'out', Pipeline.default()
    )
    assert (outcome.topic, outcome.images, outcome.faces) == ('/eye/image/compressed', 3, 3)
    assert arrays(tmp_path / 'out', types)[2].faces[0].label == 'happiness'


def test_a_stamp_that_says_nothing(tmp_path, write_bag, small_portrait, types):
    """As the node takes the time of arrival, the time of recording stands in."""
    images = [bgr_to_image(small_portrait, Header()) for _ in range(3)]
    process_bag(write_bag('zero', {'/eye': images}), tmp_path / 'out', Pipeline.default())
    told = arrays(tmp_path / 'out', types)
    assert [array.header.stamp.sec for array in told] == [0, 0, 0]
    assert told[2].faces[0].tracked_for.nanosec == pytest.approx(2 * PERIOD_NS, abs=1000)


@pytest.mark.parametrize(
    ('milliseconds', 'ids', 'followed_ms'),
    [
        ((10000, 11000, 12000, 3000, 4000), [1, 1, 1, 2, 2], [0, 1000, 2000, 0, 1000]),
        ((10000, 10100, 10050, 10200), [1, 1, 1, 1], [0, 100, 100, 200]),
    ],
    ids=['a second round', 'images that overtook each other'],
)
def test_stamps_that_run_back(
    tmp_path, write_bag, small_portrait, types, milliseconds, ids, followed_ms
):
    """As with the node: a jump back shows new faces, a little disorder does not."""
    images = [
        bgr_to_image(small_portrait, Header(stamp=time_message(value * 10**6)))
        for value in milliseconds
    ]
    pipeline = Pipeline.default(settings=TrackingSettings(max_gap_s=5.0))
    process_bag(write_bag('again', {'/eye': images}), tmp_path / 'out', pipeline)
    told = [array.faces[0] for array in arrays(tmp_path / 'out', types)]
    assert [face.face_id for face in told] == ids
    followed = [face.tracked_for.sec * 1000 + face.tracked_for.nanosec / 1e6 for face in told]
    assert followed == pytest.approx(followed_ms, abs=0.01)


def test_images_that_cannot_be_used_are_counted(
    capsys, tmp_path, write_bag, small_portrait, types
):
    good = bgr_to_image(small_portrait, stamped(0))
    unknown = Image(encoding='x264', height=4, width=4, step=12, data=bytes(48))
    short = Image(encoding='bgr8', height=400, width=400, step=1200, data=bytes(48))
    huge = Image(encoding='bgr8', height=2**31, width=2**31, step=1200, data=bytes(48))
    one = bgr_to_image(np.zeros((1, 1, 3), np.uint8), stamped(4))
    messages = [good, unknown, Image(), short, huge, one, b'\0\1\0\0garbage', b'', unknown, good]
    source = write_bag('odd', {'/eye': messages})
    code, out, errors = run(capsys, 'process', source, '-o', tmp_path / 'out')
    assert code == 1
    assert out.endswith('out: 10 images of /eye, 2 faces with 2 ids\n')
    (line,) = errors
    assert line.startswith(
        '7 of 10 images could not be used: 2 unknown encoding, 2 message damaged, 1 empty image, '
        "1 data missing, 1 image too large; the first: unknown encoding 'x264'"
    )
    assert [array.images_received for array in arrays(tmp_path / 'out', types)] == [1, 6, 10]
    kept = [data for topic, _, data in contents(tmp_path / 'out') if topic == '/eye']
    assert kept == [data for _, _, data in contents(source)]


def test_compressed_images_that_cannot_be_used_are_counted(tmp_path, write_bag, small_portrait):
    whole = cv2.imencode('.jpg', small_portrait)[1].tobytes()
    messages = [
        CompressedImage(format='jpeg', data=data)
        for data in (whole, whole[:900], b'GIF89a', b'', whole[:2] + bytes(50), whole)
    ]
    outcome = process_bag(
        write_bag('odd', {'/eye': messages}), tmp_path / 'out', Pipeline.default()
    )
    assert (outcome.images, outcome.faces) == (6, 2)
    assert outcome.unusable.total() == 4
    assert outcome.unusable['image cut short'] == 1
    assert outcome.unusable['empty image'] == 1


def test_topics_of_that_name_are_not_mixed_with_new_ones(capsys, tmp_path, portrait_bag, types):
    first = tmp_path / 'first'
    process_bag(portrait_bag, first, Pipeline.default(detect_every=DETECT_EVERY))
    code, _, errors = run(capsys, 'process', first, '-o', tmp_path / 'second')
    assert code == 2
    assert errors[0].endswith(
        'holds /emotion already; give --namespace for the new topics, or --only-new'
    )
    code, _, _ = run(
        capsys, 'process', first, '-o', tmp_path / 'second', '--namespace', 'again/'
    )  # fmt: skip
    assert code == 0
    old, new = (
        arrays(tmp_path / 'second', types, name)
        for name in ('/emotion/faces', '/again/emotion/faces')
    )
    assert [str(array) for array in old] == [str(array) for array in new]
    assert len(new) == 5


def test_a_type_that_nobody_defines_is_left_out_and_named(capsys, tmp_path, portrait_bag, types):
    source = tmp_path / 'source'
    with open_bag(portrait_bag) as old, new_bag(source, 'sqlite3') as new:
        topics = {RAW: '/eye', 'strange_msgs/msg/Thing': '/thing', EMOTION: '/old/emotion'}
        written = {
            kind: new.add_topic(name, kind, ('', 'RIHS01_0')) for kind, name in topics.items()
        }
        for _, stamp, data in old.messages(old.connections):
            new.write(written[RAW], stamp, data)
            new.write(written['strange_msgs/msg/Thing'], stamp, b'\0\1\0\0')
    code, _, errors = run(capsys, 'process', source, '-o', tmp_path / 'out')
    assert code == 1
    assert errors == ['left out, for its type is not known: /thing (strange_msgs/msg/Thing)']
    assert len(contents(tmp_path / 'out')) == 15
    with open_bag(tmp_path / 'out') as bag:
        assert bag.on('/eye')[0].digest == types.define(RAW)[1]


def test_messages_that_are_announced_and_missing(capsys, tmp_path, portrait_bag):
    yaml = portrait_bag / 'metadata.yaml'
    yaml.write_text(yaml.read_text().replace('message_count: 5', 'message_count: 9'))
    code, _, errors = run(capsys, 'process', portrait_bag, '-o', tmp_path / 'out')
    assert code == 1
    assert errors == [f'{portrait_bag}: 4 messages of /eye/image are announced and missing']


def test_nothing_is_written_over(capsys, tmp_path, portrait_bag):
    before = hashes(portrait_bag)
    for out in (portrait_bag, portrait_bag / 'bag.mcap'):
        code, _, errors = run(capsys, 'process', portrait_bag, '-o', out)
        assert code == 2
        assert errors[0].endswith(f'{out} exists already; remove it or choose another folder')
    assert hashes(portrait_bag) == before
    assert list(tmp_path.iterdir()) == [portrait_bag]


@pytest.mark.parametrize(
    ('error', 'said'),
    [
        (OSError(errno.ENOSPC, 'No space left on device'), 'make room and start the same command again'),
        (KeyboardInterrupt(), 'keeps what was found, start the same command again to go on'),
    ],
    ids=['disk full', 'Ctrl-C'],
)  # fmt: skip
def test_whole_or_not_at_all(capsys, tmp_path, portrait_bag, monkeypatch, error, said):
    written = []

    def fail(self, topic, stamp_ns, data):
        written.append(topic)
        if len(written) > 7:
            raise error

    monkeypatch.setattr(NewBag, 'write', fail)
    code, out, errors = run(capsys, 'process', portrait_bag, '-o', tmp_path / 'out')
    assert code == (2 if isinstance(error, OSError) else 130)
    assert out == ''
    assert said in errors[0]
    assert sorted(tmp_path.iterdir()) == [tmp_path / 'out.partial', portrait_bag]
    assert {path.name for path in (tmp_path / 'out.partial').iterdir()} == {
        '.unfinished',
        'journal',
    }


def test_what_a_killed_run_left_goes_and_what_others_left_stays(capsys, tmp_path, portrait_bag):
    left = tmp_path / 'out.partial'
    left.mkdir()
    (left / 'letter').write_text('mine')
    code, _, errors = run(capsys, 'process', portrait_bag, '-o', tmp_path / 'out')
    assert code == 2
    assert 'no interrupted run left it; move it away' in errors[0]
    assert (left / 'letter').read_text() == 'mine'
    (left / '.unfinished').touch()
    assert run(capsys, 'process', portrait_bag, '-o', tmp_path / 'out')[0] == 0
    assert not left.exists()


def test_the_folder_may_lie_in_one_that_is_not_there_yet(tmp_path, portrait_bag):
    process_bag(portrait_bag, tmp_path / 'a' / 'b', Pipeline.default())
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['b']


@pytest.mark.parametrize(
    ('missing', 'said'),
    [
        ('rosbags', "rosbags is missing; recordings need what bootstrap/requirements-bags.txt names"),
        ('rclpy', 'rclpy is missing: source ROS 2 and the workspace first'),
        ('emotion_msgs', 'emotion_msgs is not built or not sourced'),
    ],
)  # fmt: skip
def test_a_missing_library_is_one_line(tmp_path, missing, said):
    code = (
        f'import sys; sys.modules[{missing!r}] = None; from emotion_perception import cli; '
        f'sys.exit(cli.main(["bag", "process", "in", "-o", {str(tmp_path / "out")!r}]))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith('INFO')]
    assert len(lines) == 1
    assert said in lines[0]


def test_messages_of_impossible_times_are_refused(tmp_path, write_bag, small_portrait):
    bag = write_bag('bag', {'/eye': [bgr_to_image(small_portrait, stamped(0))]}, storage='sqlite3')

    with sqlite3.connect(bag / 'bag.db3') as file:
        file.execute('UPDATE messages SET timestamp = -5')
    file.close()
    with pytest.raises(BagError, match='a message has the time -5 ns'):
        process_bag(bag, tmp_path / 'out', Pipeline.default())
