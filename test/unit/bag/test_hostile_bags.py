"""Recordings that somebody made to do harm: bombs, names, paths; each is refused in one line or read as it is."""

import io
import os
import sqlite3
import struct
import time
import zipfile
from pathlib import Path

import pytest
from rosbags.interfaces import MessageDefinitionFormat
from rosbags.rosbag2.writer import zstd

from emotion_perception import cli
from emotion_perception.bag import unpacking
from emotion_perception.bag.message_types import RAW, MessageTypes, hash_definition
from emotion_perception.bag.process import process_bag
from emotion_perception.bag.reading import image_connections, open_bag
from emotion_perception.bag.writing import new_bag
from emotion_perception.errors import BagError
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import bgr_to_image
from support import bombs
from support.peak_memory import peak_mb

from .conftest import stamped

GIB = 2**30
MESSAGES = 'SELECT id, topic_id, timestamp, data FROM messages'


def read_images(path):
    """Return the image messages of a recording."""
    with open_bag(path) as bag:
        return [row[2] for row in bag.messages(image_connections(bag))]


def refusal(path, mb=1900, seconds=30):
    """Return why a recording is not read, once that took neither much memory nor much time."""
    said = []

    def work():
        with pytest.raises(BagError) as caught:
            read_images(path)
        said.append(str(caught.value))

    began = time.monotonic()
    assert peak_mb(work) < mb
    assert time.monotonic() - began < seconds
    (text,) = said
    assert '\n' not in text
    return text


@pytest.fixture(scope='module')
def pipeline():
    """Return a pipeline; the images here show nobody, so nothing of them stays in it."""
    return Pipeline.default()


@pytest.fixture
def image_bag(write_bag, small_portrait):
    """Return a function that writes a recording of three small images."""

    def write(name='bag', **options):
        images = [bgr_to_image(small_portrait[:24, :32].copy(), stamped(n)) for n in range(3)]
        return write_bag(name, {'/eye': images}, **options)

    return write


@pytest.mark.parametrize('indexed', [True, False], ids=['indexed', 'not indexed'])
@pytest.mark.parametrize('claimed', [100, 3 * GIB], ids=['honest about nothing', 'honest'])
@pytest.mark.parametrize('compression', ['zstd', 'lz4'])
def test_a_chunk_that_unpacks_to_gigabytes(tmp_path, compression, claimed, indexed):
    packed = bombs.zstd_zeros(3 * GIB) if compression == 'zstd' else bombs.lz4_zeros(GIB)
    assert len(packed) < 5_000_000
    chunk = bombs.Chunk(compression, packed, claimed)
    said = refusal(bombs.mcap_file(tmp_path / 'bomb.mcap', [chunk], indexed))
    assert 'unpacks to more than ' in said or 'is recorded at one time' in said


def test_many_chunks_of_one_time_that_unpack_to_gigabytes_together(tmp_path):
    packed = bombs.zstd_zeros(2**28)
    chunks = [bombs.Chunk('zstd', packed, 2**28)] * 20
    said = refusal(bombs.mcap_file(tmp_path / 'bomb.mcap', chunks, indexed=True), mb=100)
    assert 'what is recorded at one time unpacks to more than 512 MiB' in said


def test_an_index_that_names_one_chunk_a_million_times(tmp_path):
    chunk = bombs.Chunk('zstd', bombs.zstd_zeros(2**16, 2**16), 2**16)
    path = bombs.mcap_file(tmp_path / 'bomb.mcap', [chunk], indexed=True, repeat=10**5)
    assert 'the index names one chunk twice' in refusal(path)


def test_a_message_that_unpacks_to_gigabytes(image_bag):
    bag = image_bag(storage='sqlite3', compress=True)
    with sqlite3.connect(bag / 'bag.db3') as file:
        file.execute('UPDATE messages SET data = ?', (bombs.zstd_zeros(3 * GIB),))
    file.close()
    assert 'a zstd frame unpacks to more than 512 MiB' in refusal(bag)


def replace_file(bag, packed):
    """Put a compressed file in place of a recording's database."""
    (bag / 'bag.db3').unlink()
    (bag / 'bag.db3.zstd').write_bytes(packed)
    yaml = bag / 'metadata.yaml'
    yaml.write_text(
        yaml.read_text()
        .replace('bag.db3', 'bag.db3.zstd')
        .replace("compression_format: ''", 'compression_format: zstd')
        .replace("compression_mode: ''", 'compression_mode: FILE')
    )


def test_a_file_that_unpacks_to_gigabytes_on_disk(image_bag, tmp_path, monkeypatch):
    temporary = tmp_path / 'tmp'
    temporary.mkdir()
    monkeypatch.setattr('tempfile.tempdir', str(temporary))
    assert unpacking.MAX_FILE_BYTES == GIB
    monkeypatch.setattr(unpacking, 'MAX_FILE_BYTES', GIB // 8)
    bag = image_bag(storage='sqlite3')
    replace_file(bag, bombs.zstd_zeros(GIB))
    assert 'the compressed file unpacks to more than 128 MiB' in refusal(bag, mb=100)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_what_is_compressed_honestly_is_read(image_bag, storage):
    plain = read_images(image_bag('plain', storage=storage))
    assert len(plain) == 3
    assert read_images(image_bag('small', storage=storage, compress=True)) == plain


def test_a_whole_file_that_is_compressed_honestly_is_read(image_bag):
    bag = image_bag(storage='sqlite3')
    plain = read_images(bag)
    replace_file(bag, zstd.compress((bag / 'bag.db3').read_bytes()))
    assert read_images(bag) == plain


@pytest.mark.parametrize(
    'change',
    [
        # a few bytes of table that become half a gigabyte in each row
        'DROP TABLE messages; CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, '
        'timestamp INTEGER, data BLOB AS (zeroblob(500000000))); '
        'INSERT INTO messages VALUES (1, 1, 5), (2, 1, 6), (3, 1, 7);',
        'DROP TABLE topics; CREATE TABLE topics(id INTEGER PRIMARY KEY, '
        "name TEXT AS (hex(zeroblob(300000000))), type TEXT DEFAULT 'sensor_msgs/msg/Image', "
        "serialization_format TEXT DEFAULT 'cdr', offered_qos_profiles TEXT DEFAULT '', "
        "type_description_hash TEXT DEFAULT ''); INSERT INTO topics(id) VALUES (1), (2), (3);",
        # rows that never end
        'DROP TABLE topics; CREATE TABLE base(id); CREATE VIEW topics AS WITH RECURSIVE n(i) AS '
        "(SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id, '/eye' AS name FROM n;",
        'CREATE VIRTUAL TABLE other USING fts5(x); DROP TABLE messages; '
        'CREATE VIRTUAL TABLE messages USING fts5(topic_id, timestamp, data);',
    ],
    ids=['blobs made of nothing', 'names made of nothing', 'a view without end', 'a virtual table'],
)  # fmt: skip
def test_a_database_that_computes_its_rows(image_bag, change):
    bag = image_bag(storage='sqlite3')
    with sqlite3.connect(bag / 'bag.db3') as file:
        file.executescript(change)
    file.close()
    for path in (bag, bag / 'bag.db3'):
        assert 'no recording, or a damaged one: ' in refusal(path, mb=200)


@pytest.mark.parametrize('value', ['NULL', '7000000000', "'text'", '3.5'])
@pytest.mark.parametrize('column', ['data', 'timestamp'])
def test_a_database_of_other_types(image_bag, column, value):
    bag = image_bag(storage='sqlite3')
    with sqlite3.connect(bag / 'bag.db3') as file:
        file.executescript(
            f'CREATE TABLE m AS {MESSAGES}; DROP TABLE messages; '
            'CREATE TABLE messages(id, topic_id, timestamp, data); '
            f'INSERT INTO messages {MESSAGES.replace("messages", "m")}; '
            f'UPDATE messages SET {column} = {value} WHERE id = 2'
        )
    file.close()
    if (column, value) == ('timestamp', '7000000000'):
        assert len(read_images(bag)) == 3
    else:
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
        ('version: 9', 'version: !!python/name:os.system'),
    ],
)
def test_metadata_of_other_types(image_bag, tmp_path, monkeypatch, old, new):
    monkeypatch.chdir(tmp_path)
    bag = image_bag()
    yaml = bag / 'metadata.yaml'
    assert old in yaml.read_text()
    yaml.write_text(yaml.read_text().replace(old, new))
    assert 'damaged' in refusal(bag)
    assert not (tmp_path / 'harmed').exists()


def test_metadata_that_grows_when_it_is_read(image_bag):
    bag = image_bag()
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
    lines += [f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 9)}]' for n in range(1, 12)]
    yaml = bag / 'metadata.yaml'
    yaml.write_text('\n'.join(lines) + '\n' + yaml.read_text().replace('/eye', '*a11'))
    assert 'damaged' in refusal(bag, mb=200)


@pytest.mark.parametrize('name', ['../other/bag.db3', '/etc/passwd', '../../bag.db3', '..', '.'])
def test_metadata_that_names_files_outside_the_folder(image_bag, tmp_path, name):
    other, bag = image_bag('other', storage='sqlite3'), image_bag('bag', storage='sqlite3')
    with sqlite3.connect(other / 'bag.db3') as file:
        file.execute("UPDATE topics SET name = '/secret'")
    file.close()
    (bag / 'bag.db3').unlink()
    yaml = bag / 'metadata.yaml'
    yaml.write_text(
        yaml.read_text()
        .replace('bag.db3', name)
        .replace('/eye', '/secret')
    )  # fmt: skip
    assert 'damaged' in refusal(bag)


def test_a_link_out_of_the_folder(image_bag, tmp_path):
    other, bag = image_bag('other'), image_bag('bag')
    (bag / 'bag.mcap').unlink()
    (bag / 'bag.mcap').symlink_to(other / 'bag.mcap')
    assert 'bag.mcap is a link to a file outside the recording' in refusal(bag)
    # a link that the user names is the user's own choice
    (tmp_path / 'shortcut').symlink_to(other)
    (tmp_path / 'shortcut.mcap').symlink_to(other / 'bag.mcap')
    assert len(read_images(tmp_path / 'shortcut')) == 3
    assert len(read_images(tmp_path / 'shortcut.mcap')) == 3


@pytest.mark.parametrize('kind', ['fifo', 'folder', 'device'])
def test_a_data_file_that_is_no_file(image_bag, kind):
    bag = image_bag()
    file = bag / 'bag.mcap'
    file.unlink()
    if kind == 'fifo':
        os.mkfifo(file)
    elif kind == 'folder':
        file.mkdir()
    else:
        file.symlink_to('/dev/zero')
    assert 'damaged' in refusal(bag)
    if kind == 'fifo':
        assert 'is no recording' in refusal(file)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize(
    'name', ['a b', 'run#2', 'what?x=y', 'a%41', "it's", 'x;y', 'ü', '-o', 'a\nb', '*']
)
def test_folders_of_odd_names(image_bag, pipeline, tmp_path, storage, name):
    (tmp_path / 'in').mkdir()
    source = image_bag(f'in/{name}', storage=storage)
    assert [path.name for path in (tmp_path / 'in').iterdir()] == [name]
    assert len(read_images(source)) == 3
    (out := tmp_path / 'out').mkdir()
    process_bag(source, out / name, pipeline, storage=storage)
    assert [path.name for path in out.iterdir()] == [name]
    assert {path.name for path in (out / name).iterdir()} == {
        'metadata.yaml', 'bag.mcap' if storage == 'mcap' else 'bag.db3'
    }  # fmt: skip


def test_nothing_is_written_into_another_recording(image_bag, pipeline, tmp_path):
    """`#` and `?` end a file's name where SQLite takes it for an address."""
    image_bag(storage='sqlite3')
    victim = tmp_path / 'bag' / 'bag.db3'
    before = victim.read_bytes()
    process_bag(tmp_path / 'bag', tmp_path / 'bag' / 'bag.db3#1', pipeline, storage='sqlite3')
    assert victim.read_bytes() == before


ODD_TOPICS = ('/a b', '/eye\nemotion-perception: all is well', '/\x1b[2Jeye', '', 'eye', '/ü', '/a//b', '/<b>', '/../../etc', '/\u202eeye', '/' + 'x' * 5000)  # fmt: skip


@pytest.mark.parametrize('topic', ODD_TOPICS, ids=range(len(ODD_TOPICS)))
def test_topics_of_odd_names(capsys, tmp_path, write_bag, small_portrait, topic):
    """They are copied as they are, and nothing of them reaches the terminal but what can be seen."""
    image = bgr_to_image(small_portrait, stamped(0))
    bag = write_bag('bag', {topic: [image]})
    assert cli.main(['bag', 'process', str(bag), '-o', str(tmp_path / 'out')]) == 0
    assert_printable(capsys.readouterr())
    with open_bag(tmp_path / 'out') as out:
        assert [one.topic for one in out.connections] == [topic, '/emotion', '/emotion/faces']
    two = write_bag('two', {topic: [image], '/other': [image]})
    assert cli.main(['bag', 'process', str(two), '-o', str(tmp_path / 'out2')]) == 2
    printed = capsys.readouterr()
    assert_printable(printed)
    assert 'holds several cameras' in printed.err
    assert cli.main(
        ['bag', 'report', str(tmp_path / 'out'), '-o', str(tmp_path / 'page.html'), '--pictures']
    ) == 0  # fmt: skip
    assert_printable(capsys.readouterr())


def assert_printable(printed):
    """Check that each line is short, can be seen, and is ours."""
    for line in (printed.out + printed.err).split('\n'):
        assert line.isprintable(), repr(line)
        assert len(line) < 1000
        assert not line.startswith('emotion-perception: all is well')


@pytest.mark.parametrize('name', ['a b', 'a-b', '1a', 'a//b', 'ü', 'a\nb', '../a', '{x}', '~'])
def test_new_topics_of_odd_names_are_refused(capsys, tmp_path, image_bag, name):
    bag = image_bag()
    before = sorted(tmp_path.iterdir())
    for words in (
        ['process', str(bag), '-o', str(tmp_path / 'out'), '--namespace', name],
        ['record', 'portrait', '--seconds', '0.1', '-o', str(tmp_path / 'out'), '--topic', name],
        ['play', str(bag), '-o', str(tmp_path / 'out'), '--to', name],
        ['play', str(bag), '-o', str(tmp_path / 'out'), '--namespace', name],
    ):
        assert cli.main(['bag', *words]) == 2, words
        (line,) = [x for x in capsys.readouterr().err.splitlines() if not x.startswith('INFO')]
        assert 'is no name of a topic' in line
        assert line.isprintable()
    assert sorted(tmp_path.iterdir()) == before


def test_a_definition_that_takes_forever_to_read():
    """Nested brackets make rosbags' parser of IDL forty times slower each."""
    begin = '=' * 80 + '\nIDL: a/msg/B\nmodule a { module msg { '
    for harm in (
        f'const long X = {"(" * 40}1{")" * 40}; struct B {{ long c; }};',
        f'@key({"(" * 40}1{")" * 40}) struct B {{ long c; }};',
        ''.join(f'const long X{n} = (1); ' for n in range(2000)) + 'struct B { long c; };',
        f'struct B {{ long c[{"(" * 40}1{")" * 40}]; }};',
    ):
        began = time.monotonic()
        assert (
            hash_definition('a/msg/B', f'{begin}{harm} }}; }};\n', MessageDefinitionFormat.IDL)
            == ''
        )
        assert time.monotonic() - began < 10
    honest = '/* a (comment) */ @verbatim (language="comment", text="(a") struct B { @default (value=3) long c; };'
    assert hash_definition('a/msg/B', f'{begin}{honest} }}; }};\n', MessageDefinitionFormat.IDL)


def test_definitions_that_refer_to_each_other_or_to_code():
    for text in (
        'B b\n',
        'C c\n' + '=' * 80 + '\nMSG: a/msg/C\nB b\n',
        'int32 __class__\n',
        'string s "\'); import os; os.abort()"\n',
        'int32 x\n' * 3,
        'a/b/c/../../d e\n',
        'int32[' + '9' * 5000 + '] x\n',
        'string S="""\nimport os\nos.abort()\n"""\n',
    ):
        assert isinstance(hash_definition('a/msg/B', text, MessageDefinitionFormat.MSG), str)


@pytest.mark.parametrize('kind', ['pickle', 'npz', 'zip'])
def test_pickles_are_no_recordings(tmp_path, kind):
    import pickle

    blob = pickle.dumps(_Harm(tmp_path / 'harmed'))
    if kind != 'pickle':
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, 'w') as archive:
            archive.writestr('data.pkl' if kind == 'zip' else 'arr_0.npy', blob)
        blob = packed.getvalue()
    for suffix in ('.mcap', '.db3'):
        path = tmp_path / f'a{suffix}'
        path.write_bytes(blob)
        assert 'no recording, or a damaged one' in refusal(path)
    assert not (tmp_path / 'harmed').exists()


class _Harm:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_message_of_an_impossible_length(image_bag):
    bag = image_bag(storage='sqlite3')
    types = MessageTypes()
    for length in (2**31 - 1, 2**32 - 1, 10**9):
        with open_bag(bag) as opened:
            ((connection, _, data),) = list(opened.messages(opened.connections))[:1]
        at = data.index(struct.pack('<I', 24 * 32 * 3), 40)
        harmful = data[:at] + struct.pack('<I', length) + data[at + 4 :]
        assert peak_mb(lambda d=harmful: _refuse_message(types, d)) < 50
    assert connection.msgtype == RAW


def _refuse_message(types, data):
    from emotion_perception.errors import ImageError

    with pytest.raises(ImageError, match='damaged'):
        types.decode_image(data, RAW)


def test_a_new_recording_never_follows_a_link(tmp_path, pipeline, image_bag):
    bag = image_bag()
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'out').symlink_to(tmp_path / 'elsewhere' / 'new')
    (tmp_path / 'out2.partial').symlink_to(tmp_path / 'elsewhere')
    for out in ('out', 'out2'):
        with pytest.raises(BagError, match='exists already|is in the way'):
            process_bag(bag, tmp_path / out, pipeline)
    with pytest.raises(BagError), new_bag(tmp_path / 'out'):
        pass
    assert list((tmp_path / 'elsewhere').iterdir()) == []
