# SPDX-License-Identifier: Apache-2.0
"""The command `bag process`: one recording, or many on this machine or on a cluster."""

import argparse
import contextlib
import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_perception.bag.printing import say, warn, warn_of_remark
from emotion_perception.errors import BagError
from emotion_perception.files import check_outputs

# the libraries for recordings are imported where they are used
if TYPE_CHECKING:
    from emotion_perception.bag.batch import Job
    from emotion_perception.bag.process import ProcessingResult
    from emotion_perception.bag.table import Row


def run(args: argparse.Namespace) -> int:
    """Process one recording or many; return the exit code."""
    from emotion_perception.bag.reading import is_recording

    if args.table:
        import pyarrow.parquet  # noqa: F401

        if args.table.exists():
            raise BagError(f'{args.table} exists already; remove it or choose another name')
        check_outputs([args.table], args.sources)
    alone = len(args.sources) == 1 and is_recording(args.sources[0])
    return _process_one(args) if alone and not args.scheduler else _process_many(args, alone)


def _process_one(args: argparse.Namespace) -> int:
    from emotion_perception.bag.batch import find_recordings
    from emotion_perception.bag.process import process_bag
    from emotion_perception.bag.table import table_rows, write_table

    (source,) = args.sources
    result = process_bag(
        source,
        args.out,
        args.make_pipeline(args, True),
        args.topic,
        args.namespace,
        args.only_new,
        args.storage,
        args.compress,
    )
    _say_result(args.out, result)
    if args.table:
        (name,) = find_recordings(args.sources)
        write_table(table_rows(name, source, args.topic, args.out, args.namespace), args.table)
        say(str(args.table))
    return 0 if _warn_of_faults(source, result) else 1


def _say_result(out: Path, result: 'ProcessingResult') -> None:
    from emotion_perception.bag.message_types import printable

    say(
        f'{out}: {result.images} images of {printable(result.topic)}, {result.faces} faces '
        f'with {len(result.face_ids)} ids'
    )


def _warn_of_faults(source: Path, result: 'ProcessingResult', where: str = '') -> bool:
    """Print what could not be used, with `where` in front; return whether everything was."""
    from emotion_perception.bag.message_types import printable

    warn_of_remark(source, result.remark)
    for topic in result.not_copied:
        warn(f'{where}not copied, because its type is not known: {printable(topic)}')
    for topic, count in result.missing.items():
        warn(f'{source}: {count} messages of {printable(topic)} are missing in the file')
    if result.failed:
        kinds = ', '.join(f'{count} {kind}' for kind, count in result.failed.most_common())
        warn(
            f'{where}{result.failed.total()} of {result.images} images failed: {kinds}; '
            f'the first: {result.first_failure}'
        )
    return not (result.failed or result.missing or result.not_copied)


def _process_many(args: argparse.Namespace, alone: bool) -> int:
    """Process many recordings, or one `alone`, on this machine or on a cluster."""
    from tqdm import tqdm

    from emotion_perception.bag.batch import check_index, run_locally
    from emotion_perception.bag.table import write_table

    ready: contextlib.AbstractContextManager = contextlib.nullcontext(
        functools.partial(run_locally, processes=args.processes)
    )
    if args.scheduler:
        from emotion_perception.bag.cluster import connected

        ready = connected(args.scheduler, warn)
    jobs = _jobs(args, alone)
    rows: dict[str, list[Row]] = {}
    kept = used = 0
    bar = tqdm(total=len(jobs), unit='recording', desc='process', disable=None)
    try:
        with ready as run_all:
            if not alone:
                check_index(Path(os.path.abspath(args.out)), jobs)
            with contextlib.closing(run_all(jobs)) as outcomes, bar:
                for job, outcome in outcomes:
                    bar.update()
                    with tqdm.external_write_mode():
                        if outcome.failure:
                            warn(f'{job.name} failed: {outcome.failure}')
                            continue
                        rows[job.name] = outcome.rows
                        kept += outcome.result is None
                        if outcome.result:
                            _say_result(job.out, outcome.result)
                            used += _warn_of_faults(job.source, outcome.result, f'{job.name}: ')
    except KeyboardInterrupt:
        text = f'stopped; {len(rows)} of {len(jobs)} recordings are finished'
        print(f'{text}; start the same command again for the others', file=sys.stderr)
        return 130
    failed = len(jobs) - len(rows)
    say(
        f'{args.out}: {len(rows) - kept} recordings processed, {kept} were processed before, '
        f'{failed} failed'
    )
    if args.table and rows:
        write_table([row for name in sorted(rows) for row in rows[name]], args.table)
        missing = f', without the {failed} that failed' if failed else ''
        say(
            f'{args.table}: {sum(map(len, rows.values()))} rows of {len(rows)} recordings{missing}'
        )
    if not rows:
        return 2
    return 0 if used + kept == len(jobs) else 1


def _jobs(args: argparse.Namespace, alone: bool) -> 'list[Job]':
    """
    Return what is to be done.

    Raises:
        BagError: if there is no recording, or the results would not have places of their own.
        OSError: if an output is, or lies in, an input.

    """
    from emotion_perception.bag.batch import Job, ProcessingOptions, find_recordings

    recordings = find_recordings(args.sources)
    out = Path(os.path.abspath(args.out))
    places = {name: out if alone else out / name for name in recordings}
    if alone and out.exists():
        raise BagError(f'{args.out} exists already; remove it or choose another name')
    check_outputs(places.values(), [*args.sources, *recordings.values()], replace=True)
    pipeline = args.make_pipeline(args, True)
    arguments = args.pipeline_arguments(args, True)
    for name in ('model', 'detector_model'):
        if arguments[name]:
            arguments[name] = os.path.abspath(arguments[name])
    options = ProcessingOptions(
        arguments,
        pipeline.classifier.metadata.sha256,
        args.topic,
        args.namespace,
        args.only_new,
        args.storage,
        args.compress,
    )
    return [
        Job(name, source, places[name], options, bool(args.table))
        for name, source in recordings.items()
    ]
