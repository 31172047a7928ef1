# SPDX-License-Identifier: Apache-2.0
"""The CPU time that `detect_every` saves over clips, and the faces that it misses."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from emotion_perception.errors import SourceError
from emotion_perception.imaging.sources import PORTRAIT, open_source
from emotion_perception.pipeline import Pipeline

EVERY = (2, 3, 6, 10)
_LONGEST_CLIP = 120
_SUFFIXES = ('.mp4', '.mkv', '.gif', '.avi', '.webm')


def clips(media: Path | None) -> list[str]:
    """Return the clips in a folder, by name."""
    return [str(p) for p in sorted(media.iterdir()) if p.suffix in _SUFFIXES] if media else []


def read_images(source: str) -> list[np.ndarray]:
    """Return the first images of a clip."""
    opened = open_source(source, loop=False)
    images: list[np.ndarray] = []
    while len(images) < _LONGEST_CLIP and (image := opened.read()) is not None:
        images.append(image)
    opened.close()
    return images


def _labels(images: list[np.ndarray], every: int) -> tuple[dict[tuple[int, int], str], float]:
    """Return the label of each (image number, face_id), and the CPU time in seconds."""
    pipeline = Pipeline.default(detect_every=every)
    started_s = time.process_time()
    faces = [pipeline.process(image, number / 30) for number, image in enumerate(images)]
    used_s = time.process_time() - started_s
    labels = {(number, face.face_id): face.label for number, of in enumerate(faces) for face in of}
    return labels, used_s


def measure_detect_every(
    media: Path | None, max_clips: int | None, report: Callable[[str], None]
) -> list[dict[str, Any]]:
    """
    Compare detection in every n-th image with detection in every image.

    Faces are compared by image and `face_id`: one that gets another id counts as missed and extra.

    Args:
        media: folder of clips, used besides the portrait.
        max_clips: longest list of clips; None takes all.
        report: receives the name of each clip.

    Returns:
        A row for each n: ``clips``, ``faces``, shares of them ``missed``, ``extra`` and with the
        ``same_label``, and ``cpu``, the CPU time as a share of that of detection in every image.

    """
    cv2.setNumThreads(1)
    sums: dict[int, Counter] = {every: Counter() for every in EVERY}
    for source in [PORTRAIT, *clips(media)][:max_clips]:
        report(f'detect_every: {Path(source).name}')
        try:
            images = read_images(source)
        except SourceError as error:
            report(f'{source} is left out: {error}')
            continue
        expected, expected_s = _labels(images, 1)
        for every, total in sums.items():
            labels, used_s = _labels(images, every)
            both = expected.keys() & labels.keys()
            total.update(
                clips=1,
                faces=len(expected),
                missed=len(expected) - len(both),
                extra=len(labels) - len(both),
                same_label=sum(expected[key] == labels[key] for key in both),
                cpu_us=round(used_s * 1e6),
                expected_us=round(expected_s * 1e6),
            )
    return [
        {
            'every': every,
            'clips': total['clips'],
            'faces': total['faces'],
            'missed': round(total['missed'] / total['faces'], 4),
            'extra': round(total['extra'] / total['faces'], 4),
            'same_label': round(total['same_label'] / (total['faces'] - total['missed']), 4),
            'cpu': round(total['cpu_us'] / total['expected_us'], 3),
        }
        for every, total in sums.items()
    ]
