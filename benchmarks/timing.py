# SPDX-License-Identifier: Apache-2.0
"""Percentiles, ratios and lines from measured times."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

WARM_UP_CALLS = 5
COUNTED = ('sent', 'processed', 'skipped')
"""Keys of a row that are added over rounds."""


def percentiles_ms(times_s: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Return ``p50``, ``p95`` and ``p99`` in milliseconds; empty without times."""
    if not len(times_s):
        return {}
    values = np.percentile(np.asarray(times_s) * 1000, (50, 95, 99))
    return {
        name: round(float(v), 3) for name, v in zip(('p50', 'p95', 'p99'), values, strict=True)
    }


def summarize_rounds(rounds: Sequence[Sequence[float]]) -> dict[str, Any]:
    """
    Return percentiles over all rounds and the spread of the rounds.

    Args:
        rounds: times in seconds of each round.

    Returns:
        ``p50``, ``p95``, ``p99`` and ``mean`` in milliseconds, ``p50_rounds`` (lowest and highest
        median of a round) and ``calls``.

    """
    medians = [float(np.median(one)) * 1000 for one in rounds]
    times_s = np.concatenate([np.asarray(one) for one in rounds])
    return percentiles_ms(times_s) | {
        'mean': round(float(times_s.mean()) * 1000, 3),
        'p50_rounds': [round(min(medians), 3), round(max(medians), 3)],
        'calls': sum(len(one) for one in rounds),
    }


def merge_rows(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """
    Return the row of several rounds of one measurement.

    Args:
        rounds: rows with the same keys.

    Returns:
        Sums of what is `COUNTED`, the medians of other numbers, within a dictionary too, and where
        it has a ``p99`` ``p99_rounds``, the lowest and highest of a round.

    """
    merged: dict[str, Any] = {}
    for key, first in rounds[0].items():
        values = [row[key] for row in rounds if row[key] != {}]
        if isinstance(first, dict):
            merged[key] = merge_rows(values) if values else {}
        elif key in COUNTED:
            merged[key] = sum(values)
        else:
            merged[key] = first if isinstance(first, str) else statistics.median(values)
    if 'p99' in merged:
        merged['p99_rounds'] = [f(row['p99'] for row in rounds) for f in (min, max)]
    return merged


def measure_in_rounds(
    measurements: Sequence[Callable[[], dict[str, Any]]], rounds: int
) -> list[dict[str, Any]]:
    """Make several measurements in turn, some times over; return their rows, see `merge_rows`."""
    rows = [[measure() for measure in measurements] for _ in range(rounds)]
    return [merge_rows(same) for same in zip(*rows, strict=True)]


def timed(function: Callable[[int], Any]) -> Callable[[int], float]:
    """Return a function that calls another one and returns the seconds it took."""

    def run(index: int) -> float:
        started_s = time.perf_counter()
        function(index)
        return time.perf_counter() - started_s

    return run


def slowdown(
    slow: Sequence[Sequence[float]],
    fast: Sequence[Sequence[float]],
    average: Callable[[Sequence[float]], Any] = np.median,
) -> dict[str, float]:
    """
    Return ``median``, ``low`` and ``high`` of the rounds' ratios of averages, slow / fast.

    Args:
        slow: times of each round.
        fast: times of each round.
        average: of a round; the mean where one call has other work to do than the next.

    """
    ratios = [float(average(a) / average(b)) for a, b in zip(slow, fast, strict=True)]
    return {
        'median': round(float(np.median(ratios)), 2),
        'low': round(min(ratios), 2),
        'high': round(max(ratios), 2),
    }


def time_in_turn(
    functions: Mapping[str, Callable[[int], float]], calls: int, rounds: int
) -> dict[str, list[list[float]]]:
    """
    Call several functions alternately, so that other load on the machine slows all of them alike.

    Args:
        functions: by name; each takes the number of the call and returns the seconds it took.
        calls: of each function in a round, after a warm-up that is not counted.
        rounds: number of rounds.

    Returns:
        By name, the times of each round in seconds.

    """
    for function in functions.values():
        for index in range(WARM_UP_CALLS):
            function(index)
    times: dict[str, list[list[float]]] = {name: [[] for _ in range(rounds)] for name in functions}
    for number in range(rounds):
        for index in range(calls):
            for name, function in functions.items():
                times[name][number].append(function(index))
    return times
