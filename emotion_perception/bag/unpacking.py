"""How much a recording may unpack to: a few kilobytes can claim, and become, any number of gigabytes."""

import io
from collections.abc import Callable
from typing import Any, BinaryIO

import apsw
from lz4.frame import LZ4FrameDecompressor
from rosbags.rosbag2 import Reader, reader, storage_mcap

from emotion_perception.errors import BagError

MAX_UNPACKED_BYTES = 512 * 2**20
"""Of one message or chunk, and of all the chunks that lie open at one time; the largest image that is read has 400 MB."""

MAX_FILE_BYTES = 2**30
"""What a compressed file may always unpack to on disk."""

MAX_FILE_RATIO = 100
"""How many times its size a larger one may; pictures of cameras stay below 20."""

_zstd = reader.zstd


def _refuse(what: str, size: int) -> BagError:
    return BagError(f'{what} unpacks to more than {size / 2**20:.0f} MiB, as no recording does')


def unpack_zstd(data: bytes, limit: int = MAX_UNPACKED_BYTES) -> bytes:
    """
    Return what zstd frames hold.

    Raises:
        BagError: if that is more than `limit` bytes; it is never held.

    """
    parts, left = [], limit
    while data:
        frame = _zstd.ZstdDecompressor()
        parts.append(frame.decompress(data, left + 1))
        left -= len(parts[-1])
        if left < 0:
            raise _refuse('a zstd frame', limit)
        if not frame.eof:
            raise EOFError('a zstd frame is cut short')
        data = frame.unused_data
    return b''.join(parts)


def unpack_lz4(data: bytes, limit: int = MAX_UNPACKED_BYTES) -> bytes:
    """
    Return what an lz4 frame holds.

    Raises:
        BagError: if that is more than `limit` bytes; it is never held.

    """
    frame = LZ4FrameDecompressor()
    found = frame.decompress(data, limit + 1)
    if len(found) > limit:
        raise _refuse('an lz4 frame', limit)
    if not frame.eof:
        raise EOFError('an lz4 frame is cut short')
    return found


class _BoundedFile(io.RawIOBase):
    """A compressed file that is read unpacked, up to a limit that goes with its size."""

    def __init__(self, packed: BinaryIO):
        size = packed.seek(0, io.SEEK_END)
        packed.seek(0)
        self._limit = self._left = max(MAX_FILE_BYTES, MAX_FILE_RATIO * size)
        self._file = _zstd.open(packed, 'rb')

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise _refuse('the compressed file', self._limit)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _BoundedZstd:
    """What rosbags' reader uses of the module zstd."""

    decompress = staticmethod(unpack_zstd)

    @staticmethod
    def open(packed: BinaryIO, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedFile(packed))


def bound_rosbags() -> None:
    """
    Make rosbags unpack no more than these limits.

    It has no such setting, so its own table of decompressors is changed; requirements-bags.txt pins
    its version, and the tests hold recordings that would fill memory or disk.
    """
    if reader.zstd is _BoundedZstd:
        return
    table: dict[str, Callable[[bytes, int], bytes]] = {
        # the size that the file claims; rosbags refuses a chunk that is not of that size
        'zstd': lambda data, size: unpack_zstd(data, min(size, MAX_UNPACKED_BYTES)),
        'lz4': lambda data, size: unpack_lz4(data, min(size, MAX_UNPACKED_BYTES)),
    }
    storage_mcap.DECOMPRESSORS.update(table)
    reader.zstd = _BoundedZstd  # type: ignore[assignment]
    apsw.connection_hooks.append(_refuse_computed_rows)


_TABLES = ('messages', 'topics', 'schema', 'metadata', 'message_definitions')


def _refuse_computed_rows(connection: apsw.Connection) -> None:
    """
    Look at the tables of a recording before anything is read from them.

    A view, a virtual table or a computed column makes any number of bytes of a few.
    """
    connection.limit(apsw.SQLITE_LIMIT_LENGTH, MAX_UNPACKED_BYTES)
    computed = connection.execute(
        'SELECT name FROM pragma_table_list AS one WHERE schema = "main" AND name IN '
        f'({", ".join("?" * len(_TABLES))}) AND (type <> "table" OR EXISTS '
        '(SELECT * FROM pragma_table_xinfo(one.name) WHERE hidden))',
        _TABLES,
    ).fetchall()
    if computed:
        raise BagError(f'its {computed[0][0]} are computed, not recorded')


def refuse_bombs(opened: Reader) -> None:
    """
    Look at what the index of an open recording says of its chunks.

    rosbags holds all chunks whose times overlap at once, and no recorder writes one chunk twice.

    Raises:
        BagError: if they cannot be meant.

    """
    storages = getattr(opened.storage, 'storages', [opened.storage])
    for storage in storages:
        chunks = getattr(storage, 'chunks', [])
        if len({chunk.chunk_start_offset for chunk in chunks}) < len(chunks):
            raise BagError('the index names one chunk twice')
        steps = [(chunk.message_start_time, 0, chunk.uncompressed_size) for chunk in chunks]
        steps += [(chunk.message_end_time, 1, -chunk.uncompressed_size) for chunk in chunks]
        together = 0
        for _, _, size in sorted(steps):
            together += size
            if together > MAX_UNPACKED_BYTES:
                raise _refuse('what is recorded at one time', MAX_UNPACKED_BYTES)
