# SPDX-License-Identifier: Apache-2.0
"""
Read a rosbag2 recording: sqlite3 or mcap, compressed or not, a folder or its data file.

What the data files hold counts: a metadata.yaml that is missing, damaged or says otherwise is not
needed, and messages that a killed recorder left in SQLite's write-ahead log are read too.
"""

import heapq
import os
import shlex
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader
from ruamel.yaml import YAML

from emotion_perception.bag.message_types import COMPRESSED, RAW, printable
from emotion_perception.errors import BagError

MAX_CHUNK_BYTES = 512 * 2**20
"""Largest chunk of an mcap file that is unpacked; the largest supported image has 400 MB."""

_MAX_METADATA_BYTES = 2**24
_MAX_STAMP_NS = 2**63 - 1
_OTHER_SCHEMAS = ('ros1msg', 'protobuf', 'jsonschema', 'flatbuffer', 'omgidl')
"""Of the messages in mcap files that other programs write."""
_DATA_SUFFIXES = ('.mcap', '.db3')
_ZSTD = b'\x28\xb5\x2f\xfd'  # magic number; a serialized message begins with 0


def _other_encoding(path: Path, encoding: str) -> BagError:
    return BagError(
        f"{path} holds messages in {printable(encoding)}, not those of ROS 2's `ros2 bag record`"
    )


def _reason(error: Exception) -> str:
    """Return what an error of rosbags says, as one line."""
    text = ' '.join(printable(str(error)).split()).rstrip('.')
    return text.removesuffix('; please report issue') or type(error).__name__


@contextmanager
def _damage_as_bag_error(path: Path) -> Iterator[None]:
    """Turn whatever rosbags raises over a damaged file into a BagError of one line."""
    try:
        yield
    except Exception as error:
        if isinstance(error, KeyError) and str(error.args[0]) in _OTHER_SCHEMAS:
            raise _other_encoding(path, error.args[0]) from None
        # struct, key, type, decompression and database errors all mean that the file is damaged
        reason = _reason(error)
        advice = '; was it cut short? `mcap recover` repairs it' if 'end magic' in reason else ''
        raise BagError(f'{path} is no recording, or damaged: {reason[:200]}{advice}') from None


def check_sqlite_path(path: Path) -> None:
    """
    Refuse a path that SQLite would misread: rosbags passes it on as an unquoted URI.

    Raises:
        BagError: if the absolute path contains `#`, `?` or `%`.

    """
    if set('#?%') & set(str(path.absolute())):
        raise BagError(f'{path}: SQLite cannot open a path with #, ? or %; rename it, or use mcap')


def _check_path(path: Path) -> None:
    if not path.exists():
        raise BagError(f'there is no recording {path}')
    if path.suffix == '.db3' or (path.is_dir() and any(path.glob('*.db3'))):
        check_sqlite_path(path)
    if path.is_dir():
        _check_folder(path)
    elif path.suffix == '.bag':
        command = f'--src {shlex.quote(str(path))} --dst {shlex.quote(str(path.with_suffix("")))}'
        raise BagError(f'{path} is a ROS 1 bag; convert it with `rosbags-convert {command}`')
    elif path.suffix not in _DATA_SUFFIXES or not path.is_file():
        raise BagError(f'{path} is no recording: name a rosbag2 folder, or a .mcap or .db3 file')


def _check_folder(path: Path) -> None:
    metadata = path / 'metadata.yaml'
    if not metadata.is_file():
        if not _data_files(path):
            raise BagError(f'{path} is no recording: it has no .mcap or .db3 file')
        return
    if metadata.stat().st_size > _MAX_METADATA_BYTES:
        raise BagError(f'{path} is no recording, or damaged: its metadata.yaml is too large')
    text = metadata.read_bytes()
    for file in path.iterdir():
        if os.fsencode(file.name) not in text:
            continue
        if not file.is_file() or file.resolve().parent != path.resolve():
            raise BagError(f'{path} is damaged: {file.name} is not a file inside the recording')


def _data_files(folder: Path) -> list[Path]:
    """Return the data files inside a folder, without links."""
    files = [path for path in folder.iterdir() if path.suffix in _DATA_SUFFIXES]
    return sorted(path for path in files if path.is_file() and not path.is_symlink())


def is_recording(path: Path) -> bool:
    """Return whether a path is a file, or a folder as a recording has it; nothing is opened."""
    if not path.is_dir():
        return path.is_file()
    return (path / 'metadata.yaml').is_file() or bool(_data_files(path))


def _write_ahead_log(path: Path) -> Path | None:
    """Return the log with the rows that a recorder has not yet put into its database."""
    log = path.with_name(f'{path.name}-wal')
    return log if path.suffix == '.db3' and log.is_file() and log.stat().st_size else None


def _key(connection: Connection) -> tuple[str, str]:
    return connection.topic, connection.msgtype


class _DataFiles:
    """Reads the messages of data files by time, without a metadata.yaml."""

    def __init__(self, paths: Iterable[Path]):
        """
        Open the files.

        A database with a write-ahead log is copied to a temporary folder with it, and its rows are
        put together there: the recording itself is not touched.
        """
        self._stack = ExitStack()
        readers: list[Reader] = []
        try:
            for path in paths:
                reader = Reader(self._without_log(path))
                reader.open()
                self._stack.callback(reader.close)
                _check_index(reader)
                readers.append(reader)
        except BaseException:
            self._stack.close()
            raise
        self._readers = readers
        merged: dict[tuple[str, str], Connection] = {}
        for one in (one for reader in self._readers for one in reader.connections):
            first = merged.setdefault(_key(one), one._replace(id=len(merged) + 1, msgcount=0))
            merged[_key(one)] = first._replace(msgcount=first.msgcount + one.msgcount)
        self.connections = list(merged.values())

    def _without_log(self, path: Path) -> Path:
        log = _write_ahead_log(path)
        if log is None:
            return path
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix='emotion_bag_')))
        copy = folder / path.name
        shutil.copyfile(path, copy)
        shutil.copyfile(log, folder / log.name)
        database = sqlite3.connect(copy)
        database.execute('PRAGMA journal_mode = DELETE')
        database.close()
        return copy

    def messages(self, connections: list[Connection]) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield connection, time and bytes of each message, by time."""
        wanted = {_key(one): one for one in connections}
        chosen = [
            (reader, [one for one in reader.connections if _key(one) in wanted])
            for reader in self._readers
        ]
        # with an empty list a reader would yield all
        streams = [reader.messages(own) for reader, own in chosen if own]
        for one, stamp_ns, data in heapq.merge(*streams, key=lambda message: message[1]):
            yield wanted[_key(one)], stamp_ns, data

    def close(self) -> None:
        """Close the files and remove what was copied."""
        self._stack.close()


def _check_index(reader: Reader) -> None:
    """Refuse an index with values of the wrong type, or with sizes that no recorder writes."""
    numbers = [reader.message_count, reader.start_time, reader.end_time]
    numbers += [one.msgcount for one in reader.connections]
    texts = [text for one in reader.connections for text in (one.topic, one.msgtype, one.digest)]
    if not all(isinstance(number, int) for number in numbers) or min(numbers[3:], default=0) < 0:
        raise ValueError('a time or count is not a number, or is negative')
    if not all(isinstance(text, str) for text in texts):
        raise ValueError('a topic or type is not a text')
    for storage in getattr(reader.storage, 'storages', [reader.storage]):
        for chunk in getattr(storage, 'chunks', []):
            if chunk.uncompressed_size > MAX_CHUNK_BYTES:
                raise ValueError(f'a chunk unpacks to more than {MAX_CHUNK_BYTES // 2**20} MiB')


def _check_matches(reader: Reader) -> None:
    """Refuse a metadata.yaml by whose description the messages would not be found."""
    storages = getattr(reader.storage, 'storages', [])
    found = [one for storage in storages for one in storage.connections]
    described: Counter[tuple[str, str]] = Counter()
    for one in reader.connections:
        described[_key(one)] += one.msgcount
        others = [other.ext for other in found if _key(other) == _key(one)]
        if others and one.ext not in others:
            raise ValueError(f'the QoS of {printable(one.topic)} is not that in the data file')
    held: Counter[tuple[str, str]] = Counter()
    for one in found:
        held[_key(one)] += one.msgcount
    for key, count in held.items():
        if count > described[key]:
            raise ValueError(
                f'it counts {described[key]} messages of {printable(key[0])}, '
                f'the data file holds {count}'
            )


def _check_nothing_is_lost(folder: Path) -> None:
    """Refuse a recording of which a data file is gone; its other files can be named alone."""
    try:
        content = YAML(typ='safe').load((folder / 'metadata.yaml').read_bytes())
        names = content['rosbag2_bagfile_information']['relative_file_paths']
        lost = [str(name) for name in names if not (folder / Path(name).name).exists()]
    except Exception:
        return  # it names no files
    if lost:
        raise ValueError(
            f'{printable(", ".join(lost))} of its metadata.yaml is gone; name the files that are '
            'left one by one'
        )


def _open_reader(path: Path) -> tuple[Reader | _DataFiles, str]:
    """Return a reader, and why it does not use the metadata.yaml; empty if it does."""
    files = _data_files(path) if path.is_dir() else [path]
    logs = [log.name for log in map(_write_ahead_log, files) if log]
    if logs:
        return _DataFiles(
            files
        ), f'the recorder did not finish; its last messages are in {logs[0]}'
    if path.is_dir() and not (path / 'metadata.yaml').is_file():
        return _DataFiles(files), 'it has no metadata.yaml'
    reader = Reader(path)
    try:
        reader.open()
        _check_index(reader)
        _check_matches(reader)
    except Exception as error:
        if reader.is_open:
            reader.close()
        if not path.is_dir() or not files:
            raise
        _check_nothing_is_lost(path)
        return _DataFiles(files), f'its metadata.yaml is not used: {_reason(error)}'
    return reader, ''


class Bag:
    """
    A recording that is open for reading; made by `open_bag`.

    Attributes:
        path: of the recording.
        connections: its topics.
        remark: why its metadata.yaml is not used, and its data files are; empty if it is used.

    """

    def __init__(self, reader: Reader | _DataFiles, path: Path, remark: str = ''):
        """Use `open_bag` instead."""
        self.path, self.remark = path, remark
        self._reader = reader
        self._read: Counter[str] = Counter()
        self.connections = tuple(reader.connections)

    def on(self, topic: str) -> tuple[Connection, ...]:
        """Return the connections of a topic; several where several nodes published it."""
        return tuple(one for one in self.connections if one.topic == topic)

    def messages(
        self, connections: Iterable[Connection]
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """
        Yield connection, time in nanoseconds and bytes of each message, by time.

        Raises:
            BagError: if the recording is damaged.

        """
        chosen = list(connections)
        if not chosen:
            return
        self._read.clear()
        source = self._reader.messages(chosen)
        while True:
            with _damage_as_bag_error(self.path):
                message = next(source, None)
            if message is None:
                return
            connection, stamp_ns, data = message
            if not isinstance(stamp_ns, int) or not 0 <= stamp_ns < _MAX_STAMP_NS:
                raise BagError(f'{self.path} is damaged: a message has the time {stamp_ns!r}')
            if not isinstance(data, bytes):
                raise BagError(f'{self.path} is damaged: a message is {type(data).__name__}')
            if data[:4] == _ZSTD:
                raise BagError(
                    f'{self.path} holds compressed messages, which its metadata.yaml describes: '
                    'name the folder, not the file'
                )
            self._read[connection.topic] += 1
            yield connection, stamp_ns, data

    def missing(self, connections: Iterable[Connection]) -> dict[str, int]:
        """Return by topic how many messages its index counts and `messages` did not find."""
        expected: Counter[str] = Counter()
        for connection in connections:
            expected[connection.topic] += connection.msgcount
        return {
            topic: count - self._read[topic]
            for topic, count in expected.items()
            if count > self._read[topic]
        }


@contextmanager
def open_bag(path: str | Path) -> Iterator[Bag]:
    """
    Open a recording.

    Args:
        path: a rosbag2 folder, its metadata.yaml, or a .mcap or .db3 file.

    Raises:
        BagError: if it is no recording, or damaged.

    """
    path = Path(path)
    if path.name == 'metadata.yaml':
        path = path.parent
    _check_path(path)
    with _damage_as_bag_error(path):
        reader, remark = _open_reader(path)
    try:
        yield Bag(reader, path, remark)
    finally:
        reader.close()


def image_connections(bag: Bag, topic: str = '') -> tuple[Connection, ...]:
    """
    Return the connections of the topic with the images.

    Args:
        bag: an open recording.
        topic: its name; empty where the recording has only one topic with images.

    Raises:
        BagError: if there is none, or several to choose from.

    """
    images = [one for one in bag.connections if one.msgtype in (RAW, COMPRESSED) and one.msgcount]
    encodings = {getattr(one.ext, 'serialization_format', 'ros1') for one in bag.connections}
    if encodings and 'cdr' not in encodings:
        raise _other_encoding(bag.path, ', '.join(map(str, encodings)))
    if topic:
        name = topic if topic.startswith('/') else f'/{topic}'
        chosen = [one for one in images if one.topic == name]
        others = bag.on(name)
        if not chosen and others:
            kind = printable(others[0].msgtype) if others[0].msgcount else 'empty'
            raise BagError(f'{bag.path}: {name!r} is {kind}, not images; {_listed(images)}')
        if not chosen:
            raise BagError(f'{bag.path} has no topic {name!r}; {_listed(images)}')
    else:
        # the node's annotated images are not from a camera
        chosen = [one for one in images if not one.topic.endswith('/emotion/image')]
    names = {one.topic for one in chosen}
    # what a camera publishes raw and compressed is read raw
    compressed = {f'{name}/compressed' for name in names} & names
    chosen = [one for one in chosen if one.topic not in compressed]
    names -= compressed
    if not names:
        raise BagError(f'{bag.path} holds no images (sensor_msgs Image or CompressedImage)')
    if len(names) > 1:
        raise BagError(
            f'{bag.path} has images on several topics; choose one with --topic: {_listed(images)}'
        )
    if len({one.msgtype for one in chosen}) > 1:
        raise BagError(f'{bag.path} has raw and compressed images on one topic, {names.pop()!r}')
    return tuple(chosen)


def _listed(images: list[Connection]) -> str:
    if not images:
        return 'it holds no images'
    counts: Counter[tuple[str, str]] = Counter()
    for one in images:
        counts[one.topic, one.msgtype.rpartition('/')[2]] += one.msgcount
    names = [f'{printable(t)} ({count} {kind})' for (t, kind), count in sorted(counts.items())]
    return 'images are on ' + ', '.join(names)
