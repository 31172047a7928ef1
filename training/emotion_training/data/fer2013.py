# SPDX-License-Identifier: Apache-2.0
"""Read fer2013.csv and the matching FER+ votes, fer2013new.csv."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotion_perception.emotions import FER2013_CODES
from emotion_training.data.image_checks import wrong_content

VOTE_COLUMNS = (
    'neutral', 'happiness', 'surprise', 'sadness', 'anger', 'disgust', 'fear', 'contempt',
    'unknown', 'NF',
)  # fmt: skip
"""Columns of fer2013new.csv: how many of ten people chose each (Barsoum et al., 2016)."""

SPLITS = {'Training': 'train', 'PublicTest': 'validation', 'PrivateTest': 'test'}
"""Folder of each value of FER2013's `Usage` column."""

USAGE = 'Usage'
SIDE_PX = 48
_MAX_HEADER = 10_000


class DatasetError(ValueError):
    """A dataset file is invalid; the message names the file and the row."""


@dataclass(frozen=True)
class Sample:
    """
    One image of a source.

    Attributes:
        row: row of fer2013.csv, or number of the file in a folder.
        image: uint8 [48, 48], grayscale.
        label: one of EMOTIONS.
        usage: FER2013's name of the split; a key of SPLITS.
        votes: FER+ votes in the order of VOTE_COLUMNS, or None.
        source: path of the file, relative to the folder that was read.
        checks: conversions made while reading, such as ``from color``.
        person: name of the person, if it is known.

    """

    row: int
    image: np.ndarray
    label: str
    usage: str
    votes: tuple[int, ...] | None
    source: str = ''
    checks: tuple[str, ...] = ()
    person: str = ''


@dataclass(frozen=True)
class LeftOut:
    """An image that is left out of the dataset; `reason` is ``KIND`` or ``KIND: DETAILS``."""

    row: int
    source: str
    usage: str
    label: str
    reason: str


def _parse_pixels(text: str, where: str) -> np.ndarray:
    words = text.split()
    if len(words) != SIDE_PX * SIDE_PX:
        raise DatasetError(f'{where}: {len(words)} pixels where {SIDE_PX * SIDE_PX} are expected')
    try:
        values = np.array(words, np.int64)
    except (ValueError, OverflowError) as error:
        raise DatasetError(f'{where}: a pixel is not a number ({error})') from None
    if values.min() < 0 or values.max() > 255:
        raise DatasetError(f'{where}: a pixel lies outside 0..255')
    return values.astype(np.uint8).reshape(SIDE_PX, SIDE_PX)


@contextmanager
def _open_table(path: Path, columns: tuple[str, ...]) -> Iterator[csv.DictReader]:
    """
    Open a csv file with these columns, in any case and with blanks around them.

    The values are separated by commas, semicolons or tabs, as in the header.

    Raises:
        DatasetError: if the file cannot be opened or, inside the block, cannot be read.

    """
    try:
        with path.open('rb') as raw:
            content = wrong_content(raw.read(512))
        if content:
            raise DatasetError(f'{path} is {content}')
        with path.open(newline='', encoding='utf-8-sig', errors='replace') as stream:
            header = stream.readline(_MAX_HEADER)
            separators = [mark for mark in ',;\t' if mark in header]
            stream.seek(0)
            reader = csv.DictReader(stream, delimiter=(separators or [','])[0])
            known = {name.lower(): name for name in (*columns, USAGE)}
            reader.fieldnames = [
                known.get(name.strip().lower(), name.strip()) for name in reader.fieldnames or ()
            ]
            missing = [name for name in columns if name not in reader.fieldnames]
            if missing:
                raise DatasetError(
                    f'{path}: no column {", ".join(missing)}; it starts with '
                    f'{str(reader.fieldnames)[:80]!r}'
                )
            yield reader
    except OSError as error:
        raise DatasetError(f'{path} cannot be read: {error.strerror}') from None
    except csv.Error as error:
        raise DatasetError(f'{path}, after line {reader.line_num}: {error}') from None


def _read_votes(path: Path) -> list[tuple[str | None, tuple[int, ...]]]:
    """Return usage (None if there is no such column) and votes of each row."""
    rows = []
    with _open_table(path, VOTE_COLUMNS) as reader:
        for number, row in enumerate(reader):
            try:
                votes = tuple(int(row[name]) for name in VOTE_COLUMNS)
            except (TypeError, ValueError):
                raise DatasetError(f'{path}, row {number}: a vote is not a whole number') from None
            if min(votes) < 0 or max(votes) > 255:
                raise DatasetError(f'{path}, row {number}: a vote lies outside 0..255')
            rows.append((row.get(USAGE), votes))
    return rows


def count_rows(path: Path) -> int:
    """Return the approximate number of rows of a csv file, or 0 if it cannot be read."""
    try:
        with path.open('rb') as stream:
            blocks = iter(lambda: stream.read(1 << 20), b'')
            return max(sum(block.count(b'\n') for block in blocks) - 1, 0)
    except OSError:
        return 0


def read_fer2013(pixels: Path, votes: Path | None = None) -> Iterator[Sample]:
    """
    Yield the rows of fer2013.csv in order, with their FER+ votes if `votes` is given.

    Args:
        pixels: fer2013.csv with the columns ``emotion``, ``pixels`` and ``Usage``, in any order;
            without ``Usage`` all rows are training images.
        votes: fer2013new.csv of FER+, with the same rows in the same order.

    Raises:
        DatasetError: names the invalid file and row (from 0, without the header).

    """
    table = None if votes is None else _read_votes(votes)
    with _open_table(pixels, ('emotion', 'pixels')) as reader:
        usages = USAGE in (reader.fieldnames or ())
        number = -1
        for number, row in enumerate(reader):
            where = f'{pixels}, row {number}'
            code = (row['emotion'] or '').strip()
            usage = (row[USAGE] or '').strip() if usages else 'Training'
            if code not in tuple('0123456'):
                raise DatasetError(
                    f'{where}: emotion is {code!r}, expected a code 0 to 6 '
                    f'({", ".join(FER2013_CODES)})'
                )
            if table is not None and number >= len(table):
                raise DatasetError(f'{votes} ends at row {len(table) - 1}, {pixels} has more rows')
            if table is not None and table[number][0] not in (None, usage):
                raise DatasetError(
                    f'{where}: Usage is {usage!r}, in {votes} it is {table[number][0]!r}; '
                    'the two do not have the same rows'
                )
            yield Sample(
                number,
                _parse_pixels(row['pixels'] or '', where),
                FER2013_CODES[int(code)],
                usage,
                None if table is None else table[number][1],
                pixels.name,
            )
        if number < 0:
            raise DatasetError(f'{pixels} has a header and no rows')
        if table is not None and number + 1 != len(table):
            raise DatasetError(f'{votes} has {len(table)} rows, {pixels} has {number + 1}')
