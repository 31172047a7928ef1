"""
What killed processes leave of Fast DDS' shared memory: 35 MB each with room for images, until the machine restarts.

Fast DDS keeps a segment and beside it a file with `_el` after its name, locked by its owner for as long as that
lives. Where the lock is free the owner is gone; `fastdds shm clean` goes by the same rule.
"""

import fcntl
import re
import time
from pathlib import Path

FOLDER = Path('/dev/shm')
SETTLED_S = 10.0
"""Younger files are left alone: their owner may be about to lock them."""

_LOCK = re.compile(r'(fastdds|fastrtps)_[0-9a-f]{16}_el')


def remove_orphans(folder: Path = FOLDER) -> float:
    """Remove the segments in `folder` whose owner is gone; return how many MB (10^6 bytes) they held."""
    freed = 0
    for lock in folder.iterdir() if folder.is_dir() else ():
        if not _LOCK.fullmatch(lock.name):
            continue
        segment = lock.with_name(lock.name.removesuffix('_el'))
        try:
            if time.time() - lock.stat().st_mtime < SETTLED_S:
                continue
            with lock.open() as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                size = segment.stat().st_blocks * 512 if segment.exists() else 0
                segment.unlink(missing_ok=True)
                lock.unlink(missing_ok=True)
        except OSError:
            continue  # in use, another user's, or gone meanwhile
        freed += size
    return freed / 1e6
