# SPDX-License-Identifier: Apache-2.0
"""Give broken inputs to each target, in processes of their own, and record the counts."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fuzz.engines import ENGINES, has_atheris
from fuzz.fuzz_tables import total_sentence
from fuzz.targets import TARGETS, Counter

RECORD = Path(__file__).parents[2] / 'docs' / 'lab' / 'records' / 'fuzz.json'
_GRACE_S = 180.0
"""A process that takes so much longer than planned hangs."""
_NO_COUNTS = {'read': 0, 'refused': 0, 'kinds': 0, 'seconds': 0.0, 'slowest_s': 0.0}


def fuzz(target: str, engine: str, seconds: float, seed: int, findings: Path) -> dict[str, Any]:
    """
    Run one target with one engine; a crash, a hang and an unexpected error are findings.

    Args:
        target: a key of `TARGETS`.
        engine: one of `ENGINES`.
        seconds: duration.
        seed: of the random inputs.
        findings: folder that keeps the log and the input of a finding.

    Returns:
        A row of the record.

    """
    with tempfile.TemporaryDirectory(prefix='fuzz-') as name:
        folder, log = Path(name), Path(name) / 'log.txt'
        command = [sys.executable, '-m', 'fuzz.engines', target, engine, name]
        command += ['--seconds', str(seconds), '--seed', str(seed)]
        with log.open('w') as output:
            try:
                ended = subprocess.run(
                    command, stdout=output, stderr=subprocess.STDOUT, check=False,
                    timeout=seconds + _GRACE_S,
                )  # fmt: skip
                found = f'exit code {ended.returncode}' if ended.returncode else ''
            except subprocess.TimeoutExpired:
                found = 'no end in time'
        row: dict[str, Any] = {'target': target, 'engine': engine}
        counts = folder / 'counts.json'
        row |= json.loads(counts.read_text()) if counts.exists() else _NO_COUNTS
        row['findings'] = [found] if found else []
        if found:
            findings.mkdir(parents=True, exist_ok=True)
            for path in [p for p in folder.iterdir() if p.is_file() and p.name != 'counts.json']:
                (findings / f'{target}-{engine}-{path.name}').write_bytes(path.read_bytes())
    return row


def _versions() -> dict[str, str]:
    found = {}
    for name in ('atheris', 'hypothesis', 'numpy', 'opencv-python-headless'):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = 'none'
    return found


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m fuzz', description=__doc__)
    add = parser.add_argument
    add('--minutes', type=float, default=60, help='all targets together (%(default)g)')
    add('--target', action='append', choices=TARGETS, help='only this; may be repeated')
    add('--engine', choices=ENGINES, help='default: atheris if it is installed, else hypothesis')
    add('--seed', type=int, help='of the inputs; another one in each run by default')
    add('--out', type=Path, default=Path('fuzz'), help='folder for findings (%(default)s)')
    add('--record', type=Path, default=RECORD, help='file for the counts (%(default)s)')
    add('--reproduce', type=Path, help='only read the input in this file, with one --target')
    args = parser.parse_args()
    if args.engine == 'atheris' and not has_atheris():
        parser.error('atheris is not installed; there are wheels for Python 3.11 on x86_64')
    if args.reproduce and len(args.target or ()) != 1:
        parser.error('--reproduce needs the one --target that read the input')
    return args


def main() -> int:
    """Run; return 1 with findings."""
    args = _parse_arguments()
    if args.reproduce:
        counter = Counter(TARGETS[args.target[0]].make())
        counter(args.reproduce.read_bytes())
        print(f'refused: {", ".join(counter.kinds)}' if counter.refused else 'read')
        return 0
    engine = args.engine or ('atheris' if has_atheris() else 'hypothesis')
    seed = time.time_ns() % 2**31 if args.seed is None else args.seed
    names = args.target or list(TARGETS)
    rows = []
    for name in names:
        print(f'{name}, {engine}', file=sys.stderr, flush=True)
        rows.append(fuzz(name, engine, args.minutes * 60 / len(names), seed, args.out))
    record = {'seed': seed, 'packages': _versions(), 'targets': rows}
    args.record.parent.mkdir(parents=True, exist_ok=True)
    args.record.write_text(json.dumps(record, indent=1) + '\n')
    print(total_sentence(record))
    if findings := [row['target'] for row in rows if row['findings']]:
        print(f'logs and inputs of {", ".join(findings)} are in {args.out}')
    return 1 if findings else 0


if __name__ == '__main__':
    sys.exit(main())
