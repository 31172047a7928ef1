# SPDX-License-Identifier: Apache-2.0
"""The same frames, in turn, through this package, fer and DeepFace."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.timing import slowdown, summarize_rounds, time_in_turn
from emotion_perception.imaging.sources import open_source

HERE = Path(__file__).parent
PEER_PYTHON = HERE.parent / '.venv-peers' / 'bin' / 'python'
NODE, EACH_IMAGE = OWN = ('node', 'each-image')
"""This package with the node's `detect_every`, and with detection in every image."""


class PeerError(RuntimeError):
    """A package that cannot be measured here; the message says why."""


class Peer:
    """
    A package in a process of its own.

    Attributes:
        version: of the package.
        faces: numbers of faces that it found in an image.

    """

    def __init__(self, package: str, python: str | Path, folder: Path):
        """
        Start it and wait until its networks are loaded.

        Args:
            package: a key of `peer_worker.PACKAGES`.
            python: interpreter of its environment.
            folder: of the frames.

        Raises:
            PeerError: if it ends early.

        """
        self._package = package
        self._errors = folder / f'{package}.log'
        with self._errors.open('w') as errors:
            self._process = subprocess.Popen(
                [str(python), str(HERE / 'peer_worker.py'), package, str(folder)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip
        self.version = self._read()['version']
        self.faces: set[int] = set()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if line.startswith('{'):
                return json.loads(line)
        lines = self._errors.read_text().strip().splitlines() or ['it ended']
        raise PeerError(f'{self._package}: {lines[-1]}')

    def __call__(self, index: int) -> float:
        """Process a frame and return the seconds it took."""
        assert self._process.stdin is not None
        print(index, file=self._process.stdin, flush=True)
        result = self._read()
        self.faces.add(result['faces'])
        return result['seconds']

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


def write_frames(folder: Path, count: int = 30) -> None:
    """Write 640x480 frames of the camera node's portrait as 00.png, 01.png and so on."""
    source = open_source()
    for number in range(count):
        image = source.read()
        assert image is not None
        cv2.imwrite(str(folder / f'{number:02}.png'), image)


def measure_peers(
    yunet: Path | None, calls: int, rounds: int, report: Callable[[str], None]
) -> dict[str, Any]:
    """
    Time the same VGA frames in each package, on all cores of this process.

    Args:
        yunet: YuNet's file, which DeepFace needs.
        calls: frames in a round.
        rounds: number of rounds.
        report: receives a line for each package that is left out.

    Returns:
        By package its times in ms, ``version``, ``faces`` and, for others, ``times_slower`` than
        this package: the ratio of means, because the node does not do the same for each frame.

    """
    with tempfile.TemporaryDirectory(prefix='peers-') as name:
        folder = Path(name)
        write_frames(folder)
        pythons: dict[str, str | Path] = dict.fromkeys(OWN, sys.executable)
        if not PEER_PYTHON.exists():
            report(f'fer and deepface are left out: {PEER_PYTHON} is missing; run make bench')
        else:
            pythons['fer'] = PEER_PYTHON
            if yunet:
                (folder / 'yunet.onnx').symlink_to(yunet.resolve())
                pythons['deepface'] = PEER_PYTHON
            else:
                report('deepface is left out: it needs --yunet face_detection_yunet_2023mar.onnx')
        peers: dict[str, Peer] = {}
        try:
            for package, python in pythons.items():
                try:
                    peers[package] = Peer(package, python, folder)
                except PeerError as error:
                    report(f'{package} is left out: {error}')
            times = time_in_turn(peers, calls, rounds)
        finally:
            for peer in peers.values():
                peer.stop()
    rows: dict[str, Any] = {}
    for package, peer in peers.items():
        rows[package] = summarize_rounds(times[package])
        rows[package] |= {'version': peer.version, 'faces': sorted(peer.faces)}
        if package not in OWN:
            rows[package]['times_slower'] = {
                own: slowdown(times[package], times[own], np.mean) for own in OWN
            }
    return rows
