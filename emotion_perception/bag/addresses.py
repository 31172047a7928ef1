"""Paths for SQLite, which takes a path for an address: `#` and `?` end it there, and `%` begins a code."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def addressable(path: Path) -> Iterator[Path]:
    """Give a path that is the same as an address: `path` itself, or a link to it with a plain name."""
    whole = path.absolute()
    if not set('#?%') & set(str(whole)):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix='emotion-bag-') as folder:
        link = Path(folder) / f'bag{whole.suffix if whole.is_file() else ""}'
        link.symlink_to(whole)
        yield link
