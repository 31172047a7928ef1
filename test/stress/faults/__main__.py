# SPDX-License-Identifier: Apache-2.0
"""Try every fault for some minutes; count and record what was lost."""

import argparse
import json
import random
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from emotion_perception.doctor.machine import describe_machine
from stress.faults import (
    clock_jumps,
    crashes,
    lifecycle_chaos,
    parameter_chaos,
    subscribers,
)
from stress.faults.trial import Result, Trial, trials_table

RECORD = Path(__file__).parents[3] / 'docs' / 'lab' / 'records' / 'faults.json'
MINUTES = 9.0
"""Duration on two idle cores with the numbers of tries below; they grow with `--minutes`."""

TRIALS: dict[str, tuple[Trial, int]] = {
    'kills': (crashes.kill_processes, 75),
    'stalls': (crashes.hang_camera, 30),
    'lifecycle': (lifecycle_chaos.random_transitions, 5000),
    'parameters': (parameter_chaos.change_parameters, 2000),
    'stamps': (clock_jumps.jump_stamps, 3000),
    'subscribers': (subscribers.many_subscribers, 300),
    'silent': (subscribers.silent_subscribers, 300),
}


def run_trial(name: str, seed: int, minutes: float = MINUTES) -> Result:
    """Run a trial, scaled to so many minutes for all; a timeout of the trial counts as lost."""
    trial, tries = TRIALS[name]
    tries = max(round(tries * minutes / MINUTES), 1)
    try:
        return replace(trial(tries, random.Random(seed)), seed=seed)
    except TimeoutError as error:
        return Result(name, tries, {f'trial: {error}': 1}, seed)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m stress.faults', description=__doc__)
    add = parser.add_argument
    add('--minutes', type=float, default=MINUTES, help='for all trials, about (%(default)g)')
    add(
        '--only', action='append', choices=TRIALS,
        help='run only this trial and keep the rest of the record; may be repeated',
    )  # fmt: skip
    add('--seed', type=int, help='of the random choices; a random one by default')
    add('--out', type=Path, default=RECORD, help='the record (%(default)s)')
    args = parser.parse_args()
    if not args.minutes > 0:
        parser.error('--minutes must be above 0')
    return args


def main() -> int:
    """Run the trials and write the record; return 1 if something was lost."""
    args = _parse_arguments()
    seed = random.SystemRandom().randrange(10**6) if args.seed is None else args.seed
    earlier = json.loads(args.out.read_text())['trials'] if args.only and args.out.exists() else {}
    found: dict[str, dict[str, Any]] = earlier
    about = {'machine': describe_machine(), 'minutes': args.minutes}
    passed = True
    for name in args.only or TRIALS:
        print(f'{name}, seed {seed}', file=sys.stderr, flush=True)
        started_s = time.monotonic()
        result = run_trial(name, seed, args.minutes)
        passed &= result.passed
        found[name] = result.to_record() | {'took_s': round(time.monotonic() - started_s, 1)}
        args.out.parent.mkdir(parents=True, exist_ok=True)
        ordered = {each: found[each] for each in TRIALS if each in found}
        args.out.write_text(json.dumps(about | {'trials': ordered}, indent=1) + '\n')
    print(trials_table(found))
    return 0 if passed else 1


if __name__ == '__main__':
    sys.exit(main())
