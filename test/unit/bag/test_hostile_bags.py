# SPDX-License-Identifier: Apache-2.0
"""Recordings with impossible sizes, types, names and paths are refused in one line."""

import os
import re
import sqlite3
import struct

import pytest
from rclpy.exceptions import InvalidTopicNameException
from rclpy.validate_full_topic_name import validate_full_topic_name
from rosbags.interfaces import MessageDefinitionFormat

from emotion_perception.bag import reading
from emotion_perception.bag.message_types import (
    RAW,
    MessageTypes,
    full_topic_name,
    hash_definition,
)
from emotion_perception.bag.process import process_bag
from emotion_perception.bag.reading import image_connections, open_bag
from emotion_perception.errors import BagError, ImageError
from emotion_perception.ros.conversions import bgr_to_image
from support.peak_memory import peak_mb

from .conftest import change_metadata, contents, stamped

MESSAGES = 'SELECT id, topic_id, timestamp, data FROM messages'


def read_images(path):
    """Return the image messages of a recording."""
    with open_bag(path) as bag:
        return [row[2] for row in bag.messages(image_connections(bag))]


def refusal(path):
    """Return why a recording is refused, in one line."""
    with pytest.raises(BagError) as caught:
        read_images(path)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_a_chunk_that_is_too_large_is_not_unpacked(image_bag, monkeypatch):
    bag = image_bag(compress=True)
    monkeypatch.setattr(reading, 'MAX_CHUNK_BYTES', 2**11)
    assert 'a chunk unpacks to more than' in refusal(bag)
    assert 'a chunk unpacks to more than' in refusal(bag / 'bag.mcap')


@pytest.mark.parametrize(
    ('column', 'value'),
    [('data', 'NULL'), ('data', '7'), ('data', "'text'"), ('timestamp', 'NULL'),
     ('timestamp', "'text'"), ('timestamp', '3.5'), ('timestamp', '-5')],
)  # fmt: skip
def test_a_database_with_values_of_the_wrong_type(image_bag, column, value):
    bag = image_bag(storage='sqlite3')
    with sqlite3.connect(bag / 'bag.db3') as file:
        file.executescript(
            f'CREATE TABLE m AS {MESSAGES}; DROP TABLE messages; '
            'CREATE TABLE messages(id, topic_id, timestamp, data); '
            f'INSERT INTO messages {MESSAGES.replace("messages", "m")}; '
            f'UPDATE messages SET {column} = {value} WHERE id = 2'
        )
    file.close()
    assert 'damaged' in refusal(bag)


@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ('name: /eye', 'name: 5'),
        ('name: /eye', 'name: [a, b]'),
        ('type: sensor_msgs/msg/Image', 'type: null'),
        ('message_count: 3', 'message_count: many'),
        ('message_count: 3', 'message_count: -3'),
        ('message_count: 3', 'message_count: .nan'),
        ('nanoseconds_since_epoch: 5000000000', 'nanoseconds_since_epoch: [1]'),
        ('nanoseconds: 200000000', 'nanoseconds: x'),
        ('relative_file_paths:', 'relative_file_paths: 7\nold:'),
        ('version: 9', 'version: !!python/object/apply:os.system ["touch harmed"]'),
    ],
)
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_metadata_of_wrong_types_is_not_needed(
    image_bag, tmp_path, monkeypatch, old, new, storage
):
    """The data files say the same."""
    monkeypatch.chdir(tmp_path)
    bag = image_bag(storage=storage)
    expected = read_images(bag)
    change_metadata(bag, old, new)
    assert read_images(bag) == expected
    with open_bag(bag) as opened:
        assert opened.remark.startswith('its metadata.yaml is not used: ')
        assert '\n' not in opened.remark
    assert not (tmp_path / 'harmed').exists()


@pytest.mark.parametrize('name', ['../other/bag.mcap', '/etc/passwd', '..'])
def test_metadata_with_paths_to_elsewhere(image_bag, name):
    image_bag('other')
    bag = image_bag()
    change_metadata(bag, 'bag.mcap', name)
    (bag / 'bag.mcap').unlink()
    assert 'damaged' in refusal(bag)


@pytest.mark.parametrize('kind', ['fifo', 'folder', 'device', 'link'])
def test_a_data_file_that_is_not_a_file_of_the_recording(image_bag, kind):
    other, bag = image_bag('other'), image_bag()
    file = bag / 'bag.mcap'
    file.unlink()
    if kind == 'fifo':
        os.mkfifo(file)
        assert 'is no recording' in refusal(file)
    elif kind == 'folder':
        file.mkdir()
    else:
        file.symlink_to('/dev/zero' if kind == 'device' else other / 'bag.mcap')
    assert 'bag.mcap is not a file inside the recording' in refusal(bag)


def test_a_link_that_the_user_names_is_followed(image_bag, tmp_path):
    bag = image_bag()
    (tmp_path / 'shortcut').symlink_to(bag)
    (tmp_path / 'shortcut.mcap').symlink_to(bag / 'bag.mcap')
    assert len(read_images(tmp_path / 'shortcut')) == 3
    assert len(read_images(tmp_path / 'shortcut.mcap')) == 3


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize(
    'name', ['a b', "it's", 'x;y', 'ü', '-o', 'a\nb', '*', 'run#2', 'x?y', 'a%41']
)
def test_folders_with_special_characters(image_bag, pipeline, tmp_path, storage, name):
    """SQLite would take `#` and `?` as the end of the path, and `%41` as A."""
    (tmp_path / 'out').mkdir()
    out, source = tmp_path / 'out' / name, image_bag()
    if storage == 'sqlite3' and set(name) & set('#?%'):
        with pytest.raises(BagError, match='SQLite cannot open a path with #, \\? or %'):
            process_bag(source, out, pipeline, storage=storage)
        image_bag('other', storage=storage).rename(out)
        assert 'SQLite cannot open' in refusal(out)
        assert 'SQLite cannot open' in refusal(out / 'bag.db3')
        return
    process_bag(source, out, pipeline, storage=storage)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == [name]
    assert read_images(out) == read_images(source)


@pytest.mark.parametrize(
    'topic',
    ['/a b', '/eye\nemotion-perception: all is well', '/\x1b[2Jeye', '', 'eye', '/ü', '/a//b',
     '/<b>', '/../../etc', '/\u202eeye', '/' + 'x' * 5000],
    ids=range(11),
)  # fmt: skip
def test_recorded_topics_with_special_characters(run, tmp_path, write_bag, small_portrait, topic):
    """They are copied as they are; only visible characters are printed."""
    image = bgr_to_image(small_portrait, stamped(0))
    bag = write_bag('bag', {topic: [image]})
    two = write_bag('two', {topic: [image], '/other': [image]})
    page = tmp_path / 'page.html'
    for code, command in (
        (0, ['process', bag, '-o', tmp_path / 'out']),
        (2, ['process', two, '-o', tmp_path / 'out2']),
        (0, ['report', tmp_path / 'out', '-o', page, '--pictures']),
    ):
        found, out, errors = run(*command)
        assert found == code
        for line in [*out.splitlines(), *errors]:
            assert line.isprintable(), repr(line)
            assert len(line) < 1000
            assert not line.startswith('emotion-perception: all is well')
    topics = list(dict.fromkeys(row[0] for row in contents(tmp_path / 'out')))
    assert topics == [topic, '/emotion', '/emotion/faces']


@pytest.mark.parametrize(
    'name', ['eye', '/a/b_1', '_x', 'a b', 'a-b', '1a', 'a/1b', 'a//b', 'a/', 'ü', 'a\n', '../a',
             '{x}', '~', 'x' * 246, 'x' * 247],
)  # fmt: skip
def test_topic_names_are_valid_where_rclpy_says_so(name):
    try:
        validate_full_topic_name(f'/{name.lstrip("/")}')
    except InvalidTopicNameException:
        with pytest.raises(BagError, match='is not a valid topic name') as caught:
            full_topic_name(name)
        assert str(caught.value).isprintable()
    else:
        assert full_topic_name(name) == f'/{name.lstrip("/")}'


def test_new_topics_with_invalid_names_are_refused(run, tmp_path, image_bag):
    bag, out = image_bag(), tmp_path / 'out'
    for words in (
        ['process', bag, '-o', out, '--namespace', '1a'],
        ['record', 'portrait', '--seconds', '0.1', '-o', out, '--topic', '1a'],
        ['play', bag, '-o', out, '--to', '1a'],
        ['play', bag, '-o', out, '--namespace', '1a'],
    ):
        code, _, (line,) = run(*words)
        assert code == 2
        assert "'1a' is not a valid topic name" in line
    assert list(tmp_path.iterdir()) == [bag]


IDL = '=' * 80 + '\nIDL: a/msg/B\nmodule a {{ module msg {{ {} }}; }};\n'


@pytest.mark.parametrize(
    ('text', 'known'),
    [
        (IDL.format(f'const long X = {"(" * 40}1{")" * 40}; struct B {{ long c; }};'), False),
        (IDL.format(f'@key({"(" * 40}1{")" * 40}) struct B {{ long c; }};'), False),
        (IDL.format('const long X = (1); ' * 2000 + 'struct B { long c; };'), False),
        (IDL.format('/* a (comment) */ @verbatim (language="comment", text="(a") '
                    'struct B { @default (value=3) long c; };'), True),
        ('int32 c\n', True),
        ('B b\n', False),
        ('C c\n' + '=' * 80 + '\nMSG: a/msg/C\nB b\n', False),
        ('a/b/c/../../d e\n', False),
        ('int32[' + '9' * 5000 + '] x\n', False),
    ],
    ids=range(9),
)  # fmt: skip
def test_definitions_that_take_too_long_or_are_faulty(text, known):
    """Each nested bracket makes rosbags' parser of IDL forty times slower."""
    idl = MessageDefinitionFormat.IDL if 'IDL:' in text else MessageDefinitionFormat.MSG
    digest = hash_definition('a/msg/B', text, idl)
    assert re.fullmatch('RIHS01_[0-9a-f]{64}', digest) if known else digest == ''


@pytest.mark.parametrize('length', [2**31 - 1, 2**32 - 1, 10**9])
def test_a_message_of_an_impossible_length(types, small_portrait, length):
    data = types.encode(bgr_to_image(small_portrait[:24, :32], stamped(0)), RAW)
    at = data.index(struct.pack('<I', 24 * 32 * 3), 40)
    harmful = data[:at] + struct.pack('<I', length) + data[at + 4 :]

    def decode():
        with pytest.raises(ImageError, match='damaged'):
            MessageTypes().decode_image(harmful, RAW)

    assert peak_mb(decode) < 50
