# SPDX-License-Identifier: Apache-2.0
"""Atomic writes: a file or folder appears complete or not at all."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from emotion_training.data.fer2013 import DatasetError

_MARKER = '.unfinished'
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """
    Yield a temporary folder ``OUT.partial`` that is renamed to `out` when the block succeeds.

    On an error, Ctrl-C included, the temporary folder is removed. One that a killed process left
    behind is removed at the start of the next run.

    Raises:
        DatasetError: if `out` exists, or writing fails, for example on a full disk.

    """
    partial = out.with_name(out.name + '.partial')
    marker = partial / _MARKER
    if out.exists():
        raise DatasetError(f'{out} exists already; remove it or choose another folder')
    try:
        if partial.exists():
            if not marker.exists() and any(partial.iterdir()):
                raise DatasetError(
                    f'{partial} is in the way, and no interrupted run left it; move it away'
                )
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        marker.touch()
        yield partial
        os.replace(partial, out)
        (out / _MARKER).unlink(missing_ok=True)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        advice = '; free some space and run the same command again'
        raise DatasetError(
            f'{out} cannot be written: {error.strerror}; nothing of it was kept'
            f'{advice if error.errno in _NO_SPACE else ""}'
        ) from error
    except BaseException:
        if marker.exists():
            shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """
    Yield a temporary path with the same suffix that is renamed to `path` when the block succeeds.

    On an error, a full disk or Ctrl-C the temporary file is removed and `path` stays as it was.
    The folder of `path` is created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'.partial-{path.name}')
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_file(path: Path) -> Iterator[TextIO]:
    """Yield a text stream for `path`; see `atomic_path`."""
    with atomic_path(path) as partial, partial.open('w', newline='', encoding='utf-8') as stream:
        yield stream


def write_json(path: Path, values: Any) -> None:
    """Write `values` as indented JSON; see `atomic_path`."""
    with atomic_file(path) as stream:
        stream.write(json.dumps(values, indent=1) + '\n')


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes; see `atomic_path`."""
    with atomic_path(path) as partial:
        partial.write_bytes(data)
