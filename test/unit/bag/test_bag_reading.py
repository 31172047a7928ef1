# SPDX-License-Identifier: Apache-2.0
"""Damaged recordings end in one clear line; which topic has the images."""

import random
import shutil
import sqlite3
import subprocess

import pytest
from rosbags.rosbag1 import Writer as Rosbag1Writer
from rosbags.typesys import Stores, get_typestore
from std_msgs.msg import Header

from emotion_perception.bag.message_types import MessageTypes
from emotion_perception.bag.reading import image_connections, open_bag
from emotion_perception.errors import BagError
from emotion_perception.ros.conversions import bgr_to_image

from .conftest import PERIOD_NS, START_NS, change_metadata, contents, file_bytes, jpeg, stamped

DAMAGED = 'no recording, or damaged: '
_ZERO = '{sec: 0, nsec: 0}'
QOS = (
    '[{history: keep_last, depth: 5, reliability: reliable, durability: volatile, '
    f'deadline: {_ZERO}, lifespan: {_ZERO}, liveliness: automatic, '
    f'liveliness_lease_duration: {_ZERO}, avoid_ros_namespace_conventions: false}}]'
)


@pytest.fixture
def refused(run, tmp_path):
    """Process a recording that cannot be processed; return the one line that says why."""

    def process(path, *options):
        before = sorted(tmp_path.iterdir())
        code, out, errors = run('process', path, '-o', tmp_path / 'out', *options)
        assert (code, out) == (2, '')
        assert sorted(tmp_path.iterdir()) == before
        (line,) = errors
        assert line.startswith('emotion-perception bag: ')
        return line

    return process


@pytest.mark.parametrize(
    ('name', 'content', 'reason'),
    [
        ('a.mcap', b'hello, I am a text', f'{DAMAGED}File magic is invalid'),
        ('a.mcap', b'', DAMAGED),
        ('a.mcap', b'\x89MCAP0\r\n', DAMAGED),
        ('a.db3', b'hello, I am a text', f'{DAMAGED}Cannot open database'),
        ('a.db3', b'', DAMAGED),
        ('a.mp4', b'film', 'name a rosbag2 folder, or a .mcap or .db3 file'),
        ('folder/other.txt', b'', 'it has no .mcap or .db3 file'),
        ('folder/metadata.yaml', b'a: [', 'Could not load YAML'),
        ('folder/metadata.yaml', b'', DAMAGED),
        ('folder/metadata.yaml', b'rosbag2_bagfile_information: {version: 9}', 'key is missing'),
        ('folder/metadata.yaml', b' ' * (2**24 + 1), 'its metadata.yaml is too large'),
    ],
)
def test_other_files_are_refused(refused, tmp_path, name, content, reason):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    assert reason in refused(path.parent if name.startswith('folder') else path)
    missing = tmp_path / 'nothing'
    assert refused(missing).endswith(f'there is no recording {missing}')


def test_the_conversion_of_a_ros_1_bag_works_as_advised(refused, tmp_path):
    path = tmp_path / 'a b.bag'
    store = get_typestore(Stores.ROS1_NOETIC)
    with Rosbag1Writer(path) as writer:
        topic = writer.add_connection('/text', 'std_msgs/msg/String', typestore=store)
        message = store.types['std_msgs/msg/String']('hello')
        writer.write(topic, 7, store.serialize_ros1(message, 'std_msgs/msg/String'))
    command = refused(path).split('`')[1]
    subprocess.run(command, shell=True, check=True, timeout=60)
    with open_bag(tmp_path / 'a b') as bag:
        assert [one.topic for one in bag.connections] == ['/text']


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('fraction', [0.1, 0.5, 0.9])
def test_a_truncated_recording_is_refused(refused, image_bag, storage, fraction):
    bag = image_bag(storage=storage)
    (file,) = [one for one in bag.iterdir() if one.name != 'metadata.yaml']
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * fraction)])
    assert DAMAGED in refused(bag)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_damaged_bytes_end_in_a_bag_error_or_in_messages(write_bag, small_portrait, storage):
    small = small_portrait[:24, :32].copy()
    images = [jpeg(small, stamped(n)) for n in range(4)]
    bag = write_bag('whole', {'/eye': images}, storage=storage)
    (file,) = [one for one in bag.iterdir() if one.name != 'metadata.yaml']
    whole = file.read_bytes()
    chance, types, ends = random.Random(7), MessageTypes(), {'read': 0, 'refused': 0}
    for _ in range(100):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.choice((0, 255, chance.randrange(256)))
        file.write_bytes(data[: chance.randrange(len(data))] if chance.random() < 0.2 else data)
        try:
            with open_bag(chance.choice((bag, file))) as opened:
                for connection in opened.connections:
                    types.definition_of(connection)
                list(opened.messages(image_connections(opened)))
            ends['read'] += 1
        except BagError as error:
            assert '\n' not in str(error)
            ends['refused'] += 1
    assert ends['read'] + ends['refused'] == 100
    assert min(ends.values()) > 4, ends


@pytest.mark.parametrize('part', ['', 'metadata.yaml', 'bag.mcap'])
def test_a_folder_its_metadata_or_its_file(portrait_bag, part):
    with open_bag(portrait_bag / part) as bag:
        (connection,) = image_connections(bag)
        assert (connection.topic, connection.msgcount) == ('/eye/image', 5)
        stamps = [stamp for _, stamp, _ in bag.messages([connection])]
        assert stamps == [START_NS + number * PERIOD_NS for number in range(5)]


@pytest.fixture
def two_cameras(write_bag, small_portrait):
    """Return a recording of two cameras and of other topics."""
    images = [bgr_to_image(small_portrait, stamped(n)) for n in range(3)]
    topics = {
        '/left/image': images,
        '/right/image/compressed': [jpeg(small_portrait, stamped(0))],
        '/head': [Header(frame_id='eye')],
        '/third/image': [],
    }
    kinds = {'/head': 'std_msgs/msg/Header', '/third/image': 'sensor_msgs/msg/Image'}
    return write_bag('two', topics, kinds)


def test_annotated_images_of_the_node_are_not_from_a_camera(write_bag, small_portrait):
    images = [bgr_to_image(small_portrait, stamped(0))]
    with open_bag(write_bag('robot', {'/emotion/image': images, '/eye': images})) as bag:
        assert [one.topic for one in image_connections(bag)] == ['/eye']
        (chosen,) = image_connections(bag, '/emotion/image')
        assert chosen.topic == '/emotion/image'


@pytest.mark.parametrize(
    ('topic', 'reason'),
    [
        ('', 'has images on several topics; choose one with --topic: images are on '
         '/left/image (3 Image), /right/image/compressed (1 CompressedImage)'),
        ('/nose', "has no topic '/nose'; images are on /left/image (3 Image), "),
        ('/head', "'/head' is std_msgs/msg/Header, not images; images are on /left/image"),
        ('/third/image', "'/third/image' is empty, not images; images are on /left/image"),
    ],
)  # fmt: skip
def test_a_topic_without_images_is_refused(refused, two_cameras, topic, reason):
    assert reason in refused(two_cameras, '--topic', topic)


def test_one_of_two_cameras_is_chosen(two_cameras):
    with open_bag(two_cameras) as bag:
        for name in ('/left/image', 'left/image'):
            (found,) = image_connections(bag, name)
            assert found.topic == '/left/image'


def test_no_images_at_all(refused, write_bag):
    bag = write_bag('head', {'/head': [Header()]}, {'/head': 'std_msgs/msg/Header'})
    assert refused(bag).endswith('holds no images (sensor_msgs Image or CompressedImage)')


def test_compressed_messages_need_the_metadata(refused, image_bag):
    bag = image_bag(storage='sqlite3', compress=True)
    assert refused(bag / 'bag.db3').endswith('name the folder, not the file')


def test_a_data_file_that_is_gone(refused, portrait_bag):
    shutil.move(portrait_bag / 'bag.mcap', portrait_bag / 'elsewhere.mcap')
    assert 'bag.mcap of its metadata.yaml is gone; name the files' in refused(portrait_bag)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize(
    ('old', 'new', 'remark'),
    [
        ('qos_profiles: []', f'qos_profiles: {QOS}', 'the QoS of /eye'),
        ('qos_profiles: []', "qos_profiles: 'reliable'", ''),
        ('storage_identifier: {}', "storage_identifier: ''", "plugin '' not supported"),
        ('message_count: 3', 'message_count: 1', 'counts 1 messages of /eye, the data file holds'),
        ('name: /eye', 'name: /nose', 'counts 0 messages of /eye, the data file holds 3'),
    ],
)
def test_metadata_edited_by_hand(run, tmp_path, image_bag, storage, old, new, remark):
    bag = image_bag(storage=storage)
    expected = contents(bag)
    old = old.format(storage)
    change_metadata(bag, old, new)
    before = file_bytes(bag)
    assert contents(bag) == expected
    code, out, errors = run('process', bag, '-o', tmp_path / 'out')
    assert (code, file_bytes(bag)) == (0, before)
    assert ': 3 images of /eye' in out
    (line,) = errors
    assert line.startswith(f'note: {bag}: its metadata.yaml is not used: ')
    assert 'report' not in line  # rosbags asks for reports of what only it does not support
    assert remark in line


def test_split_files_without_metadata_are_one_recording(run, tmp_path, write_bag, small_portrait):
    folder = tmp_path / 'split'
    folder.mkdir()
    # named so that the order of names is not that of the images
    # and so that one begins before the other ends
    for name, numbers in (('bag_10', (3, 4, 5)), ('bag_9', (0, 1, 2, 3))):
        images = [bgr_to_image(small_portrait, stamped(n)) for n in numbers]
        part = write_bag(name, {'/eye': images}, first=numbers[0])
        shutil.move(part / 'bag.mcap', folder / f'{name}.mcap')
    with open_bag(folder) as bag:
        (connection,) = image_connections(bag)
        assert (connection.msgcount, bag.remark) == (7, 'it has no metadata.yaml')
        stamps = [stamp for _, stamp, _ in bag.messages([connection])]
        assert stamps == [START_NS + number * PERIOD_NS for number in (0, 1, 2, 3, 3, 4, 5)]
        assert not bag.missing([connection])
    code, out, _ = run('process', folder, '-o', tmp_path / 'out')
    assert (code, ': 7 images of /eye' in out) == (0, True)


@pytest.mark.parametrize('metadata', [True, False])
def test_rows_in_the_write_ahead_log_of_a_killed_recorder(
    run, tmp_path, image_bag, small_portrait, metadata
):
    whole, bag = image_bag('whole', storage='sqlite3'), image_bag(storage='sqlite3')
    recorder = sqlite3.connect(bag / 'bag.db3')
    recorder.execute('PRAGMA journal_mode = WAL')
    recorder.execute('PRAGMA wal_autocheckpoint = 0')
    row = recorder.execute('SELECT * FROM messages WHERE id = 3').fetchone()
    recorder.execute('DELETE FROM messages WHERE id = 3')
    recorder.commit()
    recorder.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    recorder.execute(f'INSERT INTO messages VALUES ({", ".join("?" * len(row))})', row)
    recorder.commit()
    killed = tmp_path / 'killed'
    shutil.copytree(bag, killed)
    recorder.close()
    (killed / 'bag.db3-shm').unlink()
    if not metadata:
        (killed / 'metadata.yaml').unlink()
    before = file_bytes(killed)
    for path in (killed, killed / 'bag.db3'):
        assert contents(path) == contents(whole)
    code, out, errors = run('process', killed, '-o', tmp_path / 'out')
    assert (code, ': 3 images of /eye' in out) == (0, True)
    assert errors == [
        f'note: {killed}: the recorder did not finish; its last messages are in bag.db3-wal; '
        'what its data files hold was read'
    ]
    assert file_bytes(killed) == before


def test_raw_and_compressed_images_of_one_camera(write_bag, small_portrait):
    raw = [bgr_to_image(small_portrait, stamped(n)) for n in range(2)]
    both = {'/eye/image': raw, '/eye/image/compressed': [jpeg(small_portrait, stamped(0))]}
    with open_bag(write_bag('both', both)) as bag:
        assert [one.topic for one in image_connections(bag)] == ['/eye/image']
        (chosen,) = image_connections(bag, '/eye/image/compressed')
        assert chosen.topic == '/eye/image/compressed'


@pytest.mark.parametrize(
    ('old', 'new', 'found'),
    [
        (b'\x07\0\0\0ros2msg', b'\x07\0\0\0ros1msg', 'ros1msg'),
        (b'\x03\0\0\0cdr', b'\x03\0\0\0xml', 'xml'),
    ],
)
def test_messages_that_are_not_those_of_ros_2(refused, image_bag, old, new, found):
    bag = image_bag()
    path = bag / 'bag.mcap'
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    (bag / 'metadata.yaml').unlink()
    line = refused(bag)
    assert f"holds messages in {found}, not those of ROS 2's `ros2 bag record`" in line
