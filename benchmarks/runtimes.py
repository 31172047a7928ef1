# SPDX-License-Identifier: Apache-2.0
"""LiteRT and OpenCV as runtimes of the networks: time, and how far their answers differ."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np

from benchmarks.face_images import moving_faces
from benchmarks.networks import network_paths
from benchmarks.stages import on_cores
from benchmarks.timing import percentiles_ms, time_in_turn, timed
from emotion_perception.classification import DEFAULT_MODEL, EmotionClassifier
from emotion_perception.detection.keyframes import DETECT_EVERY
from emotion_perception.imaging.codecs import read_image
from emotion_perception.pipeline import Pipeline
from emotion_perception.runtime.litert import read_model
from emotion_perception.runtime.network import RUNTIME_VARIABLE, RUNTIMES, open_network

_SIZE = 640, 480
_RATE_HZ = 30


def measure_runtimes(calls: int, crops: Path | None, most: int) -> dict[str, Any]:
    """
    Measure both runtimes in turn on one core.

    Args:
        calls: of each.
        crops: folder with a folder of face crops for each label, on which the probabilities are
            compared; None leaves that out.
        most: number of crops that are used.

    Returns:
        ``times``: rows with ``what`` and the percentiles in ms of each runtime; ``differences``:
        of the largest difference of a probability of each crop.

    """
    makers = {path.stem: partial(_network, path) for path in network_paths()}
    for every in (1, DETECT_EVERY):
        name = f'640x480, one tracked face, detect_every {every}'
        makers[name] = partial(_pipeline, every)
    with on_cores(1):
        times = [_measure(name, make, calls) for name, make in makers.items()]
    return {'times': times, 'differences': _differences(crops, most) if crops else {}}


@contextmanager
def chosen_runtime(name: str) -> Iterator[None]:
    """Let networks that are opened in the block run in a runtime."""
    with patch.dict(os.environ, {RUNTIME_VARIABLE: name}):
        yield


def _measure(what: str, make: Callable[[], Callable[[int], Any]], calls: int) -> dict[str, Any]:
    functions = {}
    for name in RUNTIMES:
        with chosen_runtime(name):
            functions[name] = timed(make())
    measured = time_in_turn(functions, calls, rounds=1)
    return {'what': what} | {name: percentiles_ms(times[0]) for name, times in measured.items()}


def _network(path: Path) -> Callable[[int], Any]:
    network = open_network(read_model(path), str(path))
    high = 255 if path == DEFAULT_MODEL else 1
    values = np.random.default_rng(0).uniform(0, high, network.input_shape).astype(np.float32)
    return lambda _: network(values)


def _pipeline(every: int) -> Callable[[int], Any]:
    pipeline, images = Pipeline.default(detect_every=every), moving_faces(_SIZE, 1)
    stamps = (frame / _RATE_HZ for frame in itertools.count())
    return lambda index: pipeline.process(images[index % len(images)], next(stamps))


def _differences(folder: Path, most: int) -> dict[str, float]:
    paths = sorted(folder.glob('*/*.png'))
    chosen = np.random.default_rng(0).permutation(len(paths))[:most]
    crops = [cv2.cvtColor(read_image(paths[index]), cv2.COLOR_BGR2GRAY) for index in chosen]
    answers = []
    for name in RUNTIMES:
        with chosen_runtime(name):
            classifier = EmotionClassifier.load()
        answers.append(np.concatenate([classifier.classify(crop[None]) for crop in crops]))
    largest = np.abs(answers[0] - answers[1]).max(axis=1)
    return {
        'faces': len(crops),
        'p50': round(float(np.median(largest)), 4),
        'p99': round(float(np.percentile(largest, 99)), 4),
        'max': round(float(largest.max()), 4),
        'above_0.02': round(float((largest > 0.02).mean()), 4),
        'other_label': round(float((answers[0].argmax(1) != answers[1].argmax(1)).mean()), 4),
    }
