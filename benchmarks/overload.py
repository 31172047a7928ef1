"""A camera of 60 Hz and a node that needs 100 ms an image: how old answers are, and whether memory grows."""

import time
from typing import Any

from benchmarks.figures import line_fit, percentiles_ms
from benchmarks.processes import CAMERA, bench
from benchmarks.slow_node import SLOW_S

RATE_HZ = 60.0


def measure(run_s: float) -> dict[str, Any]:
    """
    Overload the node for `run_s` seconds.

    Returns:
        ``received``, ``processed`` and ``skipped`` images; ``age`` at publication in ms, ``oldest`` too;
        ``memory_mb``, each second, and ``growth_mb_per_minute`` after the first five.

    """
    memory: list[float] = []
    with bench() as b:
        node = b.start('benchmarks.slow_node', autostart='true')
        b.spin(20, lambda: b.node.count_publishers('emotion/faces'))
        b.spin(0.7)
        b.start(CAMERA, rate_hz=RATE_HZ)
        b.spin(10, lambda: b.heard)
        started, cpu = time.monotonic(), node.cpu_s()
        while time.monotonic() - started < run_s:
            b.spin(1)
            memory.append(round(node.memory_mb(), 2))
        share = (node.cpu_s() - cpu) / (time.monotonic() - started)
        arrays = [message for message, _ in b.heard]
    ages = [array.age for array in arrays]
    later = memory[min(5, len(memory) // 2) :]
    return {
        'run_s': run_s,
        'rate_hz': RATE_HZ,
        'processing_s': SLOW_S,
        'received': arrays[-1].images_received,
        'processed': len(arrays),
        'skipped': arrays[-1].images_skipped,
        'age': percentiles_ms(ages),
        'oldest_ms': round(max(ages) * 1000, 1),
        'cpu_share': round(share, 3),
        'memory_mb': memory,
        'growth_mb_per_minute': round(
            line_fit(range(len(later)), later)['slope'] * 60 if len(later) > 1 else 0.0, 2
        ),
    }
