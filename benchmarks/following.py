"""What `detect_every` saves in processor time, and what it costs in accuracy, over clips."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.agreement import compare, run
from emotion_perception.errors import SourceError
from emotion_perception.imaging.sources import open_source
from emotion_perception.pipeline import Pipeline

_LONGEST = 120
_SUFFIXES = ('.mp4', '.mkv', '.gif', '.avi', '.webm')
EVERY = (2, 3, 5, 10)


def _images(source: str) -> list[np.ndarray]:
    opened = open_source(source, loop=False)
    images: list[np.ndarray] = []
    while len(images) < _LONGEST and (image := opened.read()) is not None:
        images.append(image)
    opened.close()
    return images


def measure(
    media: Path | None, clips: int | None, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """
    Compare detection in every n-th image with detection in every image.

    Args:
        media: folder of clips; the portrait is always used.
        clips: use so many clips at most.
        say: is told which clip is measured.

    Returns:
        A row for each n over all clips: shares of the faces, and processor time as a share.

    """
    cv2.setNumThreads(1)
    found = sorted(p for p in media.iterdir() if p.suffix in _SUFFIXES) if media else []
    sums: dict[int, dict[str, float]] = {n: dict.fromkeys(('faces', 'missed', 'extra', 'id', 'label', 'cpu', 'of'), 0.0) for n in EVERY}  # fmt: skip
    boxes: dict[int, list[float]] = {n: [] for n in EVERY}
    used = []
    for source in ['portrait', *map(str, found)][:clips]:
        say(f'following: {Path(source).name}')
        try:
            images = _images(source)
        except SourceError as error:
            say(f'{source} is left out: {error}')
            continue
        used.append(Path(source).name)
        reference = run(Pipeline.default(), images)
        for n, total in sums.items():
            other = run(Pipeline.default(detect_every=n), images)
            agreed = compare(reference, other)
            total['cpu'] += other.cpu_s
            total['of'] += reference.cpu_s
            if agreed.faces:
                both = agreed.faces * (1 - agreed.missed)
                total['faces'] += agreed.faces
                total['missed'] += agreed.missed * agreed.faces
                total['extra'] += agreed.extra * agreed.faces
                total['id'] += agreed.same_id * both if both else 0
                total['label'] += agreed.same_label * both if both else 0
                boxes[n].append(agreed.box_p50)
    return [
        {
            'every': n,
            'clips': len(used),
            'faces': round(total['faces']),
            'missed': round(total['missed'] / total['faces'], 4),
            'extra': round(total['extra'] / total['faces'], 4),
            'same_id': round(total['id'] / (total['faces'] - total['missed']), 4),
            'same_label': round(total['label'] / (total['faces'] - total['missed']), 4),
            'box_p50': round(float(np.median(boxes[n])), 4),
            'cpu': round(total['cpu'] / total['of'], 3),
        }
        for n, total in sums.items()
    ]
