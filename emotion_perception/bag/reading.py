"""Open a rosbag2 recording: sqlite3 or mcap, compressed or not, a folder or its data file alone."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader

from emotion_perception.bag.addresses import addressable
from emotion_perception.bag.message_types import COMPRESSED, RAW
from emotion_perception.bag.printable import visible
from emotion_perception.bag.unpacking import bound_rosbags, refuse_bombs
from emotion_perception.errors import BagError

_LATEST_NS = 2**63 - 1
_ZSTD = b'\x28\xb5\x2f\xfd'  # magic number; the bytes of a message begin with 0
_LARGEST_METADATA = 2**24


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Say in one line that the file is damaged, whatever the library stumbled over in it."""
    try:
        yield
    except Exception as error:
        # rosbags parses what a stranger wrote: struct, key, type, decompression and database errors
        # all mean that the file is not a whole recording
        reason = ' '.join(visible(str(error)).split()).rstrip('.') or type(error).__name__
        advice = '; was it cut short? `mcap recover` mends it' if 'end magic' in reason else ''
        raise BagError(
            f'{path} is no recording, or a damaged one: {reason[:200]}{advice}'
        ) from None


def _check_kind(path: Path) -> None:
    if not path.exists():
        raise BagError(f'there is no recording {path}')
    if path.is_dir():
        _check_folder(path)
    elif path.suffix == '.bag':
        raise BagError(f'{path} is a ROS 1 bag; `rosbags-convert {path}` makes a ROS 2 one of it')
    elif path.suffix not in ('.mcap', '.db3') or not path.is_file():
        raise BagError(f'{path} is no recording: name a rosbag2 folder, or a .mcap or .db3 file')


def _check_folder(path: Path) -> None:
    """Refuse a folder whose metadata would make the reader open something else than its own files."""
    metadata = path / 'metadata.yaml'
    if not metadata.is_file():
        raise BagError(
            f'{path} is no recording: it holds no metadata.yaml; '
            'name its .mcap or .db3 file where the recorder could not finish'
        )
    if metadata.stat().st_size > _LARGEST_METADATA:
        raise BagError(f'{path} is no recording, or a damaged one: its metadata.yaml is too large')
    text = metadata.read_bytes()
    for file in path.iterdir():
        if os.fsencode(file.name) not in text:
            continue
        where = file.resolve()
        if where.parent != path.resolve():
            raise BagError(
                f'{path} is damaged: {file.name} is a link to a file outside the recording'
            )
        if not where.is_file():
            raise BagError(f'{path} is damaged: {file.name} is no file')


def _check_contents(reader: Reader) -> None:
    """Refuse what only a damaged or forged file says of itself."""
    times = reader.message_count, reader.start_time, reader.end_time
    rows = [(one.topic, one.msgtype, one.digest, one.msgcount) for one in reader.connections]
    for kind, values in (
        (int, [*times, *(row[3] for row in rows)]),
        (str, [text for row in rows for text in row[:3]]),
    ):
        odd = next((value for value in values if not isinstance(value, kind)), None)
        if odd is not None or None in values:
            raise ValueError(f'it has {type(odd).__name__} where {kind.__name__} is expected')
    if any(row[3] < 0 for row in rows):
        raise ValueError('it announces fewer than no messages')
    refuse_bombs(reader)


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
        Return connection, time in nanoseconds and bytes of each message, by time.

        Raises:
            BagError: where the recording is damaged.

        """
        chosen = list(connections)
        if not chosen:
            return
        self._read.clear()
        source = self._reader.messages(chosen)
        while True:
            with _one_line(self.path):
                found = next(source, None)
            if found is None:
                return
            connection, stamp_ns, data = found
            if not isinstance(stamp_ns, int) or not isinstance(data, bytes):
                kinds = f'{type(stamp_ns).__name__} and {type(data).__name__}'
                raise BagError(f'{self.path} is damaged: a message is {kinds}, not time and bytes')
            if not 0 <= stamp_ns < _LATEST_NS:
                raise BagError(f'{self.path} is damaged: a message has the time {stamp_ns} ns')
            if data[:4] == _ZSTD:
                raise BagError(
                    f'{self.path} holds compressed messages, as only metadata.yaml tells: '
                    'name the folder, not the file'
                )
            self._read[connection.topic] += 1
            yield connection, stamp_ns, data

    def missing(self, connections: Iterable[Connection]) -> dict[str, int]:
        """Return how many messages of each topic are announced and were not found by `messages`."""
        announced: Counter[str] = Counter()
        for connection in connections:
            announced[connection.topic] += connection.msgcount
        return {
            topic: count - self._read[topic]
            for topic, count in announced.items()
            if count > self._read[topic]
        }


@contextmanager
def open_bag(path: str | Path) -> Iterator[Bag]:
    """
    Open a recording.

    Args:
        path: a rosbag2 folder, its metadata.yaml, or a .mcap or .db3 file.

    Raises:
        BagError: if it is none, or damaged.

    """
    path = Path(path)
    if path.name == 'metadata.yaml':
        path = path.parent
    _check_kind(path)
    bound_rosbags()
    with addressable(path) as address:
        with _one_line(path):
            reader = Reader(address)
            reader.open()
        try:
            with _one_line(path):
                _check_contents(reader)
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
        wanted = topic if topic.startswith('/') else f'/{topic}'
        chosen = [one for one in bag.on(wanted) if one in images]
        if not chosen and bag.on(wanted):
            kind = bag.on(wanted)[0]
            reason = f'is {visible(kind.msgtype)}' if kind.msgcount else 'is empty'
            raise BagError(f'{bag.path}: {wanted!r} {reason}, not images; {_listed(images)}')
        if not chosen:
            raise BagError(f'{bag.path} holds no topic {wanted!r}; {_listed(images)}')
    else:
        # what the node drew is no camera
        chosen = [one for one in images if not one.topic.endswith('/emotion/image')]
    names = {one.topic for one in chosen}
    if not names:
        raise BagError(f'{bag.path} holds no images (sensor_msgs Image or CompressedImage)')
    if len(names) > 1:
        raise BagError(
            f'{bag.path} holds several cameras; choose one with --topic: {_listed(images)}'
        )
    if len({one.msgtype for one in chosen}) > 1:
        raise BagError(
            f'{bag.path} holds raw and compressed images under one name, {names.pop()!r}'
        )
    return tuple(chosen)


def _listed(images: list[Connection]) -> str:
    if not images:
        return 'it holds no images'
    found: Counter[tuple[str, str]] = Counter()
    for one in images:
        found[one.topic, one.msgtype.rpartition('/')[2]] += one.msgcount
    names = [
        f'{visible(topic)} ({count} {kind})' for (topic, kind), count in sorted(found.items())
    ]
    return 'images are on ' + ', '.join(names)
