"""Make a folder or a file whole or not at all."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from emotion_training.data.fer2013 import DatasetError

_MARK = '.unfinished'
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """
    Yield a new folder beside `out` that becomes `out` when the block ends without an error.

    Where it ends with one, Ctrl-C included, the folder goes. One that a killed run left behind goes
    when the next run begins.

    Raises:
        DatasetError: if `out` exists, or something cannot be written in the block; the disk may be full.

    """
    partial = out.with_name(out.name + '.partial')
    if out.exists():
        raise DatasetError(f'{out} exists already; remove it or choose another folder')
    try:
        if partial.exists():
            _remove_left_over(partial)
        partial.mkdir(parents=True)
        (partial / _MARK).touch()
        yield partial
        os.replace(partial, out)
        (out / _MARK).unlink(missing_ok=True)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        advice = '; make room and start the same command again' if error.errno in _FULL else ''
        raise DatasetError(
            f'{out} cannot be written: {error.strerror}; nothing was kept of it{advice}'
        ) from error
    except BaseException:
        if (partial / _MARK).exists():
            shutil.rmtree(partial, ignore_errors=True)
        raise


def _remove_left_over(partial: Path) -> None:
    if not (partial / _MARK).exists() and any(partial.iterdir()):
        raise DatasetError(
            f'{partial} is in the way, and no interrupted run left it; move it away'
        )
    shutil.rmtree(partial)


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """
    Give a stream whose text becomes the file `path` at the end.

    After an error, a full disk or Ctrl-C there is no such file, or the one that was there before.
    """
    with _beside(path) as partial, partial.open('w', newline='', encoding='utf-8') as stream:
        yield stream


def write_json(path: Path, values: Any) -> None:
    """Write values as json in the same way, a line for each."""
    with whole_file(path) as stream:
        stream.write(json.dumps(values, indent=1) + '\n')


def write_whole(path: Path, data: bytes) -> None:
    """Write bytes in the same way."""
    with _beside(path) as partial:
        partial.write_bytes(data)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.{path.name}.partial')
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
