# SPDX-License-Identifier: Apache-2.0
"""Read a rosbag2 recording: sqlite3 or mcap, compressed or not, a folder or its data file."""

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader

from emotion_perception.bag.message_types import COMPRESSED, RAW, printable
from emotion_perception.errors import BagError

MAX_CHUNK_BYTES = 512 * 2**20
"""Largest chunk of an mcap file that is unpacked; the largest supported image has 400 MB."""

_MAX_METADATA_BYTES = 2**24
_MAX_STAMP_NS = 2**63 - 1
_ZSTD = b'\x28\xb5\x2f\xfd'  # magic number; a serialized message begins with 0


@contextmanager
def _damage_as_bag_error(path: Path) -> Iterator[None]:
    """Turn whatever rosbags raises over a damaged file into a BagError of one line."""
    try:
        yield
    except Exception as error:
        # struct, key, type, decompression and database errors all mean that the file is damaged
        reason = ' '.join(printable(str(error)).split()).rstrip('.') or type(error).__name__
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
    elif path.suffix not in ('.mcap', '.db3') or not path.is_file():
        raise BagError(f'{path} is no recording: name a rosbag2 folder, or a .mcap or .db3 file')


def _check_folder(path: Path) -> None:
    metadata = path / 'metadata.yaml'
    if not metadata.is_file():
        raise BagError(
            f'{path} is no recording: it has no metadata.yaml; '
            'name its .mcap or .db3 file where the recorder could not finish'
        )
    if metadata.stat().st_size > _MAX_METADATA_BYTES:
        raise BagError(f'{path} is no recording, or damaged: its metadata.yaml is too large')
    text = metadata.read_bytes()
    for file in path.iterdir():
        if os.fsencode(file.name) not in text:
            continue
        if not file.is_file() or file.resolve().parent != path.resolve():
            raise BagError(f'{path} is damaged: {file.name} is not a file inside the recording')


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


class Bag:
    """A recording that is open for reading; made by `open_bag`."""

    def __init__(self, reader: Reader, path: Path):
        """Use `open_bag` instead."""
        self.path = path
        self._reader = reader
        self._read: Counter[str] = Counter()
        self.connections = tuple(reader.connections)
        self.count = reader.message_count
        self.start_ns = reader.start_time if self.count else 0
        self.end_ns = reader.end_time - 1 if self.count else 0

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
        reader = Reader(path)
        reader.open()
    try:
        with _damage_as_bag_error(path):
            _check_index(reader)
            bag = Bag(reader, path)
        yield bag
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
