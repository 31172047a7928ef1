"""Draws a soak: memory with its slope, threads and handles, latency, and the ids against the visits."""

from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from stress.soak.outcome import Outcome, Sample
from stress.soak.tables import slope

_BLUE, _LIGHT, _GRAY, _RED = '#2563c9', '#6ea8ff', '#7c8798', '#d62728'
_MARGIN_MB = 3


def plot(outcome: Outcome, record: dict[str, Any], out: BinaryIO) -> None:
    """Write the picture of a soak with at least one sample, as png."""
    from matplotlib.figure import Figure

    samples = outcome.samples
    minutes = np.array([sample.time_s for sample in samples]) / 60
    figure = Figure((11, 7.2), layout='constrained')
    (memory, counted), (latency, ids) = figure.subplots(2, 2)
    _memory(memory, minutes, samples, record)
    for name, color in (('threads', _BLUE), ('handles', _RED), ('endpoints', _GRAY)):
        counted.plot(minutes, [getattr(s, name) for s in samples], color=color, label=name)
    counted.set(title='Threads, handles (file descriptors), ROS endpoints', ylim=(0, None))
    latency.plot(minutes, [s.latency_p99_ms for s in samples], color=_LIGHT, label='p99')
    latency.plot(minutes, [s.latency_p50_ms for s in samples], color=_BLUE, label='p50')
    latency.set(title='Camera to a third process', ylabel='ms', ylim=(0, None))
    ids.plot(minutes, [s.highest_id for s in samples], color=_BLUE, label='ids given away')
    visits = [outcome.program.visits(s.picture + 1) for s in samples]
    ids.plot(minutes, visits, '--', color=_GRAY, label='visits')
    ids.set(title='Ids and visits', ylim=(0, None))
    for axes in (memory, counted, latency, ids):
        axes.axvspan(0, min(record['warm_up_s'] / 60, minutes[-1]), color=_GRAY, alpha=0.12)
        axes.set(xlabel='minutes (gray: warm-up)', xlim=(0, max(minutes[-1], 0.1)))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    if not record['finished']:
        figure.suptitle(f'unfinished: {record["ended"]}', color=_RED)
    figure.savefig(out, dpi=110, format='png')


def _memory(
    axes: Any, minutes: np.ndarray, samples: Sequence[Sample], record: dict[str, Any]
) -> None:
    resident = [sample.resident_mb for sample in samples]
    axes.plot(minutes, resident, color=_BLUE, label='resident')
    own = [sample.own_mb for sample in samples]
    axes.plot(minutes, own, color=_LIGHT, label='its own')
    found = record.get('memory', {}).get('resident_mb')
    if found and found['mb_an_hour']['slope'] is not None:
        line = found['mb_an_hour']
        ends = np.array((record['warm_up_s'] / 60, minutes[-1]))
        axes.plot(
            ends, line['start'] + line['slope'] * ends / 60, '--', color=_RED, label=slope(found)
        )
    # a slope of a few MB an hour cannot be seen on an axis that begins at 0
    axes.set(title="The node's memory (not from 0)", ylabel='MB')
    axes.set(ylim=(min(own) - _MARGIN_MB, max(resident) + _MARGIN_MB))
