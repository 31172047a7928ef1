"""From times to figures: percentiles with the spread of repeated rounds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

PERCENTILES = (50, 95, 99)


def percentiles_ms(times_s: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Return p50, p95 and p99 of times in seconds, in milliseconds."""
    if not len(times_s):
        return {}
    values = np.percentile(np.asarray(times_s) * 1000, PERCENTILES)
    return {f'p{name}': round(float(v), 3) for name, v in zip(PERCENTILES, values, strict=True)}


def of_rounds(rounds: Sequence[Sequence[float]]) -> dict[str, Any]:
    """
    Return the figures of repeated rounds.

    Args:
        rounds: times in seconds of each round.

    Returns:
        p50, p95 and p99 of all times in milliseconds, and ``p50_rounds``, [lowest, highest] median
        of a round.

    """
    medians = [float(np.median(one)) * 1000 for one in rounds]
    return percentiles_ms(np.concatenate([np.asarray(one) for one in rounds])) | {
        'p50_rounds': [round(min(medians), 3), round(max(medians), 3)],
        'calls': sum(len(one) for one in rounds),
    }


def ratio(slow: Sequence[Sequence[float]], fast: Sequence[Sequence[float]]) -> dict[str, float]:
    """
    Return how many times slower one is than another, round by round.

    Args:
        slow: times of each round.
        fast: times of the same rounds of the other.

    Returns:
        ``median`` of the rounds' ratios of medians, ``low`` and ``high``.

    """
    ratios = [float(np.median(a) / np.median(b)) for a, b in zip(slow, fast, strict=True)]
    return {
        'median': round(float(np.median(ratios)), 2),
        'low': round(min(ratios), 2),
        'high': round(max(ratios), 2),
    }


def line_fit(x: Sequence[float], y: Sequence[float]) -> dict[str, float]:
    """Return the least-squares line through points: ``slope``, ``start`` and ``r2``."""
    slope, start = np.polyfit(x, y, 1)
    rest = np.asarray(y) - (slope * np.asarray(x) + start)
    spread = np.asarray(y) - np.mean(y)
    r2 = 1 - float((rest**2).sum() / max((spread**2).sum(), 1e-12))
    return {'slope': float(slope), 'start': float(start), 'r2': round(r2, 3)}


def interleaved(
    works: dict[str, Callable[[int], float]], calls: int, rounds: int, warm: int = 5
) -> dict[str, list[list[float]]]:
    """
    Call several things in turn, so that whatever else the machine does meets all alike.

    Args:
        works: by name, a function from the number of a call to the seconds it took.
        calls: of each in a round.
        rounds: number of rounds.
        warm: calls before that are not counted.

    Returns:
        By name, the times of each round.

    """
    times: dict[str, list[list[float]]] = {name: [] for name in works}
    for name, work in works.items():
        for index in range(warm):
            work(index)
        times[name] = [[] for _ in range(rounds)]
    for number in range(rounds):
        for index in range(calls):
            for name, work in works.items():
                times[name][number].append(work(index))
    return times
