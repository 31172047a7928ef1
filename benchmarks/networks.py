# SPDX-License-Identifier: Apache-2.0
"""The yardstick for times, and how many multiplications each network takes."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.timing import percentiles_ms, slowdown, summarize_rounds, time_in_turn, timed
from emotion_perception.classification import DEFAULT_MODEL
from emotion_perception.detection.blazeface import find_networks
from emotion_perception.runtime.litert import Network, read_model
from emotion_perception.runtime.tflite_file import multiplications, read_graph

YARDSTICK_NETWORK = 'face_detection_short_range.tflite'
_JOB_CALLS = 4


def make_yardstick(threads: int = 1) -> Callable[[int], float]:
    """
    Return a function that runs the short-range face network once and returns the seconds it took.

    It takes 31 million multiplications. Times in yardsticks can be compared between processors.
    """
    return _network_runner(find_networks() / YARDSTICK_NETWORK, threads)


def _network_runner(path: Path, threads: int = 1) -> Callable[[int], float]:
    """Return a function that runs a network once and returns the seconds it took."""
    network = Network(read_model(path), str(path), threads)
    values = np.random.default_rng(0).uniform(-1, 1, network.input_shape).astype(np.float32)
    return timed(lambda _: network(values))


def measure_fixed_job(run_s: float) -> dict[str, float]:
    """
    Return ``p50``, ``p95`` and ``p99`` of a job that is always the same, at 30 Hz, in ms.

    It is `_JOB_CALLS` calls of the yardstick, about as much as the node does for an image. So
    the difference of its p99 and its p50 is time that something else on the machine took.
    """
    yardstick = make_yardstick()
    times_s = []
    for call in range(round(run_s * 30)):
        started_s = time.perf_counter()
        for _ in range(_JOB_CALLS):
            yardstick(call)
        times_s.append(time.perf_counter() - started_s)
        time.sleep(max(1 / 30 - times_s[-1], 0))
    return percentiles_ms(times_s)


def measure_models(paths: Sequence[Path] | None, calls: int, rounds: int) -> list[dict[str, Any]]:
    """
    Measure one face in classifiers on one thread, in turn with the yardstick.

    Args:
        paths: .tflite files; None for the packaged one.
        calls: in a round.
        rounds: of each.

    Returns:
        A row for each: ``file``, ``multiplications``, percentiles in ms, and ``yardsticks`` with
        ``median``, ``low`` and ``high`` of the rounds.

    """
    runners = {'yardstick': make_yardstick()}
    files = {str(path): path for path in paths or [DEFAULT_MODEL]}
    runners |= {name: _network_runner(path) for name, path in files.items()}
    times = time_in_turn(runners, calls, rounds)
    return [
        {
            'file': '/'.join(path.parts[-2:]),
            'multiplications': _count(path),
            **summarize_rounds(times[name]),
            'yardsticks': slowdown(times[name], times['yardstick']),
        }
        for name, path in files.items()
    ]


def network_paths() -> list[Path]:
    """Return the files of the networks that the node uses by default."""
    folder = find_networks()
    names = (
        'face_detection_full_range_sparse.tflite',
        YARDSTICK_NETWORK,
        'face_landmark.tflite',
        'iris_landmark.tflite',
    )
    return [*(folder / name for name in names), DEFAULT_MODEL]


def network_sizes() -> dict[str, int]:
    """Return the multiplications of one run of each network that the node uses by default."""
    return {path.stem: _count(path) for path in network_paths()}


def _count(path: Path) -> int:
    return multiplications(read_graph(read_model(path)))
