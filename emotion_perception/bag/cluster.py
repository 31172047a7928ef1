# SPDX-License-Identifier: Apache-2.0
"""Process many recordings on the workers of a Dask cluster, which share the file system."""

import hashlib
import logging
import pickle
import platform
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from distributed import Client, Future, KilledWorker, as_completed

import emotion_perception
from emotion_perception.bag.batch import Job, Outcome, process_recording
from emotion_perception.errors import BagError
from emotion_perception.runtime.network import choose_runtime

CONNECT_TIMEOUT_S = 10.0
"""For the answer of a scheduler."""


class _Call:
    """
    A function and its argument; unpickling it gives the function's result.

    Workers call `pickle.loads`: so the scheduler needs nothing of this package, and a worker
    without it fails with an error in place of waiting for ever.
    """

    def __init__(self, function: Callable, *arguments: Any):
        self._call = function, arguments

    def __reduce__(self) -> tuple[Callable, tuple]:
        return self._call


def software() -> dict[str, str]:
    """Return the versions on which the bytes of a result depend."""
    folder = Path(emotion_perception.__file__).parent
    code = hashlib.sha256()
    for path in sorted(folder.rglob('*.py')):
        code.update(path.read_bytes())
    return {
        'emotion_perception': code.hexdigest()[:12],
        'python': platform.python_version(),
        'numpy': np.__version__,
        'opencv': cv2.__version__,
        'litert': version('ai-edge-litert') if choose_runtime() == 'LiteRT' else 'none',
        'rosbags': version('rosbags'),
    }


def _differences(found: dict[str, str], expected: dict[str, str]) -> str:
    return ', '.join(
        f'{name} {found.get(name)} in place of {value}'
        for name, value in expected.items()
        if found.get(name) != value
    )


def _process_on_worker(job: Job, expected: dict[str, str]) -> Outcome:
    different = _differences(software(), expected)
    if different:  # a worker that joined after the check
        return Outcome(failure=f'a worker has {different}; install the same versions on each')
    return process_recording(job)


@contextmanager
def connected(
    address: str, note: Callable[[str], None]
) -> Iterator[Callable[[Sequence[Job]], Generator[tuple[Job, Outcome], None, None]]]:
    """
    Yield a function that processes recordings on a cluster, as `batch.run_locally` does here.

    What a lost worker had begun is begun again by another. Closing the generator cancels what has
    not begun; what a worker has begun it finishes.

    Args:
        address: of the scheduler.
        note: prints a line for the user.

    Raises:
        BagError: if no scheduler answers, or a worker has other software.

    """
    # it warns of each outcome that was lost with its worker, and gets it again
    logging.getLogger('distributed.client').setLevel(logging.ERROR)
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise BagError(
            f'no Dask scheduler answers at {address!r}: {error}; start one with `dask scheduler`'
        ) from None
    with client:
        expected = software()
        if not _check_workers(client, expected):
            note(f'note: {address} has no workers yet; start some with `dask worker {address}`')
        yield partial(_run, client, expected)


def _run(
    client: Client, expected: dict[str, str], jobs: Sequence[Job]
) -> Generator[tuple[Job, Outcome], None, None]:
    futures = {
        client.submit(
            pickle.loads,
            pickle.dumps(_Call(_process_on_worker, job, expected)),
            key=f'{job.name} {uuid.uuid4().hex}',
        ): job
        for job in jobs
    }
    try:
        for future in as_completed(list(futures), loop=client.loop):
            yield futures.pop(future), _outcome(future)
    finally:
        client.cancel(list(futures))


def _check_workers(client: Client, expected: dict[str, str]) -> int:
    """Refuse workers that would give other results, or none; return the number of workers."""
    answers = client.run(pickle.loads, pickle.dumps(_Call(software)), on_error='return')
    for worker, found in answers.items():
        if isinstance(found, Exception):
            raise BagError(
                f'the worker {worker} cannot run emotion_perception: {found}; install it there '
                'as here, and source emotion_msgs before the worker is started'
            )
        different = _differences(found, expected)
        if different:
            raise BagError(
                f'the worker {worker} has {different}; install the same versions on each'
            )
    return len(answers)


def _outcome(future: Future) -> Outcome:
    if future.status == 'finished':
        return future.result()
    if future.status != 'error':
        raise BagError(
            'the scheduler was lost; start the same command again, what is finished is kept'
        )
    error = future.exception()
    if isinstance(error, KilledWorker):
        return Outcome(failure='its worker was lost again and again; too little memory?')
    return Outcome(failure=f'{type(error).__name__}: {error}')
