"""Measure everything and write results.json, tables and a plot: what `make bench` runs."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import (
    cameras,
    following,
    growth,
    life,
    overload,
    peers,
    processes,
    stages,
    tables,
    transport,
)
from benchmarks.machine import machine

PARTS = (
    'peers',
    'stages',
    'following',
    'streams',
    'start',
    'states',
    'overload',
    'transport',
    'cameras',
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m benchmarks', description=__doc__)
    parser.add_argument('--out', type=Path, default=Path('benchmarks/out'), help='folder (%(default)s)')  # fmt: skip
    parser.add_argument('--yunet', type=Path, help='face_detection_yunet_2023mar.onnx, for YuNet and DeepFace')  # fmt: skip
    parser.add_argument('--media', type=Path, help='folder of clips, to follow faces in')
    parser.add_argument('--part', action='append', choices=PARTS, help='measure only this; repeat it for several')  # fmt: skip
    parser.add_argument('--quick', action='store_true', help='a tenth of the time; figures of no worth')  # fmt: skip
    args = parser.parse_args()
    if args.yunet and not args.yunet.is_file():
        parser.error(f'there is no file {args.yunet}')
    if args.media and not args.media.is_dir():
        parser.error(f'there is no folder {args.media}')
    return args


def _streams(run_s: float) -> list[dict[str, Any]]:
    vga = (640, 480)
    rows = [processes.stream(rate, vga, 1, run_s) for rate in (15, 30, 60)]
    rows.append(processes.stream(30, vga, 10, run_s))
    rows.append(processes.stream(30, (1280, 720), 1, run_s))
    return rows


def main() -> int:
    """Measure, write and print."""
    args = _arguments()
    share = 0.1 if args.quick else 1.0
    run_s, started = max(8 * share, 1.0), time.monotonic()

    def say(text: str) -> None:
        print(f'[{time.monotonic() - started:5.0f} s] {text}', file=sys.stderr, flush=True)

    models = {'yunet': args.yunet} if args.yunet else {}
    works = {
        'peers': lambda: peers.measure(args.yunet, max(round(40 * share), 2), 5, say),
        'stages': lambda: stages.measure(models, max(round(60 * share), 5), 3, say),
        'following': lambda: following.measure(args.media, 2 if args.quick else None, say),
        'streams': lambda: _streams(run_s),
        'start': lambda: life.start_up(max(round(5 * share), 1)),
        'states': lambda: life.states(run_s / 2),
        'overload': lambda: overload.measure(60 * share),
        'transport': lambda: transport.measure(run_s / 2),
        'cameras': lambda: cameras.measure((1, 2, 3), 0.75 * run_s),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / 'results.json'
    results: dict[str, Any] = json.loads(path.read_text()) if args.part and path.exists() else {}
    results['machine'] = machine()
    for name in args.part or PARTS:
        say(f'measuring {name}')
        results[name] = works[name]()
        path.write_text(json.dumps(results, indent=1) + '\n')
    if all(name in results for name in PARTS):
        results['growth'] = growth.fits(results)
        path.write_text(json.dumps(results, indent=1) + '\n')
        growth.plot(results, args.out / 'performance.png')
        (args.out / 'tables.md').write_text(
            '\n\n'.join(f'**{name}**\n\n{made(results)}' for name, made in tables.TABLES.items())
            + f'\n\n{growth.sentences(results["growth"])}\n'
        )
        print(tables.budgets(results))
        print(growth.sentences(results['growth']))
    say(f'{path}, tables.md and performance.png are written')
    return 0


if __name__ == '__main__':
    sys.exit(main())
