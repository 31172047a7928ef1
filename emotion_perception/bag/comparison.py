"""What one recording says in short, and where another says something else."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from emotion_perception.bag.message_types import MessageTypes, emotion_topics
from emotion_perception.bag.reading import open_bag
from emotion_perception.bag.results import Answer, Story, read_answers, stories
from emotion_perception.errors import BagError

Row = tuple[str, str, str]


def summarize(answers: Iterable[Answer]) -> dict[str, Any]:
    """Return counts of images and faces, and when each face showed what, fit for json."""
    answers = list(answers)
    return {
        'images': len(answers),
        'images_with_faces': sum(bool(answer.faces) for answer in answers),
        'faces': [_short(story) for story in stories(answers)],
    }


def _short(story: Story) -> dict[str, Any]:
    return {
        'id': story.face_id,
        'images': story.frames,
        'labels': [
            [segment.label, round(segment.start_s, 2), round(segment.end_s, 2)]
            for segment in story.segments
        ],
    }


def read_summary(path: Path, namespace: str = '') -> dict[str, Any]:
    """
    Return the summary of a recording, or the one in a json file.

    Raises:
        BagError: if it is neither.

    """
    if path.suffix == '.json':
        try:
            summary = json.loads(path.read_text(encoding='utf-8'))
            _ = summary['images'], summary['images_with_faces'], summary['faces'][:]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BagError(f'{path} is no summary of a recording: {error}') from None
        return summary
    with open_bag(path) as bag:
        return summarize(read_answers(bag, emotion_topics(namespace)[1], MessageTypes()))


def differences(
    expected: dict[str, Any], found: dict[str, Any], images: int = 0, seconds: float = 0.0
) -> list[Row]:
    """
    Return what differs between two summaries: what, expected, found.

    Args:
        expected: one summary.
        found: the other.
        images: counts may differ by so many.
        seconds: times may differ by so much; a label shorter than this may come or go.

    """
    rows: list[Row] = [
        (what.replace('_', ' '), str(expected[what]), str(found[what]))
        for what in ('images', 'images_with_faces')
        if abs(expected[what] - found[what]) > images
    ]
    old, new = ({face['id']: face for face in one['faces']} for one in (expected, found))
    for face_id in sorted(old.keys() | new.keys()):
        name = f'face {face_id}'
        if face_id not in new or face_id not in old:
            rows.append((name, _told(old.get(face_id)), _told(new.get(face_id))))
            continue
        was, is_ = old[face_id], new[face_id]
        if abs(was['images'] - is_['images']) > images:
            rows.append((f'{name}: images', str(was['images']), str(is_['images'])))
        if not _same_labels(was['labels'], is_['labels'], seconds):
            rows.append((f'{name}: labels', _spelled(was['labels']), _spelled(is_['labels'])))
    return rows


def _same_labels(old: list, new: list, seconds: float) -> bool:
    long = (
        [[s for s in one if s[2] - s[1] >= seconds] for one in (old, new)]
        if seconds
        else [old, new]
    )
    return len(long[0]) == len(long[1]) and all(
        was[0] == is_[0] and abs(was[1] - is_[1]) <= seconds and abs(was[2] - is_[2]) <= seconds
        for was, is_ in zip(*long, strict=True)
    )


def _told(face: dict[str, Any] | None) -> str:
    return f'{face["images"]} images: {_spelled(face["labels"])}' if face else 'not there'


def _spelled(labels: list) -> str:
    return ', '.join(f'{label} {start:g}-{end:g} s' for label, start, end in labels)


def table(rows: list[Row], headings: tuple[str, str] = ('expected', 'found')) -> str:
    """Return the rows as lines that a person reads; long ones stand one below the other."""
    width = max((len(row[0]) for row in rows), default=0)
    side = max(len(heading) for heading in headings)
    lines = []
    for what, old, new in rows:
        lines.append(f'{what:<{width}}  {headings[0]:<{side}}  {old}')
        lines.append(f'{"":<{width}}  {headings[1]:<{side}}  {new}')
    return '\n'.join(lines)
