"""Read fer2013.csv and the FER+ votes (fer2013new.csv) that belong to it, row for row."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotion_perception.emotions import FER2013_CODES

VOTE_COLUMNS = (
    'neutral', 'happiness', 'surprise', 'sadness', 'anger', 'disgust', 'fear', 'contempt', 'unknown', 'NF',
)  # fmt: skip
"""Columns of fer2013new.csv: how many of ten people chose each (Barsoum et al., 2016)."""

SIDE_PX = 48


class DatasetError(ValueError):
    """A dataset file is not what it should be; the message names the file and the row."""


@dataclass(frozen=True)
class Sample:
    """One row: `image` uint8 [48, 48], `label` of EMOTIONS, `usage` as in the csv, `votes` or None."""

    row: int
    image: np.ndarray
    label: str
    usage: str
    votes: tuple[int, ...] | None


def _parse_pixels(text: str, where: str) -> np.ndarray:
    try:
        values = np.array(text.split(), dtype=np.int64)
    except ValueError as error:
        raise DatasetError(f'{where}: a pixel is not a number ({error})') from None
    if values.size != SIDE_PX * SIDE_PX:
        raise DatasetError(f'{where}: {values.size} pixels where {SIDE_PX * SIDE_PX} are expected')
    if values.min() < 0 or values.max() > 255:
        raise DatasetError(f'{where}: a pixel lies outside 0..255')
    return values.astype(np.uint8).reshape(SIDE_PX, SIDE_PX)


def _open_table(path: Path, columns: tuple[str, ...]) -> tuple[csv.DictReader, object]:
    stream = path.open(newline='', encoding='utf-8', errors='replace')
    reader = csv.DictReader(stream)
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        stream.close()
        raise DatasetError(
            f'{path}: no column {", ".join(missing)}; it starts with {str(reader.fieldnames)[:80]!r}. '
            'A page or a Git LFS pointer saved under this name looks like that: get the file anew.'
        )
    return reader, stream


def _read_votes(path: Path) -> list[tuple[int, ...]]:
    reader, stream = _open_table(path, VOTE_COLUMNS)
    with stream:  # type: ignore[attr-defined]
        rows = []
        for number, row in enumerate(reader):
            try:
                rows.append(tuple(int(row[name]) for name in VOTE_COLUMNS))
            except (TypeError, ValueError):
                raise DatasetError(f'{path}, row {number}: a vote is not a whole number') from None
        return rows


def read_fer2013(pixels: Path, votes: Path | None = None) -> Iterator[Sample]:
    """
    Yield the rows of fer2013.csv in order, with the FER+ votes of each where `votes` is given.

    Args:
        pixels: fer2013.csv with the columns ``emotion``, ``pixels`` and ``Usage``.
        votes: fer2013new.csv of FER+, which has the same rows in the same order.

    Raises:
        DatasetError: with the file and the row (counted from 0, heading not counted) of what is wrong.

    """
    table = None if votes is None else _read_votes(votes)
    reader, stream = _open_table(pixels, ('emotion', 'pixels', 'Usage'))
    with stream:  # type: ignore[attr-defined]
        number = -1
        for number, row in enumerate(reader):
            where = f'{pixels}, row {number}'
            if row['emotion'] not in tuple('0123456'):
                raise DatasetError(
                    f'{where}: emotion is {row["emotion"]!r}, expected a code 0 to 6'
                )
            if table is not None and number >= len(table):
                raise DatasetError(f'{votes} ends at row {len(table) - 1}, {pixels} goes on')
            yield Sample(
                number,
                _parse_pixels(row['pixels'] or '', where),
                FER2013_CODES[int(row['emotion'])],
                row['Usage'] or '',
                None if table is None else table[number],
            )
        if table is not None and number + 1 != len(table):
            raise DatasetError(f'{votes} has {len(table)} rows, {pixels} has {number + 1}')
