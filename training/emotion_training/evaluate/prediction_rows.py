"""Predictions as rows: for people, for csv and for json."""

import csv
import json
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_perception.types import FaceEmotion

COLUMNS = (
    'source', 'face', 'label', 'confidence', 'x', 'y', 'width', 'height', 'detection_score', *EMOTIONS,
)  # fmt: skip


def rows_of(source: str, faces: Sequence[FaceEmotion]) -> list[dict[str, Any]]:
    """
    Return a row of `COLUMNS` for each face, counted from 1; one row with None where there is none.

    Args:
        source: name of the picture.
        faces: what was read in it; a detection score of NaN says that nothing was detected.

    """
    if not faces:
        return [dict.fromkeys(COLUMNS) | {'source': source, 'face': 0}]
    return [
        {
            'source': source,
            'face': number,
            'label': face.label,
            'confidence': round(face.confidence, 4),
            **face.box._asdict(),
            'detection_score': None
            if np.isnan(face.detection_score)
            else round(face.detection_score, 4),
            **{
                name: round(float(p), 4) for name, p in zip(EMOTIONS, face.probabilities, strict=True)
            },
        }
        for number, face in enumerate(faces, 1)
    ]  # fmt: skip


def write_rows(rows: Iterable[dict[str, Any]], stream: TextIO, kind: str) -> None:
    """
    Write rows one by one as they come.

    Args:
        rows: as `rows_of` gives them.
        stream: to write to.
        kind: ``'table'`` for people, ``'csv'``, or ``'json'``: a list, one object a line.

    """
    WRITERS[kind](rows, stream)


def _write_table(rows: Iterable[dict[str, Any]], stream: TextIO) -> None:
    for row in rows:
        if row['label'] is None:
            stream.write(f'{row["source"]}  no face\n')
            continue
        first, second = sorted(EMOTIONS, key=lambda name: -row[name])[:2]
        where = (
            ''
            if row['detection_score'] is None
            else f'  face {row["face"]}, {row["width"]}x{row["height"]} at {row["x"]},{row["y"]}'
        )
        stream.write(
            f'{row["source"]}  {row["label"]:<10}'
            f'  {first} {row[first]:.1%}, {second} {row[second]:.1%}{where}\n'
        )
        stream.flush()


def _write_csv(rows: Iterable[dict[str, Any]], stream: TextIO) -> None:
    writer = csv.DictWriter(stream, COLUMNS, lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)


def _write_json(rows: Iterable[dict[str, Any]], stream: TextIO) -> None:
    before = '['
    for row in rows:
        face = {name: row[name] for name in ('source', 'face', 'label', 'confidence')}
        if row['label'] is not None:
            face['box'] = [row[name] for name in ('x', 'y', 'width', 'height')]
            face['detection_score'] = row['detection_score']
            face['probabilities'] = {name: row[name] for name in EMOTIONS}
        stream.write(f'{before}\n{json.dumps(face)}')
        before = ','
    stream.write('[]\n' if before == '[' else '\n]\n')


WRITERS = {'table': _write_table, 'json': _write_json, 'csv': _write_csv}
