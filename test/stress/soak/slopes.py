"""Does something grow: a slope that single steps do not fool, with its interval."""

from collections.abc import Sequence
from typing import Any

import numpy as np

CONFIDENCE = 0.95
_FEWEST = 3


def slope_an_hour(
    times_s: Sequence[float], values: Sequence[float], blocks: Sequence[int]
) -> dict[str, Any]:
    """
    Return how much something grows in an hour: Theil and Sen's slope through the medians of blocks.

    It is the median of all slopes between two of them (Sen, 1968). A block is one round of what the node is
    given, so that what comes and goes in a round does not count. The interval takes the blocks for
    independent of each other; steps that last make it too narrow.

    Args:
        times_s: in seconds.
        values: at these times.
        blocks: number of the block that each of them belongs to.

    Returns:
        ``slope``, ``low``, ``high`` (the ends of its interval of 95 %), all for an hour, ``start``, the
        line's value at time 0, and ``blocks``, how many; None in place of what fewer than three cannot tell.

    """
    from scipy.stats import theilslopes

    at, value, block = np.asarray(times_s), np.asarray(values), np.asarray(blocks)
    names, counts = np.unique(block, return_counts=True)
    # the first and the last may be cut short
    whole = names[2 * counts >= np.median(counts)] if len(names) else names
    if len(whole) < _FEWEST:
        return dict.fromkeys(('slope', 'low', 'high', 'start')) | {'blocks': len(whole)}
    middles = [float(np.median(at[block == name])) for name in whole]
    medians = [float(np.median(value[block == name])) for name in whole]
    slope, start, low, high = theilslopes(medians, middles, CONFIDENCE)
    return {
        # a slope of -0.0 reads as if something shrank
        **{
            name: round(float(number) * 3600, 3) + 0.0
            for name, number in (('slope', slope), ('low', low), ('high', high))
        },
        'start': round(float(start), 3),
        'blocks': len(whole),
    }
