# SPDX-License-Identifier: Apache-2.0
"""Process many recordings, each in a process of its own; each result has the bytes as alone."""

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import cv2

from emotion_perception.bag.process import ProcessingResult, process_bag
from emotion_perception.bag.reading import is_recording
from emotion_perception.bag.table import Row, table_rows
from emotion_perception.errors import BagError
from emotion_perception.files import OutputBusyError, whole_output
from emotion_perception.pipeline import Pipeline
from emotion_perception.runtime.quiet import without_library_notes

INDEX = 'recordings.json'
"""File beside the results: with which options they were made, and of which recordings."""

_MAX_WAIT_S = 300.0  # a file server holds the lock of a lost machine for some minutes


@dataclass(frozen=True)
class ProcessingOptions:
    """
    What is done with each recording; the same for all.

    Attributes:
        pipeline: arguments of `Pipeline.default`; paths must be absolute.
        model_sha256: of the classifier.
        topic: of the images, as for `process_bag`.
        namespace: of the new topics.
        only_new: do not copy the recordings' own messages.
        storage: one of `STORAGES`.
        compress: with zstd.

    """

    pipeline: dict[str, Any]
    model_sha256: str
    topic: str = ''
    namespace: str = ''
    only_new: bool = False
    storage: str = 'mcap'
    compress: bool = False


@dataclass(frozen=True)
class Job:
    """
    One recording to process.

    Attributes:
        name: of the recording in messages and in the table.
        source: the recording; an absolute path.
        out: folder of the result; an absolute path.
        options: what is done.
        with_rows: return the rows of the table too.

    """

    name: str
    source: Path
    out: Path
    options: ProcessingOptions
    with_rows: bool = False


@dataclass(frozen=True)
class Outcome:
    """
    What became of a recording.

    Attributes:
        result: its counts; None if it failed, or was processed before.
        rows: of the table, where they are wanted.
        failure: why there is no result; empty if there is one.

    """

    result: ProcessingResult | None = None
    rows: list[Row] = field(default_factory=list)
    failure: str = ''


def find_recordings(sources: Sequence[Path]) -> dict[str, Path]:
    """
    Return the recordings by the name of their results, sorted.

    Args:
        sources: recordings, which keep their name, and folders, in which recordings are searched
            at any depth and keep their path inside the folder.

    Raises:
        BagError: if a source does not exist, a folder holds none, or two have one name.
        OSError: if a folder cannot be read.

    """
    found: dict[str, Path] = {}
    real: set[Path] = set()
    for source in sources:
        given = Path(os.path.abspath(source))
        if not given.exists():
            raise BagError(f'there is no recording {source}')
        if given.name == 'metadata.yaml':
            given = given.parent
        if is_recording(given):
            inside = {given.name if given.is_dir() else given.stem: given}
        else:
            inside = {path.relative_to(given).as_posix(): path for path in _search(given)}
        if not inside:
            raise BagError(
                f'{source} is no recording: it has no .mcap or .db3 file, nor has a folder in it'
            )
        for name, path in inside.items():
            other = found.get(name, path)
            if other.resolve() != path.resolve():
                raise BagError(
                    f'{other} and {path} have one name, {name!r}; process them into two folders'
                )
            if path.resolve() not in real:
                found[name] = path
                real.add(path.resolve())
    for name in found:
        for parent in map(str, Path(name).parents):
            if parent in found:
                raise BagError(
                    f'the result of {found[name]} would lie in that of {found[parent]}; '
                    'process them into two folders'
                )
    return dict(sorted(found.items()))


def _search(folder: Path) -> Iterator[Path]:
    """Yield the recordings in a folder, without what an interrupted run left."""

    def fail(error: OSError) -> None:
        raise error

    for place, names, _ in os.walk(folder, onerror=fail):
        paths = [Path(place, name) for name in names if not name.endswith('.partial')]
        recordings = [path for path in paths if is_recording(path)]
        yield from recordings
        names[:] = [path.name for path in paths if path not in recordings]


def check_index(out: Path, jobs: Sequence[Job]) -> None:
    """
    Write down what the folder of the results holds; refuse results that are of something else.

    Args:
        out: the folder; may hold results of an earlier run, which are kept.
        jobs: with one set of options.

    Raises:
        BagError: if its results were made with other options or from other recordings.
        OSError: if it cannot be written.

    """
    options = json.loads(json.dumps(asdict(jobs[0].options)))
    del options['pipeline']['model']  # its hash counts, not its place
    sources = {job.name: [str(job.source), _size(job.source)] for job in jobs}
    known = {}
    if (out / INDEX).exists():
        try:
            index = json.loads((out / INDEX).read_text(encoding='utf-8'))
            before, known = index['options'], dict(index['recordings'])
        except (ValueError, KeyError, TypeError):
            raise BagError(f'{out / INDEX} is damaged; choose another folder') from None
        if before != options:
            raise BagError(
                f'{out} holds results of other options or another model; choose another folder'
            )
    for job in jobs:
        if job.out.exists() and known.get(job.name) != sources[job.name]:
            raise BagError(
                f'{job.out} exists already and is not the result of {job.source} as it is now; '
                'remove it, or choose another folder'
            )
    text = json.dumps({'options': options, 'recordings': known | sources}, indent=1)
    with whole_output(out / INDEX, INDEX, replace=True) as partial:
        partial.write_text(text, encoding='utf-8')


def _size(recording: Path) -> int:
    """Return the bytes of a recording's files."""
    files = recording.iterdir() if recording.is_dir() else [recording]
    return sum(file.stat().st_size for file in files if file.is_file())


def process_recording(job: Job) -> Outcome:
    """
    Process one recording, unless its result exists; a failure is in the outcome.

    A result is whole: what exists was finished, perhaps by a worker that was lost before it could
    say so.
    """
    try:
        result = None if job.out.exists() else _process(job)
        rows = []
        if job.with_rows:
            options = job.options
            rows = table_rows(job.name, job.source, options.topic, job.out, options.namespace)
        return Outcome(result, rows)
    except (BagError, OSError) as error:
        return Outcome(failure=str(error))
    except Exception as error:
        # one recording must not end the run of all others
        return Outcome(failure=f'{type(error).__name__}: {error}')


def _process(job: Job) -> ProcessingResult | None:
    """Process a recording; return None if another process finished it meanwhile."""
    options = job.options
    with without_library_notes():
        pipeline = Pipeline.default(**options.pipeline)
    if pipeline.classifier.metadata.sha256 != options.model_sha256:
        raise BagError('the model is not the same here; install the same version everywhere')
    deadline_s = time.monotonic() + _MAX_WAIT_S
    while True:
        try:
            return process_bag(
                job.source,
                job.out,
                pipeline,
                options.topic,
                options.namespace,
                options.only_new,
                options.storage,
                options.compress,
                progress=False,
            )
        except BagError as error:
            if job.out.exists():
                return None
            busy = isinstance(error.__cause__, OutputBusyError)
            if not busy or time.monotonic() > deadline_s:
                raise
        time.sleep(1.0)


def run_locally(jobs: Sequence[Job], processes: int) -> Generator[tuple[Job, Outcome], None, None]:
    """
    Yield each recording and its outcome as soon as it is finished.

    Closing the generator ends the processes; each removes what it has not finished.

    Args:
        jobs: the recordings.
        processes: so many are processed at once.

    """
    context = multiprocessing.get_context('spawn')
    waiting = list(reversed(jobs))
    running: dict[Connection, tuple[Job, SpawnProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                job = waiting.pop()
                reader, writer = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(job, writer))
                # Ctrl-C reaches all processes of a terminal: these are to be ended by this one
                mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
                try:
                    process.start()
                    running[reader] = job, process
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                writer.close()
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                job, process = running[ready]
                try:
                    outcome = ready.recv()
                except EOFError:
                    process.join()
                    reason = f'its process ended with exit code {process.exitcode}'
                    advice = '; too little memory?' if process.exitcode == -signal.SIGKILL else ''
                    outcome = Outcome(failure=reason + advice)
                process.join()
                ready.close()
                del running[ready]
                yield job, outcome
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            process.join()


def _work(job: Job, writer: Connection) -> None:
    """Process one recording in a process of its own and send the outcome."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # removes what is not finished
    cv2.setNumThreads(1)  # the other cores have recordings of their own
    outcome = process_recording(job)
    with suppress(BrokenPipeError):  # the run was killed
        writer.send(outcome)
