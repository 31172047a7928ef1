# SPDX-License-Identifier: Apache-2.0
"""The results as Markdown; docs/performance.md holds what these functions return."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tabulate import tabulate

from benchmarks.peers import EACH_IMAGE, NODE, OWN
from benchmarks.stages import STAGES
from emotion_perception.runtime.network import RUNTIMES

Results = dict[str, Any]
_DEFAULTS = {'transport': 'raw', 'detector': 'blazeface', 'cores': 1}


Row = dict[str, Any]
Cell = str | Callable[[Row], Any]


def markdown(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table; numbers are printed as they are."""
    return tabulate(
        [list(map(str, row)) for row in rows], headers, 'github', disable_numparse=True
    )


def _table(rows: Iterable[Row], columns: dict[str, Cell]) -> str:
    """Return a table with, in each column, a key of the rows or what a function makes of a row."""
    cells = [[row[c] if isinstance(c, str) else c(row) for c in columns.values()] for row in rows]
    return markdown(list(columns), cells)


def _format(key: str, spec: str) -> Cell:
    return lambda row: format(row[key], spec)


def _image(row: Row) -> str:
    return f'{row["width"]}x{row["height"]}'


def _latency(name: str) -> Cell:
    """Return a percentile in milliseconds, with its range; empty where no message arrived."""

    def cell(row: Row) -> str:
        latency = row['latency']
        text = f'{latency[name]:.1f}' if name in latency else ''
        if f'{name}_rounds' in latency:
            low, high = latency[f'{name}_rounds']
            text += f' ({low:.0f} to {high:.0f})'
        return text

    return cell


def _own_memory_mb(row: Row) -> float:
    return row['memory_mb'] - row['image_memory_mb']


_COSTS: dict[str, Cell] = {
    'of a core': _format('cpu_share', '.0%'),
    'MB': _format('memory_mb', '.0f'),
}


def _range(row: dict[str, float], spec: str = '.1f') -> str:
    median, low, high = (format(row[name], spec) for name in ('median', 'low', 'high'))
    return f'{median} ({low} to {high})'


def default_stages(results: Results, **settings: Any) -> list[dict[str, Any]]:
    """Return the rows of the stages with these settings, the others at their defaults."""
    wanted = _DEFAULTS | settings
    rows = results.get('stages', ())
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def _in_yardsticks(row: Row, time_ms: float) -> str:
    """Return a time as a multiple of the yardstick of the same case."""
    return f'{time_ms / row["yardstick"]["p50"]:.2f}'


def budgets(results: Results) -> str:
    """Return the budgets of the design beside the measured values."""
    rows: list[Sequence[str]] = []
    for row in default_stages(results, width=640, height=480, faces=1):
        whole = row['whole']
        measured = ' / '.join(_in_yardsticks(row, whole[name]) for name in ('mean', 'p99'))
        budget = '2.5 / 6 yardsticks' if row['every'] > 1 else ''
        what = f'640x480, one tracked face, one core, detect_every {row["every"]}'
        rows.append((f'{what}: image to messages, mean / p99', budget, f'{measured} yardsticks'))
        if row['every'] > 1:
            classify_ms = row['stages']['classify'] / row['readings']
            classify = f'{_in_yardsticks(row, classify_ms)} yardsticks'
            rows.append(('classifier, a face, all passes', '0.45 yardsticks', classify))
    for name, number in results.get('networks', {}).items():
        if name.startswith('expression'):
            count = f'{number / 1e6:.1f} million'
            rows.append(('multiplications of the classifier, a face', '30 million', count))
    for row in results.get('streams', ()):
        if (row['rate_hz'], row['width']) == (30, 640):
            budget = {1: '33 ms; all', 10: '45 ms; all'}.get(row['faces'], 'all')
            what = f'camera stamp to another process, 640x480 at 30 Hz, faces: {row["faces"]}'
            found = [f'{row["latency"].get("p99", 0):.1f}', f'{row["processed"]} of {row["sent"]}']
            rows.append((f'{what}; p99; processed of sent', budget, ' ms; '.join(found)))
    for key, what, budget in (
        ('ready_s', 'ready after start', '0.7 s'),
        ('first_emotion_s', 'first emotion after start', '1 s'),
    ):
        if times := [row[key] for row in results.get('start', ())]:
            usual, least, most = statistics.median(times), min(times), max(times)
            rows.append((what, budget, f'{usual:.2f} s ({least:.2f} to {most:.2f})'))
    for width in (640, 1280):
        streams = [row for row in results.get('streams', ()) if row['width'] == width]
        if streams:
            row = max(streams, key=_own_memory_mb)
            what = f'memory of the node, {_image(row)}, and images in shared memory'
            measured = f'{_own_memory_mb(row):.0f} MB, {row["image_memory_mb"]:.0f} MB'
            rows.append((what, '160 MB', measured))
    for name, factor in (('fer', '10'), ('deepface', '5')):
        if name in results.get('peers', ()):
            times_slower = results['peers'][name]['times_slower']
            rows.append((f'times faster than {name}', factor, _range(times_slower[NODE])))
    return markdown(('what', 'budget', 'measured'), rows)


def stages(results: Results) -> str:
    """Return the time of each stage, case by case, in ms and (in yardsticks)."""

    def stage(name: str) -> Cell:
        return lambda row: (
            f'{row["stages"][name]:.2f} ({_in_yardsticks(row, row["stages"][name])})'
        )

    def whole(name: str) -> Cell:
        return lambda row: f'{row["whole"][name]:.2f}'

    columns: dict[str, Cell] = {
        'image': _image,
        'transport': 'transport',
        'faces': 'faces',
        'detector': 'detector',
        '`detect_every`': 'every',
        'cores': 'cores',
        'read': _format('readings', '.1f'),
        **{name: stage(name) for name in STAGES},
        **{name: whole(name) for name in ('p50', 'p95', 'p99')},
        'p50 in yardsticks': lambda row: _in_yardsticks(row, row['whole']['p50']),
        'CPU': _format('cpu_ms', '.1f'),
    }
    return _table(results['stages'], columns)


def networks(results: Results) -> str:
    """Return the multiplications of each network."""
    rows = [(name, f'{number / 1e6:.1f}') for name, number in results['networks'].items()]
    return markdown(('network', 'million multiplications'), rows)


def models(results: Results, avx2: Results | None = None) -> str:
    """Return the cost of a face in each measured classifier, also with `--avx2` if given."""
    columns: dict[str, Cell] = {
        'classifier': 'file',
        'million multiplications': lambda row: f'{row["multiplications"] / 1e6:.1f}',
        'yardsticks': lambda row: _range(row['yardsticks'], '.2f'),
    }
    if avx2:
        ratios = {row['file']: row['yardsticks'] for row in avx2['models']}
        columns['with AVX2 only'] = lambda row: _range(ratios[row['file']], '.2f')
    return _table(results['models'], columns)


def reach(results: Results) -> str:
    """Return the share of faces that each detector finds, and what it costs."""
    found = results['reach']
    names = list(found['ms'])
    rows = [
        (row['kind'], row['value'], *(f'{row[name]:.0%}' for name in names))
        for row in found['recall']
    ]
    for kind, key, spec in (
        (f'false faces in {found["images"]} images without faces', 'false', 'd'),
        ('error of the eyes, distances of the eyes', 'eyes', '.3f'),
        ('time of one image, ms', 'ms', '.1f'),
        ('time of one image, yardsticks', 'yardsticks', '.1f'),
    ):
        values = [format(found[key][name], spec) if name in found[key] else '' for name in names]
        rows.append((kind, '', *values))
    return markdown((f'{found["faces"]} faces', '', *names), rows)


def head_pose(results: Results) -> str:
    """Return accuracy on turned faces and clips, expressions of turned faces, and cost."""
    found = results['head_pose']
    cost = found['cost']

    def error(name: str) -> Cell:
        return lambda row: row.get('absolute_error_deg', {}).get(name, '')

    turns: dict[str, Cell] = {
        f'{found["faces"]} faces, turned': 'turned',
        'by, degrees': 'degrees',
        'read': _format('read', '.0%'),
        'mean error': lambda row: row.get('mean_error_deg', ''),
        '90 % below': lambda row: row.get('p90_deg', ''),
        **{f'absolute, {name}': error(name) for name in ('yaw', 'pitch', 'roll')},
    }
    expressions: dict[str, Cell] = {
        'turned': 'turned',
        'by, degrees': 'degrees',
        'faces': 'faces',
        'right': _format('right', '.0%'),
        'sure and wrong': _format('sure_and_wrong', '.0%'),
        'found too far turned': _format('called_turned', '.0%'),
        'published and wrong': _format('published_and_wrong', '.0%'),
    }
    clips: dict[str, Cell] = {
        'clip': 'clip',
        'faces': 'faces',
        'read': _format('read', '.0%'),
        'median yaw, pitch, roll': lambda row: ', '.join(map(str, row['median_deg'])),
        'from image to image': lambda row: ', '.join(map(str, row['step_deg'])),
        'looking': _format('looking', '.0%'),
        'eyes closed': _format('eyes_closed', '.0%'),
        'mouth open, median': 'mouth_open',
    }
    tables = [_table(found['turns'], turns)]
    if found['expressions']:
        tables.append(_table(found['expressions'], expressions))
    tables.append(_table(found['clips'], clips))
    tables.append(
        f'A reading takes {cost["reading"]} yardsticks ({cost["reading_ms"]:.2f} ms), without the '
        f'eyes {cost["reading_without_eyes"]}. One tracked face in 640x480 at 30 Hz: '
        f'{cost["frame_without"]} yardsticks in the mean without and {cost["frame_with"]} with '
        f'head poses, p99 {cost["frame_without_p99"]} and {cost["frame_with_p99"]}.'
    )
    if eyes := found['eyes']:
        tables[-1] += (
            f' Median error of the eyes in distances of the eyes: {eyes["detector"]:.3f} by the '
            f'detector, {eyes["mesh"]:.3f} by the mesh.'
        )
    if shares := found['alignment']:
        tables[-1] += (
            f' Of {shares["faces"]} unturned crops {shares["detector"]:.1%} are classified right '
            f'if aligned by the detector, {shares["mesh"]:.1%} by the eyes of the mesh.'
        )
    return '\n\n'.join(tables)


def peers(results: Results) -> str:
    """Return the packages side by side."""

    def slower_than(own: str) -> Cell:
        return lambda row: _range(row['times_slower'][own]) if 'times_slower' in row else ''

    rows = [
        {'name': 'emotion_perception,' if name in OWN else name, **row}
        for name, row in results['peers'].items()
    ]
    columns: dict[str, Cell] = {
        'package': lambda row: f'{row["name"]} {row["version"]}',
        **{name: _format(name, '.1f') for name in ('mean', 'p50', 'p99')},
        'times slower than the node': slower_than(NODE),
        'than detection in every image': slower_than(EACH_IMAGE),
        'faces found': lambda row: ', '.join(map(str, row['faces'])),
    }
    return _table(rows, columns)


def _fixed_job(row: Row) -> str:
    """Return how much the machine was disturbed, in ms; nothing in an older record."""
    job = row.get('fixed_job', {})
    return f'{job["p50"]:.1f} / {job["p99"]:.1f}' if job else ''


def streams(results: Results, part: str = 'streams') -> str:
    """Return latency and cost of the node beside a camera process."""
    columns: dict[str, Cell] = {
        'image': _image,
        'Hz': _format('rate_hz', 'g'),
        'faces found': lambda row: f'{row["found"]} of {row["faces"]}',
        **{name: name for name in ('sent', 'processed', 'skipped')},
        **{name: _latency(name) for name in ('p50', 'p95', 'p99')},
        'a fixed job: p50 / p99': _fixed_job,
        'oldest reading, ms': lambda row: f'{row.get("oldest_reading_ms", 0):.0f}',
        'CPU ms an image': _format('cpu_ms', '.1f'),
        **_COSTS,
    }
    return _table(results[part], columns)


def slow_machine(results: Results) -> str:
    """Return the same of a node whose networks take longer."""
    return streams(results, 'slow_machine')


def states(results: Results) -> str:
    """Return the cost of the node in each lifecycle state."""
    columns = {'state': 'state', **_COSTS, 'of a core': _format('cpu_share', '.1%')}
    return _table(results['states'], columns)


def runtimes(results: Results) -> str:
    """Return the times of both runtimes, and how far their answers differ."""
    columns: dict[str, Cell] = {
        'median time, ms': 'what',
        **{name: _median(name) for name in RUNTIMES},
        'ratio': lambda row: f'{row[RUNTIMES[1]]["p50"] / row[RUNTIMES[0]]["p50"]:.1f}',
    }
    table = _table(results['runtimes']['times'], columns)
    if not (found := results['runtimes']['differences']):
        return table
    return (
        f'{table}\n\nLargest difference of a probability, {found["faces"]} faces: median '
        f'{found["p50"]:.4f}, 99th percentile {found["p99"]:.3f}, maximum {found["max"]:.3f}; '
        f'above 0.02 for {found["above_0.02"]:.1%} of the faces; another label for '
        f'{found["other_label"]:.1%}.'
    )


def live_page(results: Results) -> str:
    """Return what the live page costs, and what remains for the node."""
    columns: dict[str, Cell] = {
        'beside the node': 'page',
        'processed of sent': lambda row: f'{row["processed"]} of {row["sent"]}',
        **{name: _latency(name) for name in ('p50', 'p95', 'p99')},
        'a fixed job: p50 / p99': _fixed_job,
        'node, of a core': _format('node_share', '.0%'),
        'node, MB': _format('node_mb', '.0f'),
        'page, of a core': _format('page_share', '.0%'),
        'page, MB': _format('page_mb', '.0f'),
    }
    return _table(results['live_page'], columns)


def _median(runtime: str) -> Cell:
    return lambda row: f'{row[runtime]["p50"]:.1f}'


def detect_every(results: Results) -> str:
    """Return what detection in every n-th image saves and misses."""
    columns: dict[str, Cell] = {
        '`detect_every`': 'every',
        'faces': 'faces',
        'missed': _format('missed', '.1%'),
        'extra': _format('extra', '.1%'),
        'same label': _format('same_label', '.1%'),
        'CPU time': _format('cpu', '.0%'),
    }
    return _table(results['detect_every'], columns)


def clip_labels(results: Results) -> str:
    """Return what parameters change in clips."""
    columns: dict[str, Cell] = {
        'setting': 'setting',
        'faces': 'faces',
        'uncertain': _format('uncertain', '.1%'),
        'label changes': 'changes',
        'named otherwise': _format('other_label', '.1%'),
    }
    return _table(results['clip_labels'], columns)


def overload(results: Results) -> str:
    """Return a sentence about a camera that is faster than the node."""
    row = results['overload']
    age, memory = row['age'], row['memory_mb']
    return (
        f'{row["processing_s"] * 1000:.0f} ms for each image of a {row["rate_hz"]:.0f} Hz camera, '
        f'{row["run_s"]:.0f} s: {row["received"]} images received, {row["processed"]} processed, '
        f'{row["skipped"]} dropped; age at publication p50 {age["p50"]:.0f}, '
        f'p99 {age["p99"]:.0f}, maximum {row["oldest_ms"]:.0f} ms; '
        f'memory {memory[0]:.1f} MB at first, {memory[-1]:.1f} MB at last.'
    )


def transport(results: Results) -> str:
    """Return how many images arrive by which transport."""
    columns: dict[str, Cell] = {
        'transport': 'way',
        'image': _image,
        'arrived of sent': lambda row: f'{row["arrived"]} of {row["sent"]}',
        **{name: _latency(name) for name in ('p50', 'p99')},
    }
    return _table(results['transport'], columns)


def cameras(results: Results) -> str:
    """Return the cost of several cameras."""
    columns: dict[str, Cell] = {
        'cameras': 'cameras',
        'processed of sent': lambda row: f'{row["processed"]} of {row["sent"]}',
        **{name: _latency(name) for name in ('p50', 'p99')},
        **_COSTS,
    }
    return _table(results['cameras'], columns)


TABLES: dict[str, Callable[[Results], str]] = {
    'budgets': budgets,
    'stages': stages,
    'networks': networks,
    'models': models,
    'reach': reach,
    'head_pose': head_pose,
    'peers': peers,
    'streams': streams,
    'slow_machine': slow_machine,
    'states': states,
    'live_page': live_page,
    'runtimes': runtimes,
    'detect_every': detect_every,
    'clip_labels': clip_labels,
    'overload': overload,
    'transport': transport,
    'cameras': cameras,
}
"""Name -> the function that makes the table; all but the budgets need the part of that name."""


def tables_of(results: Results) -> dict[str, str]:
    """Return every table whose part was measured, by name."""
    return {
        name: make(results)
        for name, make in TABLES.items()
        if name == 'budgets' or name in results
    }
