"""The command `python -m reliability soak`."""

import argparse
import csv
import importlib
import io
import signal
import sys
import threading
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from benchmarks.machine import machine
from emotion_training.data.fer2013 import DatasetError
from emotion_training.files import whole_file, write_json, write_whole
from stress.soak.outcome import Outcome, Sample
from stress.soak.plot import plot
from stress.soak.run import SoakError, soak
from stress.soak.tables import summary, table
from stress.soak.verdicts import record
from stress.soak.visits import Programme

RATE_HZ = 30.0
_SHAKEN = 0.6
"""Share of the warm-up in which the node is held up again and again."""


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m reliability soak', description=__doc__)
    parser.add_argument('--minutes', type=float, default=30.0, help='to judge, after the warm-up (%(default)g)')  # fmt: skip
    parser.add_argument('--warm-up', type=float, default=5.0, help='minutes before (%(default)g)')
    parser.add_argument('--every', type=float, default=5.0, help='seconds between two samples (%(default)g)')  # fmt: skip
    parser.add_argument('--seed', type=int, default=0, help='of who comes and where (%(default)s)')
    parser.add_argument('--media', type=Path, help='folder of pictures and clips with further faces')  # fmt: skip
    parser.add_argument('--out', type=Path, default=Path('docs'), help='folder of records/soak.json, records/soak.csv and images/soak.png (%(default)s)')  # fmt: skip
    args = parser.parse_args(arguments)
    if not (args.minutes > 0 and args.warm_up >= 0 and args.every > 0):
        parser.error('--minutes and --every must be above 0, --warm-up not below 0')
    if args.media and not args.media.is_dir():
        parser.error(f'there is no folder {args.media}')
    # what is needed at the end is asked for at the beginning
    for name in ('matplotlib', 'scipy'):
        try:
            importlib.import_module(name)
        except ImportError:
            parser.error(f'{name} is missing; `make soak` installs it')
    return args


def _run(args: argparse.Namespace, stream: TextIO, stopped: threading.Event) -> Outcome:
    """Run the soak with a progress bar; each sample is a line of `stream` at once."""
    frames = round((args.minutes + args.warm_up) * 60 * RATE_HZ)
    program = Programme(seed=args.seed, frames=frames, rate_hz=RATE_HZ)
    writer = csv.DictWriter(stream, [field.name for field in fields(Sample)])
    writer.writeheader()
    with tqdm(total=frames, unit='image', desc='soak', disable=None) as bar:

        def note(sample: Sample) -> None:
            writer.writerow(asdict(sample))
            stream.flush()
            bar.set_postfix_str(
                f'{sample.resident_mb:.1f} MB, {sample.threads} threads, {sample.handles} handles, '
                f'{sample.highest_id} ids, p99 {sample.latency_p99_ms:.0f} ms',
                refresh=False,
            )
            bar.update(min(sample.picture, frames) - bar.n)

        return soak(
            program, args.every, args.media, _SHAKEN * args.warm_up * 60, note, stopped.is_set
        )


def main(arguments: list[str] | None = None) -> int:
    """Soak, write and print; 0 if nothing grew, 1 if something did or it is not finished, 2 without a run."""
    args = _arguments(arguments)
    # inside rclpy's extension Ctrl-C comes out as another error: only note it, and end after this step
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    records, picture = args.out / 'records', args.out / 'images' / 'soak.png'
    about = {'machine': machine(), 'further_faces': bool(args.media)}
    try:
        with whole_file(records / 'soak.csv') as stream:
            outcome = _run(args, stream, stopped)
            if not outcome.samples:
                raise SoakError(outcome.ended or 'nothing was measured')
        found: dict[str, Any] = about | record(outcome, args.warm_up * 60)
        write_json(records / 'soak.json', found)
        drawn = io.BytesIO()
        plot(outcome, found, drawn)
        write_whole(picture, drawn.getvalue())
    except (DatasetError, OSError, SoakError) as error:
        print(f'soak: {error}', file=sys.stderr)
        return 2
    print(f'{summary(found)}\n\n{table(found)}')
    print(f'\n{records / "soak.json"}, soak.csv and {picture} are written', file=sys.stderr)
    return 0 if all(found['verdicts'].values()) else 1
