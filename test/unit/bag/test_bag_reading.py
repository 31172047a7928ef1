"""What is no recording, or a damaged one, ends in one clear line; which topic holds the images."""

import random
import shutil

import pytest
from std_msgs.msg import Header

from emotion_perception import cli
from emotion_perception.bag.message_types import MessageTypes
from emotion_perception.bag.reading import image_connections, open_bag
from emotion_perception.errors import BagError
from emotion_perception.ros.conversions import bgr_to_image

from .conftest import PERIOD_NS, START_NS, jpeg, stamped


def refused(capsys, tmp_path, path, *options):
    """Process a recording that cannot be; return the one line that says why."""
    before = sorted(tmp_path.iterdir())
    code = cli.main(['bag', 'process', str(path), '-o', str(tmp_path / 'out'), *options])
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, '')
    assert sorted(tmp_path.iterdir()) == before
    (line,) = [line for line in printed.err.splitlines() if not line.startswith('INFO')]
    assert line.startswith('emotion-perception bag: ')
    return line


@pytest.mark.parametrize(
    ('name', 'content', 'reason'),
    [
        ('a.mcap', b'hello, I am a text', 'no recording, or a damaged one: File magic is invalid'),
        ('a.mcap', b'', 'no recording, or a damaged one'),
        ('a.mcap', b'\x89MCAP0\r\n', 'no recording, or a damaged one'),
        ('a.db3', b'hello, I am a text', 'no recording, or a damaged one: Cannot open database'),
        ('a.db3', b'', 'no recording, or a damaged one'),
        ('a.bag', b'#ROSBAG V2.0\n', 'is a ROS 1 bag; `rosbags-convert '),
        ('a.mp4', b'film', 'name a rosbag2 folder, or a .mcap or .db3 file'),
        ('folder/other.txt', b'', 'it holds no metadata.yaml'),
        ('folder/metadata.yaml', b'a: [', 'Could not load YAML'),
        ('folder/metadata.yaml', b'', 'no recording, or a damaged one'),
        ('folder/metadata.yaml', b'rosbag2_bagfile_information: {version: 9}', 'key is missing'),
    ],
)
def test_what_is_no_recording(capsys, tmp_path, name, content, reason):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    named = path.parent if name.startswith('folder') else path
    assert reason in refused(capsys, tmp_path, named)


def test_nothing_there(capsys, tmp_path):
    line = refused(capsys, tmp_path, tmp_path / 'nothing')
    assert line.endswith(f'there is no recording {tmp_path / "nothing"}')


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('share', [0.1, 0.5, 0.99])
def test_a_recording_that_is_cut_short(
    capsys, tmp_path, write_bag, small_portrait, storage, share
):
    images = [bgr_to_image(small_portrait, stamped(number)) for number in range(8)]
    bag = write_bag('whole', {'/eye/image': images}, storage=storage)
    (file,) = [one for one in bag.iterdir() if one.name != 'metadata.yaml']
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    assert 'no recording, or a damaged one: ' in refused(capsys, tmp_path, bag)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_damaged_bytes_end_in_a_bag_error_or_in_messages(write_bag, small_portrait, storage):
    """250 damaged files of each kind; nothing but BagError may come of them."""
    small = small_portrait[:24, :32].copy()
    bag = write_bag(
        'whole', {'/eye': [jpeg(small, stamped(n)) for n in range(4)]}, storage=storage
    )
    (file,) = [one for one in bag.iterdir() if one.name != 'metadata.yaml']
    whole = file.read_bytes()
    chance, types, ends = random.Random(7), MessageTypes(), {'read': 0, 'refused': 0}
    for _ in range(250):
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
    assert ends['read'] + ends['refused'] == 250
    assert min(ends.values()) > 10, ends


def test_the_only_topic_with_images_is_found(portrait_bag):
    with open_bag(portrait_bag) as bag:
        (found,) = image_connections(bag)
        assert (found.topic, found.msgcount) == ('/eye/image', 5)
        assert (bag.count, bag.start_ns) == (5, START_NS)
        assert bag.end_ns == START_NS + 4 * PERIOD_NS
        assert [stamp for _, stamp, _ in bag.messages([found])] == [
            START_NS + number * PERIOD_NS for number in range(5)
        ]


@pytest.mark.parametrize('part', ['', 'metadata.yaml', 'bag.mcap'])
def test_a_folder_its_metadata_or_its_file_may_be_named(portrait_bag, part):
    with open_bag(portrait_bag / part) as bag:
        assert len(list(bag.messages(image_connections(bag)))) == 5


@pytest.fixture
def two_cameras(write_bag, small_portrait):
    """Return a recording of two cameras and of something else."""
    messages = [bgr_to_image(small_portrait, stamped(n)) for n in range(3)]
    return write_bag(
        'two',
        {
            '/left/image': messages,
            '/right/image/compressed': [jpeg(small_portrait, stamped(0))],
            '/head': [Header(frame_id='eye')],
            '/third/image': [],
        },
        {'/head': 'std_msgs/msg/Header', '/third/image': 'sensor_msgs/msg/Image'},
    )


def test_the_picture_that_the_node_drew_is_no_camera(write_bag, small_portrait):
    picture = [bgr_to_image(small_portrait, stamped(0))]
    with open_bag(write_bag('robot', {'/emotion/image': picture, '/eye': picture})) as bag:
        assert [one.topic for one in image_connections(bag)] == ['/eye']
        assert [one.topic for one in image_connections(bag, '/emotion/image')] == [
            '/emotion/image'
        ]


def test_several_cameras_are_listed(capsys, tmp_path, two_cameras):
    assert refused(capsys, tmp_path, two_cameras).endswith(
        'holds several cameras; choose one with --topic: images are on /left/image (3 Image), '
        '/right/image/compressed (1 CompressedImage)'
    )


@pytest.mark.parametrize(
    ('topic', 'reason'),
    [
        ('/nose', "holds no topic '/nose'; images are on /left/image (3 Image), "),
        ('/head', "'/head' is std_msgs/msg/Header, not images; images are on /left/image"),
        ('/third/image', "'/third/image' is empty, not images; images are on /left/image"),
    ],
)
def test_a_topic_without_images(capsys, tmp_path, two_cameras, topic, reason):
    assert reason in refused(capsys, tmp_path, two_cameras, '--topic', topic)


def test_one_of_two_cameras_is_chosen(two_cameras):
    with open_bag(two_cameras) as bag:
        for name in ('/left/image', 'left/image'):
            (found,) = image_connections(bag, name)
            assert found.topic == '/left/image'


def test_no_images_at_all(capsys, tmp_path, write_bag):
    bag = write_bag('head', {'/head': [Header()]}, {'/head': 'std_msgs/msg/Header'})
    assert refused(capsys, tmp_path, bag).endswith(
        'holds no images (sensor_msgs Image or CompressedImage)'
    )


def test_compressed_messages_need_the_metadata(capsys, tmp_path, write_bag, small_portrait):
    images = [bgr_to_image(small_portrait, stamped(number)) for number in range(3)]
    bag = write_bag('small', {'/eye': images}, storage='sqlite3', compress=True)
    line = refused(capsys, tmp_path, bag / 'bag.db3')
    assert line.endswith('as only metadata.yaml tells: name the folder, not the file')


def test_a_file_of_a_recording_that_is_gone(capsys, tmp_path, portrait_bag):
    shutil.move(portrait_bag / 'bag.mcap', portrait_bag / 'elsewhere.mcap')
    assert 'Some database files are missing' in refused(capsys, tmp_path, portrait_bag)


def test_messages_that_the_metadata_announces_and_the_file_lacks(portrait_bag):
    yaml = portrait_bag / 'metadata.yaml'
    yaml.write_text(yaml.read_text().replace('message_count: 5', 'message_count: 9'))
    with open_bag(portrait_bag) as bag:
        found = image_connections(bag)
        assert len(list(bag.messages(found))) == 5
        assert bag.missing(found) == {'/eye/image': 4}
