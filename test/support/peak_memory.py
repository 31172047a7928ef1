# SPDX-License-Identifier: Apache-2.0
"""Peak memory of a function."""

from collections.abc import Callable
from pathlib import Path


def peak_mb(work: Callable[[], object]) -> float:
    """Return how much more memory this process held during `work` than before, in MiB (Linux)."""
    Path('/proc/self/clear_refs').write_text('5')  # resets the peak
    before = _read_mb('VmRSS:')
    work()
    return _read_mb('VmHWM:') - before


def _read_mb(name: str) -> float:
    return int(Path('/proc/self/status').read_text().split(name)[1].split()[0]) / 1024
