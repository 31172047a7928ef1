"""The command `python -m stress.faults`: every fault for minutes, counted and recorded."""

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from emotion_training.files import write_json
from stress.faults.counting import Count
from stress.faults.robot import LostError
from stress.faults.tables import table
from stress.faults.trials import MINUTES, Trial, trials

RECORD = Path('docs/lab/records/faults.json')


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    names = list(trials(MINUTES, 0, False))
    parser = argparse.ArgumentParser(prog='python -m reliability faults', description=__doc__)
    parser.add_argument('--minutes', type=float, default=MINUTES, help='that all of it shall take, about (%(default)g)')  # fmt: skip
    parser.add_argument('--only', action='append', choices=names, help='try only this, and keep the rest of the record; repeat it for several')  # fmt: skip
    parser.add_argument('--seed', type=int, help='of all that is left to chance; printed where none is given')  # fmt: skip
    parser.add_argument('--out', type=Path, default=RECORD, help='the record (%(default)s)')
    args = parser.parse_args(arguments)
    if not args.minutes > 0:
        parser.error('--minutes must be above 0')
    return args


def _tried(name: str, trial: Trial) -> Count:
    """Return what a trial comes to; one that cannot go on is a loss as well."""
    try:
        return trial()
    except LostError as error:
        return Count(name, 0, {f'trial, for {error}': 1})


def main(arguments: list[str] | None = None) -> int:
    """Try, record and print; 0 if nothing was lost, 1 if something was, 2 where the record cannot be written."""
    args = _arguments(arguments)
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    seed = random.SystemRandom().randrange(10**6) if args.seed is None else args.seed
    all_trials = trials(args.minutes, seed, progress=sys.stderr.isatty())
    print(f'seed {seed}', file=sys.stderr)
    found: dict[str, Any] = {}
    if args.only and args.out.is_file():
        found = json.loads(args.out.read_text())['trials']
    about = {'machine': machine(), 'minutes': args.minutes}
    lost = 0
    try:
        for name in args.only or all_trials:
            started = time.monotonic()
            count = _tried(name, all_trials[name])
            print(count, flush=True)
            lost += not count.kept
            found[name] = count.as_record() | {'took_s': round(time.monotonic() - started, 1)}
            ordered = {each: found[each] for each in all_trials if each in found}
            write_json(args.out, about | {'trials': ordered})
    except KeyboardInterrupt:
        print('faults: stopped; what was through by then is in the record', file=sys.stderr)
        return 1
    except OSError as error:
        print(f'faults: {error}', file=sys.stderr)
        return 2
    print(f'\n{table(found)}')
    return int(lost > 0)
