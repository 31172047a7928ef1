"""How much memory a piece of work takes at its height."""

from collections.abc import Callable
from pathlib import Path


def peak_mb(work: Callable[[], object]) -> float:
    """Return how much more memory this process held during `work` than before, in MiB (Linux)."""
    Path('/proc/self/clear_refs').write_text('5')  # the peak begins anew
    before = _read_mb('VmRSS:')
    work()
    return _read_mb('VmHWM:') - before


def _read_mb(name: str) -> float:
    return int(Path('/proc/self/status').read_text().split(name)[1].split()[0]) / 1024
