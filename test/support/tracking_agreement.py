# SPDX-License-Identifier: Apache-2.0
"""How far two runs of a pipeline over the same images agree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from emotion_perception.pipeline import Pipeline
from emotion_perception.types import Box, FaceEmotion

SAME_FACE = 0.4
"""Two boxes of one image show the same face from this intersection over union on."""


Run = list[list[FaceEmotion]]
"""The faces of each image of a clip."""


@dataclass(frozen=True)
class Agreement:
    """
    Faces of a run compared with those of another, the reference.

    Attributes:
        faces: of the reference, over all images.
        missed: share of them that the run lacks, 0..1; NaN without faces.
        extra: faces of the run that the reference lacks, as a share of `faces`.
        same_label: share of the faces in both that have the same label.
        same_id: share of the faces in both that have the same id.
        box_p50: distance of the boxes' edges as a share of the face's width, median.
        box_p99: 99th percentile of that.

    """

    faces: int
    missed: float
    extra: float
    same_label: float
    same_id: float
    box_p50: float
    box_p99: float


def run(pipeline: Pipeline, images: Iterable[np.ndarray], rate_hz: float = 30.0) -> Run:
    """Process the images of a clip, BGR uint8 [H, W, 3] each, stamped at `rate_hz`."""
    return [pipeline.process(image, index / rate_hz) for index, image in enumerate(images)]


def compare(reference: Run, other: Run) -> Agreement:
    """Return how `other` differs from `reference`, a run over the same images."""
    pairs, missed, extra = [], 0, 0
    for first, second in zip(reference, other, strict=True):
        matched = _pairs(first, second)
        pairs += matched
        missed += len(first) - len(matched)
        extra += len(second) - len(matched)
    faces = missed + len(pairs)
    apart = [
        np.abs(np.subtract(_edges(a.box), _edges(b.box))).max() / a.box.width for a, b in pairs
    ]
    p50, p99 = np.percentile(apart, (50, 99)) if apart else (np.nan, np.nan)
    return Agreement(
        faces=faces,
        missed=missed / faces if faces else np.nan,
        extra=extra / faces if faces else np.nan,
        same_label=_share([a.label == b.label for a, b in pairs]),
        same_id=_share([a.face_id == b.face_id for a, b in pairs]),
        box_p50=float(p50),
        box_p99=float(p99),
    )


def _pairs(
    first: Sequence[FaceEmotion], second: Sequence[FaceEmotion]
) -> list[tuple[FaceEmotion, FaceEmotion]]:
    """Return the faces that both have, each once, largest overlap first."""
    candidates = sorted(
        (
            (_overlap(a.box, b.box), i, j)
            for i, a in enumerate(first)
            for j, b in enumerate(second)
        ),
        reverse=True,
    )
    pairs, used = [], (set[int](), set[int]())
    for overlap, i, j in candidates:
        if overlap >= SAME_FACE and i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
            pairs.append((first[i], second[j]))
    return pairs


def _edges(box: Box) -> tuple[int, int, int, int]:
    return box.x, box.y, box.x + box.width, box.y + box.height


def _overlap(a: Box, b: Box) -> float:
    wide = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    high = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    shared = max(wide, 0) * max(high, 0)
    return shared / (a.area + b.area - shared)


def _share(values: list[bool]) -> float:
    return float(np.mean(values)) if values else np.nan
