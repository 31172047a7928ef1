"""The same frames, in turn, through this package and through what people use instead."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from benchmarks.figures import interleaved, of_rounds, ratio
from emotion_perception.imaging.sources import open_source

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parent / '.venv-peers'
OURS, EACH = 'node', 'each-image'
"""This package as the node runs it, and searching every image for faces."""


class PeerError(RuntimeError):
    """A peer that cannot be measured here; the message says why."""


class Worker:
    """A package in a process of its own that answers the number of a frame with seconds and faces."""

    def __init__(
        self,
        package: str,
        python: Path,
        folder: Path,
        variables: dict[str, str] | None = None,
        name: str = '',
    ):
        """
        Start it and wait until it has loaded its networks.

        Args:
            package: which one.
            python: the interpreter of its environment.
            folder: of the frames.
            variables: of the environment, besides those of this process.
            name: of the worker; the package's by default.

        Raises:
            PeerError: if it ends at once.

        """
        self.name = name or package
        self._errors = folder / f'{self.name}.log'
        with self._errors.open('w') as errors:
            self._process = subprocess.Popen(
                [str(python), str(HERE / 'peer_worker.py'), package, str(folder)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                env=os.environ | (variables or {}),
            )  # fmt: skip
        self.ready = self._answer()
        self.faces: set[int] = set()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith('{'):
                return json.loads(line)
        lines = self._errors.read_text().strip().splitlines() or ['it ended']
        raise PeerError(f'{self.name}: {lines[-1]}')

    def __call__(self, index: int) -> float:
        """Return the seconds that the frame took."""
        assert self._process.stdin is not None
        print(index, file=self._process.stdin, flush=True)
        told = self._answer()
        self.faces.add(told['faces'])
        return told['seconds']

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


def write_frames(folder: Path, count: int = 30) -> None:
    """Write frames of the demonstration's camera, 640x480, as 00.png and so on: one face before a background."""
    source = open_source()
    for number in range(count):
        image = source.read()
        assert image is not None, 'a still never ends'
        cv2.imwrite(str(folder / f'{number:02}.png'), image)


def measure(
    yunet: Path | None, calls: int, rounds: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """
    Time the portrait, VGA, through each package, frame by frame in turn, on all cores of this process.

    Args:
        yunet: YuNet's file, which DeepFace needs.
        calls: frames in a round.
        rounds: number of rounds.
        say: is told what is left out.

    Returns:
        For each package its figures and, but for this one, how many times slower it is.

    """
    python = ENVIRONMENT / 'bin' / 'python'
    with tempfile.TemporaryDirectory(prefix='peers-') as place:
        folder = Path(place)
        write_frames(folder)
        if yunet:
            (folder / 'yunet.onnx').symlink_to(yunet.resolve())
        wanted = {OURS: Path(sys.executable), EACH: Path(sys.executable)}
        if python.exists():
            wanted['fer'] = python
            if yunet:
                wanted['deepface'] = python
            else:
                say('deepface is left out: it needs --yunet face_detection_yunet_2023mar.onnx')
        else:
            say(f'fer and deepface are left out: {ENVIRONMENT} is missing (make bench makes it)')
        workers = {}
        for name, interpreter in wanted.items():
            try:
                workers[name] = Worker(name, interpreter, folder)
            except PeerError as error:
                say(f'{name} is left out: {error}')
        try:
            times = interleaved(dict(workers), calls, rounds)
        finally:
            for worker in workers.values():
                worker.stop()
    return {
        name: of_rounds(times[name])
        | {'version': worker.ready['version'], 'faces': sorted(worker.faces)}
        | (
            {}
            if name in (OURS, EACH)
            else {'times_slower': {ours: ratio(times[name], times[ours]) for ours in (OURS, EACH)}}
        )
        for name, worker in workers.items()
    }
