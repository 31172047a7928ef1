"""Write a file whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """
    Give a stream whose text becomes the file `path` at the end.

    After an error, a full disk or Ctrl-C there is no such file, or the one that was there before.
    """
    with _beside(path) as partial, partial.open('w', newline='', encoding='utf-8') as stream:
        yield stream


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
