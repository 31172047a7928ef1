# SPDX-License-Identifier: Apache-2.0
"""Run the node for half an hour with people who come and go; record whether anything grows."""

import argparse
import csv
import json
import signal
import sys
import threading
from dataclasses import asdict, fields
from pathlib import Path

from tqdm import tqdm

from emotion_perception.doctor.machine import describe_machine
from stress.soak.growth import growth_table, plot_run, summary, to_record
from stress.soak.soak_run import Run, Sample, soak
from stress.soak.visitors_camera import Program

RATE_HZ = 30.0
_HELD_UP = 0.6
"""Share of the warm-up in which the node is stopped again and again."""


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m stress.soak', description=__doc__)
    add = parser.add_argument
    add('--minutes', type=float, default=30.0, help='after the warm-up (%(default)g)')
    add('--warm-up', type=float, default=5.0, help='minutes before (%(default)g)')
    add('--every', type=float, default=5.0, help='seconds between two samples (%(default)g)')
    add('--seed', type=int, default=0, help='of people and places (%(default)s)')
    add(
        '--out', type=Path, default=Path('docs'),
        help='folder of lab/records/soak.json, soak.csv and images/soak.png (%(default)s)',
    )  # fmt: skip
    args = parser.parse_args()
    if not (args.minutes > 0 and args.warm_up >= 0 and args.every > 0):
        parser.error('--minutes and --every must be above 0, --warm-up must not be below 0')
    return args


def _run(args: argparse.Namespace, path: Path) -> Run:
    """Run with a progress bar; each sample is a row of the csv file at once."""
    # rclpy turns KeyboardInterrupt into other errors: end after the present step instead
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    frames = round((args.minutes + args.warm_up) * 60 * RATE_HZ)
    program = Program(frames, RATE_HZ, seed=args.seed)
    with (
        path.open('w', newline='') as file,
        tqdm(total=frames, unit='image', desc='soak', disable=None) as bar,
    ):
        writer = csv.DictWriter(file, [field.name for field in fields(Sample)])
        writer.writeheader()

        def on_sample(sample: Sample) -> None:
            writer.writerow(asdict(sample))
            file.flush()
            bar.update(min(sample.image, frames) - bar.n)

        return soak(program, args.every, _HELD_UP * args.warm_up * 60, on_sample, stopped.is_set)


def main() -> int:
    """Run, write and print; 0 if nothing grew, 1 if something did or the run is unfinished."""
    args = _parse_arguments()
    records, images = args.out / 'lab' / 'records', args.out / 'images'
    for folder in (records, images):
        folder.mkdir(parents=True, exist_ok=True)
    machine = describe_machine()
    try:
        run = _run(args, records / 'soak.csv')
    except TimeoutError as error:
        print(f'soak: {error}', file=sys.stderr)
        return 2
    record = {'machine': machine} | to_record(run, args.warm_up * 60)
    (records / 'soak.json').write_text(json.dumps(record, indent=1) + '\n')
    if run.samples:
        plot_run(run, images / 'soak.png')
    print(f'{summary(record)}\n\n{growth_table(record)}')
    return 0 if all(record['checks'].values()) else 1


if __name__ == '__main__':
    sys.exit(main())
