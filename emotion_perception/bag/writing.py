"""Write a rosbag2 recording: whole, or not at all, and never over one that is there."""

import errno
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer, WriterError

from emotion_perception.bag.addresses import addressable
from emotion_perception.errors import BagError

STORAGES = ('mcap', 'sqlite3')
"""Kinds of file that are written; the first is the default, as in ROS 2 Jazzy and Kilted."""

_NAME = (
    'bag'  # of the data file in every folder: it stands inside the file too, which must not differ
)
_MARK = '.unfinished'


class NewBag:
    """A recording that is being written; made by `new_bag`."""

    def __init__(self, writer: Writer, partial: Path):
        """Use `new_bag` instead; `partial` is the folder that holds what is not finished."""
        self.partial = partial
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
        Announce a topic and return what `write` wants; the same again for the same topic.

        Args:
            topic: its name.
            msgtype: such as ``sensor_msgs/msg/Image``.
            definition: text and RIHS01 hash of the type.
            serialization: of the messages.
            qos: profiles of the publishers, as a reader returns them.

        """
        key = topic, msgtype, serialization, repr(qos)
        if key not in self._topics:
            self._topics[key] = self._writer.add_connection(
                topic, msgtype, msgdef=definition[0], rihs01=definition[1],
                serialization_format=serialization, offered_qos_profiles=qos,
            )  # fmt: skip
        return self._topics[key]

    def write(self, topic: Connection, stamp_ns: int, data: bytes) -> None:
        """Write one message."""
        self._writer.write(topic, stamp_ns, data)

    def describe(self, key: str, text: str) -> None:
        """Note something about the whole recording in metadata.yaml (`custom_data`)."""
        self._writer.set_custom_data(key, text)


@contextmanager
def new_bag(
    out: Path, storage: str = STORAGES[0], compress: bool = False, keep: str = ''
) -> Iterator[NewBag]:
    """
    Give a recording to write into, which becomes the folder `out` when the block ends without an error.

    Until then it lies in `out`.partial, which goes if there is an error or Ctrl-C. What a killed run
    left of it goes when the next one begins.

    Args:
        out: folder of the new recording.
        storage: one of `STORAGES`.
        compress: with zstd.
        keep: name of a file in `out`.partial that stays there after Ctrl-C or a full disk, and is there
            again in the next run.

    Raises:
        BagError: if `out` exists, another run is writing it, or something cannot be written; the
            disk may be full.

    """
    if out.exists() or out.is_symlink():
        raise BagError(f'{out} exists already; remove it or choose another folder')
    partial = out.absolute().with_name(out.absolute().name + '.partial')
    lock: IO | None = None
    try:
        lock = _begin(out, partial, keep)
        with addressable(partial) as address:
            writer = Writer(
                address / _NAME,
                version=Writer.VERSION_LATEST,
                storage_plugin=StoragePlugin[storage.upper()],
            )
            if compress:
                # sqlite3 files know only the compression of each message by itself
                mode = CompressionMode.STORAGE if storage == 'mcap' else CompressionMode.MESSAGE
                writer.set_compression(mode, CompressionFormat.ZSTD)
            with writer:
                yield NewBag(writer, partial)
        if out.exists():
            raise BagError(f'{out} came into being meanwhile; nothing was written over it')
        os.replace(partial / _NAME, out)
        shutil.rmtree(partial, ignore_errors=True)
    except BaseException as error:
        interrupted = isinstance(
            error, (KeyboardInterrupt, OSError, OverflowError, WriterError, sqlite3.Error)
        )
        if lock is not None:
            _leave(partial, keep if interrupted else '')
        if interrupted and not isinstance(error, KeyboardInterrupt):
            full = getattr(error, 'errno', 0) in (errno.ENOSPC, errno.EDQUOT) or 'full' in str(
                error
            )
            advice = '; make room and start the same command again' if full else ''
            reason = getattr(error, 'strerror', None) or ' '.join(str(error).split())
            raise BagError(
                f'{out} cannot be written: {reason}; nothing was kept of it{advice}'
            ) from error
        raise
    finally:
        if lock is not None:
            lock.close()


def _begin(out: Path, partial: Path, keep: str) -> IO:
    """Make the folder, or empty the one that an interrupted run left; return the lock on it."""
    mark = partial / _MARK
    strange = partial.exists() and not mark.exists() and any(partial.iterdir())
    if partial.is_symlink() or strange:
        raise BagError(f'{partial} is in the way, and no interrupted run left it; move it away')
    partial.mkdir(parents=True, exist_ok=True)
    lock = mark.open('a')
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise BagError(
            f'another run is writing {out}; wait for it, or choose another folder'
        ) from None
    _empty(partial, (_MARK, keep))
    return lock


def _leave(partial: Path, keep: str) -> None:
    if keep and (partial / keep).exists():
        _empty(partial, (_MARK, keep))
    else:
        shutil.rmtree(partial, ignore_errors=True)


def _empty(partial: Path, keep: Sequence[str]) -> None:
    for path in partial.iterdir():
        if path.name in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
