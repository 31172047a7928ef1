# SPDX-License-Identifier: Apache-2.0
"""What parameters of the tracking change in clips of people, whose expressions nobody noted."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.detect_every import clips
from emotion_perception.emotions import UNCERTAIN
from emotion_perception.imaging.sources import open_source
from emotion_perception.pipeline import Pipeline
from emotion_perception.tracking import TrackingSettings

SETTINGS: dict[str, dict[str, Any]] = {
    'default': {},
    'adapt_to_person true': {'adapt_to_person': True},
    'sensitivity 1': {'sensitivity': 1.0},
    'uncertain_below 0.6': {'uncertain_below': 0.6},
}
"""Name -> changed fields of `TrackingSettings`; the first is what the others are compared with."""


def measure_clip_labels(
    media: Path | None, max_clips: int | None, report: Callable[[str], None]
) -> list[dict[str, Any]]:
    """
    Compare the labels of tracked faces in clips between settings.

    Args:
        media: folder of clips.
        max_clips: longest list of clips; None takes all.
        report: receives the name of each clip.

    Returns:
        A row for each of `SETTINGS`: ``faces`` in all images, the share that is ``uncertain``, how
        often a face's named label ``changes``, and of the faces that it and the first row name the
        share with an ``other_label``; none without clips.

    """
    sums: dict[str, Counter] = {name: Counter() for name in SETTINGS}
    for source in clips(media)[:max_clips]:
        report(f'clip_labels: {Path(source).name}')
        expected: dict[tuple[int, int], str] = {}
        for name, settings in SETTINGS.items():
            labels = _labels(source, TrackingSettings(**settings))
            expected = expected or labels
            by_face: dict[int, list[str]] = {}
            for (_, face_id), label in labels.items():
                by_face.setdefault(face_id, []).append(label)
            both = [key for key in labels if UNCERTAIN not in (labels[key], expected.get(key))]
            sums[name].update(
                faces=len(labels),
                uncertain=sum(label == UNCERTAIN for label in labels.values()),
                changes=sum(count_changes(of) for of in by_face.values()),
                both=len(both),
                other_label=sum(labels[key] != expected[key] for key in both),
            )
    return [
        {
            'setting': name,
            'faces': total['faces'],
            'uncertain': round(total['uncertain'] / total['faces'], 4),
            'changes': total['changes'],
            'other_label': round(total['other_label'] / max(total['both'], 1), 4),
        }
        for name, total in sums.items()
        if total['faces']
    ]


def count_changes(labels: list[str]) -> int:
    """Return how often one named expression follows another, whatever is uncertain between."""
    named = [label for label in labels if label != UNCERTAIN]
    return sum(one != other for one, other in pairwise(named))


def _labels(source: str, settings: TrackingSettings) -> dict[tuple[int, int], str]:
    """Return the label of each (image number, face_id) in a clip."""
    pipeline = Pipeline.default(settings=settings)
    clip = open_source(source, loop=False)
    labels: dict[tuple[int, int], str] = {}
    number = 0
    while (image := clip.read()) is not None:
        for face in pipeline.process(image, clip.time_s):
            labels[number, face.face_id] = face.label
        number += 1
    clip.close()
    return labels
