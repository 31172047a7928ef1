"""From samples to a record: what grew after the warm-up, and what of it must not."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stress.soak.outcome import Outcome, Sample
from stress.soak.slopes import slope_an_hour

MAX_MB_AN_HOUR = 1.0
MEMORY = ('resident_mb', 'own_mb', 'shared_mb')
COUNTED = ('threads', 'handles', 'mappings', 'endpoints', 'topics')
_JUDGED = ('resident_mb', 'own_mb')
_MUST_NOT_GROW = ('threads', 'handles', 'endpoints', 'topics')


def after(samples: Sequence[Sample], warm_up_s: float) -> list[Sample]:
    """Return the samples that were taken after the warm-up."""
    return [sample for sample in samples if sample.time_s >= warm_up_s]


def record(outcome: Outcome, warm_up_s: float) -> dict[str, Any]:
    """
    Return what came of a soak.

    Args:
        outcome: of it.
        warm_up_s: what comes before is not judged.

    Returns:
        ``finished``, ``ended`` (why it ended early), figures of time, images, ids, latency and memory, and
        ``verdicts``: by name true, false, or None where the run was too short to tell.

    """
    program, samples = outcome.program, outcome.samples
    warm = after(samples, warm_up_s)
    figures = {
        'finished': not outcome.ended,
        'ended': outcome.ended,
        'seconds': samples[-1].time_s if samples else 0.0,
        'warm_up_s': warm_up_s,
        'rate_hz': program.rate_hz,
        'size': list(program.size),
        'round_s': program.round_s,
        'seed': program.seed,
        'samples': len(samples),
        **outcome.counts,
        'followed_at_the_end': outcome.tracked_ids_at_the_end,
    }
    if samples:
        figures |= _work(outcome, warm or samples)
    if warm:
        figures['memory'] = {name: _memory(outcome, warm, name) for name in MEMORY}
        figures['counted'] = {name: _counted(warm, name) for name in COUNTED}
    return figures | {'verdicts': _verdicts(figures)}


def _work(outcome: Outcome, warm: list[Sample]) -> dict[str, Any]:
    """Return what was done in all, and what became of the images after the warm-up."""
    first, last = warm[0], outcome.samples[-1]
    sent, processed, skipped = (
        getattr(last, name) - getattr(first, name) for name in ('sent', 'processed', 'skipped')
    )
    return {
        'visits': outcome.program.visits(last.picture + 1),
        'faces': last.faces,
        'sent': sent,
        'processed': processed,
        'skipped': skipped,
        # an image that waits for its turn is counted neither way yet
        'lost': max(sent - processed - skipped, 0),
        'cpu_share': round(float(np.mean([sample.cpu_share for sample in warm])), 3),
        'latency_ms': {
            'p50': round(float(np.median([s.latency_p50_ms for s in warm])), 1),
            'p99': round(float(np.median([s.latency_p99_ms for s in warm])), 1),
            'max': max(sample.latency_max_ms for sample in warm),
        },
    }


def _memory(outcome: Outcome, warm: list[Sample], name: str) -> dict[str, Any]:
    values = [getattr(sample, name) for sample in warm]
    rounds = [sample.picture // outcome.program.round_frames for sample in warm]
    return {
        'at_first': getattr(outcome.samples[0], name),
        'after_warm_up': _median(values, rounds, rounds[0]),
        'at_last': _median(values, rounds, rounds[-1]),
        'most': max(values),
        'mb_an_hour': slope_an_hour([sample.time_s for sample in warm], values, rounds),
    }


def _median(values: list[float], rounds: list[int], number: int) -> float:
    return float(
        np.median([value for value, of in zip(values, rounds, strict=True) if of == number])
    )


def _counted(warm: list[Sample], name: str) -> dict[str, int]:
    """Return the most in the first and in the last third after the warm-up, and in all of it."""
    values = [getattr(sample, name) for sample in warm]
    third = max(len(values) // 3, 1)
    return {'at_first': max(values[:third]), 'at_last': max(values[-third:]), 'most': max(values)}


def _verdicts(figures: dict[str, Any]) -> dict[str, bool | None]:
    verdicts: dict[str, bool | None] = dict.fromkeys((*_JUDGED, *_MUST_NOT_GROW))
    if 'memory' in figures:
        for name in _JUDGED:
            slope = figures['memory'][name]['mb_an_hour']
            if slope['slope'] is not None:
                below, above = slope['high'] < MAX_MB_AN_HOUR, slope['low'] >= MAX_MB_AN_HOUR
                verdicts[name] = True if below else False if above else None
        for name in _MUST_NOT_GROW:
            counted = figures['counted'][name]
            verdicts[name] = counted['at_last'] <= counted['at_first']
    counts = (
        'new_ids_in_empty_room', 'ids_that_came_back', 'followed_in_empty_room', 'followed_at_the_end',
    )  # fmt: skip
    asked = [figures.get(name, 0) for name in counts]
    verdicts['ids'] = None if -1 in asked and not any(n > 0 for n in asked) else not any(asked)
    verdicts['finished'] = figures['finished']
    return verdicts
