"""The results as Markdown tables; docs/performance.md holds what these functions return."""

from collections.abc import Sequence
from typing import Any

from benchmarks.peers import EACH, OURS
from benchmarks.stages import STAGES

_MAIN = {'width': 640, 'height': 480, 'faces': 1, 'transport': 'raw', 'detector': 'blazeface', 'cores': 1}  # fmt: skip


def table(heading: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = [f'| {" | ".join(heading)} |', '|' + '---|' * len(heading)]
    return '\n'.join(lines + [f'| {" | ".join(map(str, row))} |' for row in rows])


def _latency(row: dict[str, Any], *which: str) -> list[str]:
    """Return the percentiles of a measurement in milliseconds; nothing where no message arrived."""
    return [f'{row["latency"][each]:.1f}' if each in row['latency'] else '' for each in which]


def budgets(results: dict[str, Any]) -> str:
    """Return the budgets of the design beside what was reached."""
    rows = []
    for row in results['stages']:
        if all(row[k] == v for k, v in _MAIN.items()):
            how = (
                'every image searched'
                if row['every'] == 1
                else f'every {row["every"]}. image searched'
            )
            vga = row['whole']
            rows.append(
                (
                    f'VGA, one face, one core, {how}: image to messages, p50 / p99',
                    '5 / 10 ms',
                    f'{vga["p50"]:.1f} / {vga["p99"]:.1f} ms',
                )
            )
    one_core = [
        row['stages']['classify'] / row['faces']
        for row in results['stages']
        if row['faces'] and (row['detector'], row['cores']) == (_MAIN['detector'], 1)
    ]
    rows.append(
        (
            'the stage `classify` a face, one core: means of the rows below',
            '1 ms',
            f'{min(one_core):.2f} to {max(one_core):.2f} ms',
        )
    )
    rows += [
        (
            f'camera stamp to another process, VGA at 30 Hz, {s["faces"]} faces: p99; processed of sent',
            '33 ms; all',
            ' ms; '.join([*_latency(s, 'p99'), f'{s["processed"]} of {s["sent"]}']),
        )
        for s in results['streams']
        if (s['rate_hz'], s['width']) == (30, 640)
    ]
    starts = [row['ready_s'] for row in results['start']]
    rows.append(('ready after start', '1.5 s', f'{min(starts):.2f} to {max(starts):.2f} s'))
    first = [row['first_emotion_s'] for row in results['start']]
    rows.append(('first emotion after start', '', f'{min(first):.2f} to {max(first):.2f} s'))
    memory = max(row['memory_mb'] for row in [*results['streams'], *results['states']])
    rows.append(('memory of the node, the most seen', '200 MB', f'{memory:.0f} MB'))
    for name, factor in (('deepface', 5), ('fer', 10)):
        if name in results['peers']:
            found = results['peers'][name]['times_slower']
            text = '; '.join(f'{ours}: {_times(row)}' for ours, row in found.items())
            rows.append((f'times faster than {name} on the same frames', f'{factor}', text))
    return table(('what', 'budget', 'reached'), rows)


def _times(row: dict[str, float]) -> str:
    return f'{row["median"]:.1f} ({row["low"]:.1f} to {row["high"]:.1f})'


def stages(results: dict[str, Any]) -> str:
    """Return where the time goes, case by case."""
    rows = []
    for row in results['stages']:
        whole, low_high = row['whole'], row['whole']['p50_rounds']
        rows.append(
            (
                f'{row["width"]}x{row["height"]}', row['transport'], row['faces'], row['detector'], row['every'], row['cores'],
                *(f'{row["stages"][stage]:.2f}' for stage in STAGES),
                f'{whole["p50"]:.2f} ({low_high[0]:.2f} to {low_high[1]:.2f})',
                f'{whole["p95"]:.2f}', f'{whole["p99"]:.2f}', f'{row["cpu_ms"]:.1f}',
            )
        )  # fmt: skip
    return table(
        (
            'image',
            'sent',
            'faces',
            'detector',
            'searched',
            'cores',
            *STAGES,
            'p50 (rounds)',
            'p95',
            'p99',
            'CPU',
        ),
        rows,
    )


def peers(results: dict[str, Any]) -> str:
    """Return the packages side by side."""
    rows = []
    for name, row in results['peers'].items():
        slower = row.get('times_slower', {})
        rows.append(
            (
                f'emotion_perception, {row["version"]}' if name in (OURS, EACH) else f'{name} {row["version"]}',
                f'{row["p50"]:.1f}', f'{row["p95"]:.1f}', f'{row["p99"]:.1f}',
                *(_times(slower[ours]) if ours in slower else '' for ours in (OURS, EACH)),
                ', '.join(map(str, row['faces'])),
            )
        )  # fmt: skip
    return table(
        (
            'package',
            'p50',
            'p95',
            'p99',
            'times slower than the node',
            'than each image searched',
            'faces found',
        ),
        rows,
    )


def streams(results: dict[str, Any]) -> str:
    """Return the two-process measurements."""
    rows = [
        (
            f'{row["width"]}x{row["height"]}', row['rate_hz'], f'{row["found"]} of {row["faces"]}',
            row['sent'], row['processed'], row['skipped'],
            *_latency(row, 'p50', 'p95', 'p99'),
            f'{row["cpu_ms"]:.1f}', f'{row["cpu_share"]:.0%}', f'{row["memory_mb"]:.0f}',
        )
        for row in results['streams']
    ]  # fmt: skip
    return table(
        ('image', 'Hz', 'faces found', 'sent', 'processed', 'skipped', 'p50', 'p95', 'p99', 'CPU ms a frame',
         'of a core', 'MB'),
        rows,
    )  # fmt: skip


def states(results: dict[str, Any]) -> str:
    """Return what the node costs in each state."""
    return table(
        ('state', 'of a core', 'MB'),
        [
            (r['state'], f'{r["cpu_share"]:.1%}', f'{r["memory_mb"]:.0f}')
            for r in results['states']
        ],
    )


def following(results: dict[str, Any]) -> str:
    """Return what detection in every n-th image costs and saves."""
    rows = [
        (
            row['every'], row['faces'], f'{row["missed"]:.1%}', f'{row["extra"]:.1%}', f'{row["same_id"]:.1%}',
            f'{row["same_label"]:.1%}', f'{row["box_p50"]:.1%}', f'{row["cpu"]:.0%}',
        )
        for row in results['following']
    ]  # fmt: skip
    return table(
        ('`detect_every`', 'faces', 'missed', 'extra', 'same id', 'same label', 'box moved (of its width)',
         'CPU time'),
        rows,
    )  # fmt: skip


def overload(results: dict[str, Any]) -> str:
    """Return in a sentence what becomes of a camera that is faster than the node."""
    row = results['overload']
    age = row['age']
    return (
        f'{row["processing_s"] * 1000:.0f} ms of work for each image of a {row["rate_hz"]:.0f} Hz camera, '
        f'{row["run_s"]:.0f} s: {row["received"]} images received, {row["processed"]} processed, {row["skipped"]} skipped; '
        f'age at publication p50 {age["p50"]:.0f}, p99 {age["p99"]:.0f}, at most {row["oldest_ms"]:.0f} ms; '
        f'memory {min(row["memory_mb"]):.1f} to {max(row["memory_mb"]):.1f} MB, '
        f'{row["growth_mb_per_minute"]:+.2f} MB a minute.'
    )


def transport(results: dict[str, Any]) -> str:
    """Return how many images arrive by which transport."""
    return table(
        ('transport', 'image', 'arrived of sent', 'p50', 'p99'),
        [
            (
                row['way'], f'{row["width"]}x{row["height"]}', f'{row["arrived"]} of {row["sent"]}',
                *_latency(row, 'p50', 'p99'),
            )
            for row in results['transport']
        ],
    )  # fmt: skip


def cameras(results: dict[str, Any]) -> str:
    """Return what several cameras cost."""
    return table(
        ('cameras', 'nodes', 'processed of sent', 'p50', 'p99', 'of a core', 'MB'),
        [
            (
                row['cameras'], row['way'], f'{row["processed"]} of {row["sent"]}',
                *_latency(row, 'p50', 'p99'),
                f'{row["cpu_share"]:.0%}', f'{row["memory_mb"]:.0f}',
            )
            for row in results['cameras']
        ],
    )  # fmt: skip


def history(rows: Sequence[dict[str, Any]]) -> str:
    """Return what each of several commits gave, as `benchmarks.history` measured it."""
    return table(
        ('commit', 'change', 'p50', 'p99', 'times as fast as the first'),
        [
            (r['commit'], r['subject'].split(';')[0].split(':')[0], f'{r["p50"]:.2f}', f'{r["p99"]:.2f}', _times(r['times_faster']))
            for r in rows
        ],
    )  # fmt: skip


TABLES = {
    'budgets': budgets,
    'stages': stages,
    'peers': peers,
    'streams': streams,
    'states': states,
    'following': following,
    'overload': overload,
    'transport': transport,
    'cameras': cameras,
}
