"""Make a folder whole or not at all."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emotion_training.fer2013 import DatasetError

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
