# SPDX-License-Identifier: Apache-2.0
"""Keep what LiteRT and TensorFlow print while they load out of a command's output."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_library_notes() -> Iterator[None]:
    """
    Discard stderr in the block, also that of native code, which no logging setting reaches.

    For the command line only: it is discarded for all threads. Errors are raised, not printed.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, 'wb') as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
