# SPDX-License-Identifier: Apache-2.0
"""Write a rosbag2 recording: whole or not at all, and never over an existing one."""

import errno
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer, WriterError
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer

from emotion_perception.bag.reading import check_sqlite_path
from emotion_perception.errors import BagError
from emotion_perception.files import whole_output

STORAGES = ('mcap', 'sqlite3')
"""Storage formats that can be written; the first is the default, as in ROS 2 Jazzy and Kilted."""

# The data file has this name in every recording: the name is also written inside the file, and the
# same recording must have the same bytes wherever it is written.
_NAME = 'bag'


class NewBag:
    """A recording that is being written; made by `new_bag`."""

    def __init__(self, writer: Writer):
        """Use `new_bag` instead."""
        self._writer = writer
        self._topics: dict[tuple, Connection] = {}

    def add_topic(
        self,
        topic: str,
        msgtype: str,
        definition: tuple[str, str],
        serialization: str = 'cdr',
        qos: Sequence[Any] = (),
    ) -> Connection:
        """
        Add a topic and return its connection; the same connection for the same topic.

        Args:
            topic: its name.
            msgtype: such as ``sensor_msgs/msg/Image``.
            definition: text and RIHS01 hash of the type.
            serialization: format of the messages.
            qos: profiles of the publishers, as rosbags reads them.

        """
        key = topic, msgtype, serialization, repr(qos)
        if key not in self._topics:
            self._topics[key] = self._writer.add_connection(
                topic,
                msgtype,
                msgdef=definition[0],
                rihs01=definition[1],
                serialization_format=serialization,
                offered_qos_profiles=qos,
            )
        return self._topics[key]

    def write(self, connection: Connection, stamp_ns: int, data: bytes) -> None:
        """Write one serialized message."""
        self._writer.write(connection, stamp_ns, data)

    def set_metadata(self, key: str, text: str) -> None:
        """Write an entry of `custom_data` in metadata.yaml."""
        self._writer.set_custom_data(key, text)


@contextmanager
def new_bag(out: Path, storage: str = STORAGES[0], compress: bool = False) -> Iterator[NewBag]:
    """
    Yield a recording, which becomes the folder `out` when the block ends without an error.

    Args:
        out: folder of the new recording (see `files.whole_output`).
        storage: one of `STORAGES`.
        compress: with zstd.

    Raises:
        BagError: if `out` exists, another run is writing it, or it cannot be written.

    """
    if storage == 'sqlite3':
        check_sqlite_path(out)
    try:
        with whole_output(out, _NAME) as partial:
            plugin = StoragePlugin[storage.upper()]
            writer = Writer(partial, version=Writer.VERSION_LATEST, storage_plugin=plugin)
            if compress:
                # a sqlite3 file can only hold messages that are compressed one by one
                mode = CompressionMode.STORAGE if storage == 'mcap' else CompressionMode.MESSAGE
                writer.set_compression(mode, CompressionFormat.ZSTD)
            with writer:
                yield NewBag(writer)
                if isinstance(writer.storage, Sqlite3Writer):
                    # on closing, rosbags lets SQLite choose whether it counts the index, and it
                    # does not always choose alike: the same recording must have the same bytes
                    writer.storage.conn.execute('ANALYZE')
    except FileExistsError as error:
        raise BagError(str(error)) from error
    except (OSError, OverflowError, WriterError, sqlite3.Error) as error:
        reason = getattr(error, 'strerror', None) or ' '.join(str(error).split())
        full = getattr(error, 'errno', 0) in (errno.ENOSPC, errno.EDQUOT) or 'full' in reason
        advice = '; make room and start the same command again' if full else ''
        raise BagError(f'{out} cannot be written: {reason}; nothing was kept{advice}') from error
