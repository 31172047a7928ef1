# SPDX-License-Identifier: Apache-2.0
"""From samples to a record: what grew after the warm-up, as figures, tables and a plot."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import theilslopes
from tabulate import tabulate

from stress.soak.soak_run import Run, Sample
from stress.soak.visitors_camera import CROWD

MAX_MB_PER_HOUR = 1.0
MEMORY = ('resident_mb', 'private_mb')
COUNTED = ('threads', 'file_descriptors', 'endpoints', 'topics')
_FEWEST_ROUNDS = 3
_WORDS = {True: 'yes', False: '**no**', None: 'unknown'}
_NAMES = {
    'resident_mb': 'resident memory after warm-up',
    'private_mb': 'of it private',
    'threads': 'threads',
    'file_descriptors': 'file descriptors',
    'endpoints': "the node's publishers, subscriptions and services",
    'topics': 'topics in the graph',
    'all_forgotten': 'tracked faces',
}


def slope_per_hour(
    times_s: Sequence[float], values: Sequence[float], rounds: Sequence[int]
) -> dict[str, Any]:
    """
    Return the growth per hour: the Theil-Sen slope (Sen, 1968) through the medians of the rounds.

    A median of a round ignores what comes and goes within it, a Theil-Sen slope single steps.

    Returns:
        ``slope`` with the ends ``low`` and ``high`` of its 95 % interval, ``start`` (value at
        time 0) and ``rounds``; None in place of figures for fewer than three rounds.

    """
    at, value, number = np.asarray(times_s), np.asarray(values), np.asarray(rounds)
    names, sizes = np.unique(number, return_counts=True)
    # the first and the last round may be incomplete
    whole = names[2 * sizes >= np.median(sizes)] if len(names) else names
    if len(whole) < _FEWEST_ROUNDS:
        return dict.fromkeys(('slope', 'low', 'high', 'start')) | {'rounds': len(whole)}
    medians = [float(np.median(value[number == name])) for name in whole]
    middles_s = [float(np.median(at[number == name])) for name in whole]
    slope, start, low, high = theilslopes(medians, middles_s, 0.95)
    # + 0.0 turns -0.0 into 0.0
    per_hour = {'slope': slope, 'low': low, 'high': high}
    return {
        **{name: round(float(v) * 3600, 3) + 0.0 for name, v in per_hour.items()},
        'start': round(float(start), 3),
        'rounds': len(whole),
    }


def to_record(run: Run, warm_up_s: float) -> dict[str, Any]:
    """
    Return the record of a run.

    Args:
        run: samples and counts.
        warm_up_s: time at the start in which growth is allowed.

    Returns:
        Settings, counts, ``memory``, ``counted`` and ``checks``: by name True, False, or None
        where the run was too short.

    """
    samples, program = run.samples, run.program
    warm = [sample for sample in samples if sample.time_s >= warm_up_s]
    record: dict[str, Any] = {
        'ended': run.ended,
        'seconds': samples[-1].time_s if samples else 0.0,
        'warm_up_s': warm_up_s,
        'rate_hz': program.rate_hz,
        'round_s': program.round_s,
        'seed': program.seed,
        'samples': len(samples),
        'all_forgotten': run.all_forgotten,
    }
    if samples:
        record |= _totals(run, warm or samples)
    if warm:
        record['memory'] = {name: _memory(run, warm, name) for name in MEMORY}
        record['counted'] = {name: _counted(warm, name) for name in COUNTED}
    return record | {'checks': _checks(record)}


def _totals(run: Run, warm: list[Sample]) -> dict[str, Any]:
    last = run.samples[-1]
    images = {
        name: getattr(last, name) - getattr(warm[0], name)
        for name in ('sent', 'processed', 'skipped')
    }
    return {
        'visits': run.program.count_visits(last.image + 1),
        'faces': last.faces,
        'ids': last.highest_id,
        **images,
        'lost': max(images['sent'] - images['processed'] - images['skipped'], 0),
        'cpu_share': round(float(np.mean([sample.cpu_share for sample in warm])), 3),
        'latency_ms': {
            'p50': round(float(np.median([s.latency_p50_ms for s in warm])), 1),
            'p99': round(float(np.median([s.latency_p99_ms for s in warm])), 1),
            'max': max(sample.latency_max_ms for sample in warm),
        },
    }


def _memory(run: Run, warm: list[Sample], name: str) -> dict[str, Any]:
    values = np.array([getattr(sample, name) for sample in warm])
    rounds = np.array([sample.image // run.program.round_frames for sample in warm])
    return {
        'first': round(float(np.median(values[rounds == rounds[0]])), 3),
        'last': round(float(np.median(values[rounds == rounds[-1]])), 3),
        'max': float(values.max()),
        'mb_per_hour': slope_per_hour([sample.time_s for sample in warm], values, rounds),
    }


def _counted(warm: list[Sample], name: str) -> dict[str, int]:
    """Return the maximum of the first and of the last third, and of all."""
    values = [getattr(sample, name) for sample in warm]
    third = max(len(values) // 3, 1)
    return {'first': max(values[:third]), 'last': max(values[-third:]), 'max': max(values)}


def _checks(record: dict[str, Any]) -> dict[str, bool | None]:
    checks: dict[str, bool | None] = dict.fromkeys((*MEMORY, *COUNTED))
    for name, memory in record.get('memory', {}).items():
        slope = memory['mb_per_hour']
        if slope['slope'] is not None:
            below = slope['high'] < MAX_MB_PER_HOUR
            checks[name] = True if below else False if slope['low'] >= MAX_MB_PER_HOUR else None
    for name, counted in record.get('counted', {}).items():
        checks[name] = counted['last'] <= counted['first']
    checks['all_forgotten'] = record['all_forgotten']
    checks['finished'] = not record['ended']
    return checks


def summary(record: dict[str, Any]) -> str:
    """Return what was done, in a few sentences."""
    ended = f' **Unfinished**: {record["ended"]}.' if record['ended'] else ''
    if not record['samples']:
        return f'Nothing was measured.{ended}'
    latency = record['latency_ms']
    return (
        f'{record["seconds"] / 60:.1f} minutes at {record["rate_hz"]:g} Hz, the first '
        f'{record["warm_up_s"] / 60:.1f} of them to warm up: {record["visits"]} visits of up to '
        f'{CROWD} people at once, {record["faces"]} faces, {record["ids"]} ids. '
        f'After the warm-up {record["sent"]} images sent, {record["processed"]} processed, '
        f'{record["skipped"]} dropped for a newer one, {record["lost"]} lost before the node; '
        f'{record["cpu_share"]:.0%} of a core; latency, medians of the samples, '
        f'p50 {latency["p50"]}, p99 {latency["p99"]} ms.{ended}'
    )


def _slope_text(memory: dict[str, Any]) -> str:
    slope = memory['mb_per_hour']
    if slope['slope'] is None:
        return 'too short for a slope'
    interval = f'{slope["low"]:+.2f} to {slope["high"]:+.2f}'
    return f'{slope["slope"]:+.2f} ({interval}) MB an hour over {slope["rounds"]} rounds'


def growth_table(record: dict[str, Any]) -> str:
    """Return limits, measured values and whether they hold, as a Markdown table."""
    rows = []
    for name, memory in record.get('memory', {}).items():
        measured = f'{memory["first"]:.1f} to {memory["last"]:.1f} MB; {_slope_text(memory)}'
        rows.append((name, f'below {MAX_MB_PER_HOUR:g} MB an hour', measured))
    for name, counted in record.get('counted', {}).items():
        measured = f'{counted["first"]} first, {counted["last"]} last, {counted["max"]} maximum'
        rows.append((name, 'no growth', measured))
    rows.append(('all_forgotten', 'no tracked face', 'diagnostics after everybody left'))
    cells = [
        (_NAMES[name], limit, measured, _WORDS[record['checks'][name]])
        for name, limit, measured in rows
    ]
    return tabulate(cells, ('what', 'limit', 'measured', 'holds'), 'github')


def plot_run(run: Run, path: Path) -> None:
    """Write a png with the samples over time."""
    frame = pd.DataFrame(asdict(sample) for sample in run.samples)
    frame.index = pd.Index(frame['time_s'] / 60, name='minutes')
    columns = [*MEMORY, *COUNTED, 'latency_p99_ms', 'highest_id']
    axes = frame[columns].plot(subplots=True, layout=(4, 2), figsize=(11, 9), grid=True)
    axes[0, 0].figure.savefig(path, dpi=90)
