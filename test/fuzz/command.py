"""The command `python -m fuzz`: a long run, and the record of it."""

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fuzz.campaign import ENGINES, Count, fuzz, has_atheris
from fuzz.targets import targets

RECORD = Path(__file__).parents[2] / 'docs' / 'lab' / 'records' / 'fuzz.json'


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m fuzz', description=__doc__)
    parser.add_argument('--minutes', type=float, default=70, help='all targets together (70)')
    parser.add_argument('--target', action='append', choices=sorted(targets()), help='only this')
    parser.add_argument('--engine', choices=ENGINES, help='only this; else both in turn')
    parser.add_argument('--seed', type=int, help='of chance; another in every run without it')
    parser.add_argument(
        '--out', type=Path, default=Path('fuzz'), help='folder for findings (fuzz)'
    )
    parser.add_argument('--record', type=Path, default=RECORD, help='file for the counts')
    parser.add_argument('--reproduce', type=Path, help='run only the input in this file')
    return parser


def _packages() -> dict[str, str]:
    found = {'python': platform.python_version()}
    for name in ('atheris', 'numpy', 'opencv-python-headless', 'rosbags', 'apsw'):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = 'none'
    return found


def _row(count: Count) -> dict[str, Any]:
    # where two libraries stumble is of interest, how often is chance
    kinds = {ending for ending in count.endings if ending.startswith('refused: ')}
    read = sum(number for ending, number in count.endings.items() if _is_read(ending))
    return {
        'target': count.target, 'engine': count.engine, 'executions': count.executions,
        'seconds': count.seconds, 'slowest_s': count.slowest_s, 'read': read,
        'refused': count.endings.total() - read,
        'places': len(kinds) or len([one for one in count.endings if not _is_read(one)]),
        'findings': dict(count.findings),
    }  # fmt: skip


def _is_read(ending: str) -> bool:
    return ending.startswith(('read', 'looked at'))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0 without findings, 1 with, 2 where it cannot begin."""
    args = _parser().parse_args(arguments)
    if args.reproduce is not None:
        return _reproduce(args)
    engines = [args.engine] if args.engine else [*ENGINES]
    if 'atheris' in engines and not has_atheris():
        advice = 'atheris is not installed: bootstrap/set_up.sh --tests brings it where there is a wheel of it'
        if args.engine:
            print(f'fuzz: {advice}', file=sys.stderr)
            return 2
        print(f'fuzz: {advice}; going on with chance alone', file=sys.stderr)
        engines.remove('atheris')
    seed = time.time_ns() % 2**31 if args.seed is None else args.seed
    runs = [(name, engine) for name in args.target or targets() for engine in engines]
    each_s = args.minutes * 60 / len(runs)
    rows = []
    bar = tqdm(runs, unit='target', disable=None)
    for name, engine in bar:
        bar.set_description(f'{name} {engine}')
        count = fuzz(name, args.out / name, each_s, engine=engine, seed=seed)
        rows.append(_row(count))
        for what, number in count.findings.items():
            print(f'{name}: {what} ({number} times), kept in {args.out / name}', flush=True)
    made = {'seed': seed, 'packages': _packages(), 'targets': rows}
    args.record.parent.mkdir(parents=True, exist_ok=True)
    partial = args.record.with_suffix('.partial')
    partial.write_text(json.dumps(made, indent=2) + '\n')
    partial.replace(args.record)
    total = sum(row['executions'] for row in rows)
    findings = sum(len(row['findings']) for row in rows)
    print(f'{total} inputs, {findings} findings; {args.record}')
    return 1 if findings else 0


def _reproduce(args: argparse.Namespace) -> int:
    import tempfile

    if len(args.target or ()) != 1:
        print('fuzz: --reproduce needs the --target that read it', file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix='fuzz-') as folder:
        print(targets()[args.target[0]].load(Path(folder))(args.reproduce.read_bytes()))
    return 0
