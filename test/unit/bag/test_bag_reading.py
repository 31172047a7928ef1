# SPDX-License-Identifier: Apache-2.0
"""Damaged recordings end in one clear line; which topic has the images."""

import random
import shutil
import subprocess

import pytest
from rosbags.rosbag1 import Writer as Rosbag1Writer
from rosbags.typesys import Stores, get_typestore
from std_msgs.msg import Header

from emotion_perception.bag.message_types import MessageTypes
from emotion_perception.bag.reading import image_connections, open_bag
from emotion_perception.errors import BagError
from emotion_perception.ros.conversions import bgr_to_image

from .conftest import PERIOD_NS, START_NS, jpeg, stamped

DAMAGED = 'no recording, or damaged: '


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
        ('folder/other.txt', b'', 'it has no metadata.yaml'),
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
        assert (bag.count, bag.start_ns, bag.end_ns) == (5, START_NS, START_NS + 4 * PERIOD_NS)
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
    assert 'Some database files are missing' in refused(portrait_bag)
