# SPDX-License-Identifier: Apache-2.0
"""Write a file or a folder whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_MARK = '.unfinished'


class OutputBusyError(FileExistsError):
    """Another run is writing the output."""


def check_outputs(outputs: Iterable[Path], inputs: Iterable[Path], replace: bool = False) -> None:
    """
    Check that writing these files would not destroy anything.

    Args:
        outputs: to be written.
        inputs: files and folders that are read.
        replace: an existing file that is not an input may be overwritten.

    Raises:
        OSError: if an output is an input, also through a link, or lies in a folder that is one, or
            exists and is not to be replaced.

    """
    existing = [path for path in inputs if path.exists()]
    identities = {_identity(path) for path in existing}
    folders = {path.resolve(): path for path in existing if path.is_dir()}
    for out in outputs:
        if out.exists() and _identity(out) in identities:
            raise FileExistsError(f'{out} is an input; choose another place for the output')
        for parent in out.resolve().parents:
            if parent in folders:
                raise FileExistsError(
                    f'{out} lies in the input folder {folders[parent]}; choose a place outside of '
                    'it'
                )
        if out.exists() and not replace:
            raise FileExistsError(
                f'{out} exists already; choose another name, or replace it with --force'
            )


def _identity(path: Path) -> tuple[int, int]:
    """Return what all names of a file have in common."""
    status = path.stat()
    return status.st_dev, status.st_ino


@contextmanager
def whole_output(out: Path, name: str = 'output', replace: bool = False) -> Iterator[Path]:
    """
    Yield a path to write to, which becomes `out` if the block ends without an error.

    Until then it is in the folder `out`.partial, which is removed after the block, also after
    an error or Ctrl-C; what a killed run left in it is replaced by the next run.

    Args:
        out: file or folder to make.
        name: of the file or folder inside `out`.partial.
        replace: overwrite an existing file.

    Raises:
        OSError: if `out` exists, another run is writing it, or it cannot be written.

    """
    if out.is_symlink() or (out.exists() and not replace):
        raise FileExistsError(f'{out} exists already; remove it or choose another name')
    folder = out.absolute().with_name(f'{out.absolute().name}.partial')
    mark, written = folder / _MARK, folder / name
    foreign = folder.exists() and not mark.exists() and any(folder.iterdir())
    if folder.is_symlink() or foreign:
        raise FileExistsError(
            f'{folder} is in the way and no interrupted run left it; move it away'
        )
    folder.mkdir(parents=True, exist_ok=True)
    with mark.open('a') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputBusyError(
                f'another run is writing {out}; wait for it, or choose another name'
            ) from None
        try:
            if written.is_dir():
                shutil.rmtree(written)
            written.unlink(missing_ok=True)
            yield written
            if out.exists() and not replace:
                raise FileExistsError(f'{out} was created meanwhile and is not overwritten')
            os.replace(written, out)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
