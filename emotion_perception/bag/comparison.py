# SPDX-License-Identifier: Apache-2.0
"""Summarize the emotions in a recording, and compare two summaries."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from emotion_perception.bag.message_types import MessageTypes, emotion_topics
from emotion_perception.bag.reading import open_bag
from emotion_perception.bag.results import ImageResult, face_timelines, read_results
from emotion_perception.errors import BagError

Row = tuple[str, str, str]


def summarize(results: Iterable[ImageResult]) -> dict[str, Any]:
    """Return the number of images and faces, and the labels of each face with their times."""
    results = list(results)
    return {
        'images': len(results),
        'images_with_faces': sum(bool(result.faces) for result in results),
        'faces': [
            {
                'id': timeline.face_id,
                'images': timeline.images,
                'labels': [
                    [segment.label, round(segment.start_s, 2), round(segment.end_s, 2)]
                    for segment in timeline.segments
                ],
            }
            for timeline in face_timelines(results)
        ],
    }


def read_summary(path: Path, namespace: str = '') -> dict[str, Any]:
    """
    Return the summary of a recording, or the one in a json file.

    Raises:
        BagError: if `path` is neither.

    """
    if path.suffix == '.json':
        try:
            summary = json.loads(path.read_text(encoding='utf-8'))
            _ = summary['images'], summary['images_with_faces'], summary['faces'][:]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BagError(f'{path} is not the summary of a recording: {error}') from None
        return summary
    with open_bag(path) as bag:
        return summarize(read_results(bag, emotion_topics(namespace)[1], MessageTypes()))


def differences(
    expected: dict[str, Any], found: dict[str, Any], images: int = 0, seconds: float = 0.0
) -> list[Row]:
    """
    Return the differences between two summaries: quantity, expected value, found value.

    Args:
        expected: one summary.
        found: the other.
        images: largest difference of counts that is ignored.
        seconds: largest difference of times that is ignored; shorter labels are ignored too.

    """
    rows: list[Row] = [
        (name.replace('_', ' '), str(expected[name]), str(found[name]))
        for name in ('images', 'images_with_faces')
        if abs(expected[name] - found[name]) > images
    ]
    old, new = ({face['id']: face for face in one['faces']} for one in (expected, found))
    for face_id in sorted(old.keys() | new.keys()):
        name = f'face {face_id}'
        if face_id not in new or face_id not in old:
            rows.append((name, _face_text(old.get(face_id)), _face_text(new.get(face_id))))
            continue
        a, b = old[face_id], new[face_id]
        if abs(a['images'] - b['images']) > images:
            rows.append((f'{name}: images', str(a['images']), str(b['images'])))
        if not _same_labels(a['labels'], b['labels'], seconds):
            rows.append((f'{name}: labels', _labels_text(a['labels']), _labels_text(b['labels'])))
    return rows


def _same_labels(old: list, new: list, seconds: float) -> bool:
    old, new = ([row for row in rows if row[2] - row[1] >= seconds] for rows in (old, new))
    return len(old) == len(new) and all(
        a[0] == b[0] and abs(a[1] - b[1]) <= seconds and abs(a[2] - b[2]) <= seconds
        for a, b in zip(old, new, strict=True)
    )


def _face_text(face: dict[str, Any] | None) -> str:
    return f'{face["images"]} images: {_labels_text(face["labels"])}' if face else 'no such face'


def _labels_text(labels: list) -> str:
    return ', '.join(f'{label} {start:g}-{end:g} s' for label, start, end in labels)


def table(rows: list[Row], headings: tuple[str, str] = ('expected', 'found')) -> str:
    """Return the differences as text, two lines each."""
    width = max((len(row[0]) for row in rows), default=0)
    side = max(len(heading) for heading in headings)
    lines = []
    for name, old, new in rows:
        lines.append(f'{name:<{width}}  {headings[0]:<{side}}  {old}')
        lines.append(f'{"":<{width}}  {headings[1]:<{side}}  {new}')
    return '\n'.join(lines)
