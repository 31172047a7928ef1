# SPDX-License-Identifier: Apache-2.0
"""Keep what LiteRT and TensorFlow print while they load out of a command's output."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# stderr is one for the whole process: with several threads the first block to begin hides it and
# the last to end brings it back
_lock = threading.Lock()
_open_blocks = 0
_kept = -1


@contextmanager
def without_library_notes() -> Iterator[None]:
    """
    Discard stderr in the block, also that of native code, which no logging setting reaches.

    For the command line only: it is discarded for all threads. Errors are raised, not printed.
    """
    global _open_blocks, _kept
    with _lock:
        sys.stderr.flush()
        if not _open_blocks:
            _kept = os.dup(2)
            with open(os.devnull, 'wb') as nowhere:
                os.dup2(nowhere.fileno(), 2)
        _open_blocks += 1
    try:
        yield
    finally:
        with _lock:
            sys.stderr.flush()
            _open_blocks -= 1
            if not _open_blocks:
                os.dup2(_kept, 2)
                os.close(_kept)
