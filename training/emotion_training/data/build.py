"""Write a dataset as folders of PNG files, one folder a class, with a manifest of what each is."""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.collect import Gathered, gather
from emotion_training.data.dataset_summary import PLOT, Summary, plot_classes
from emotion_training.data.fer2013 import SPLITS, VOTE_COLUMNS, LeftOut, Sample
from emotion_training.data.image_checks import SEPARATOR, detect_in_region
from emotion_training.data.leakage import DUPLICATES, write_duplicates
from emotion_training.files import whole_folder

MANIFEST = 'manifest.csv'
MANIFEST_COLUMNS = (
    'path', 'row', 'source', 'split', 'label', 'sha256', 'phash', 'checks', *VOTE_COLUMNS,
)  # fmt: skip

LEFT_OUT = 'left_out.csv'
LEFT_OUT_COLUMNS = ('source', 'row', 'split', 'label', 'reason')

SUMMARY = 'summary.txt'


def build(
    samples: Iterable[Sample | LeftOut],
    out: Path,
    total: int | None = None,
    *,
    validation_share: float = 0.0,
    leak_free: bool = False,
    origin: str = 'the data',
) -> Summary:
    """
    Write `samples` to ``out/SPLIT/LABEL/ROW.png``, with tables and a plot of what they are.

    ``manifest.csv`` lists every image of the dataset, ``left_out.csv`` what did not become part of
    it and why, ``duplicates.csv`` the images that have twins; ``summary.txt`` counts them.
    An interrupted run leaves no half-written dataset.

    Args:
        samples: of `read_fer2013` or `read_images`.
        out: a folder that does not exist yet.
        total: number of samples, for the progress bar.
        validation_share: part of each class that becomes validation where there is only train, 0..1.
        leak_free: leave out of train what stands in validation or test, exact and near.
        origin: name of the source, for messages.

    Returns:
        What `out` consists of.

    Raises:
        DatasetError: if `out` exists, a usage is unknown, a split lacks a class or the disk is full.

    """
    with whole_folder(out) as folder:
        data = gather(samples, total, validation_share, origin)
        left_out = list(data.left_out)
        kept = np.ones(len(data.samples), bool)
        if leak_free:
            leaks = data.twins.leaks()
            kept[[index for index, _ in leaks]] = False
            left_out += [_leak(data, index, twin) for index, twin in leaks]
        data.require_all_classes(kept, origin)
        rows = _rows(data, kept)
        _write_images(folder, data, rows)
        _write_table(folder / MANIFEST, MANIFEST_COLUMNS, [row for row in rows if row['path']])
        _write_table(folder / LEFT_OUT, LEFT_OUT_COLUMNS, map(_left_out_row, left_out))
        write_duplicates(folder / DUPLICATES, data.twins, rows)
        summary = _summarize(data, rows, left_out)
        (folder / SUMMARY).write_text(summary.text() + '\n')
        plot_classes(summary, folder / PLOT)
    return summary


def _leak(data: Gathered, index: int, twin: int) -> LeftOut:
    sample, other = data.samples[index], data.samples[twin]
    kind = 'exact' if data.twins.digests[index] == data.twins.digests[twin] else 'near'
    reason = (
        f'{kind} twin in {data.twins.splits[twin]}: row {other.row} of the source ({other.source})'
    )
    return LeftOut(sample.row, sample.source, sample.usage, sample.label, reason)


def _left_out_row(item: LeftOut) -> dict:
    return {
        'source': item.source,
        'row': item.row,
        'split': SPLITS[item.usage],
        'label': item.label,
        'reason': item.reason,
    }


def _rows(data: Gathered, kept: np.ndarray) -> list[dict]:
    """Return a row of the manifest for each image; `path` is empty where it is not kept."""
    at = np.flatnonzero(kept)
    twin_checks = dict(zip(at.tolist(), data.twins.only(at).checks(), strict=True))
    rows = []
    for index, sample in enumerate(data.samples):
        split = data.twins.splits[index]
        checks = (*sample.checks, *detect_in_region(sample.image), *twin_checks.get(index, ()))
        votes = sample.votes or ('',) * len(VOTE_COLUMNS)
        rows.append(
            {
                'path': f'{split}/{sample.label}/{sample.row:05d}.png' if kept[index] else '',
                'row': sample.row,
                'source': sample.source,
                'split': split,
                'label': sample.label,
                'sha256': data.twins.digests[index],
                'phash': f'{int(data.hashes[index]):016x}',
                'checks': SEPARATOR.join(checks),
                **dict(zip(VOTE_COLUMNS, votes, strict=True)),
            }
        )
    return rows


def _write_images(folder: Path, data: Gathered, rows: Sequence[dict]) -> None:
    for split in sorted(set(data.twins.splits)):
        for label in EMOTIONS:
            (folder / split / label).mkdir(parents=True)
    wanted = [
        (row['path'], image) for row, image in zip(rows, data.images, strict=True) if row['path']
    ]
    with tqdm(wanted, unit='image', desc='write', mininterval=0.5) as bar:
        for path, image in bar:
            _, png = cv2.imencode('.png', image)
            (folder / path).write_bytes(png.tobytes())


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[dict]) -> None:
    with path.open('w', newline='') as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)


def _summarize(data: Gathered, rows: Sequence[dict], left_out: Sequence[LeftOut]) -> Summary:
    notes = Counter(
        note.split(' from ')[0]
        for sample in data.samples
        for note in (*sample.checks, *detect_in_region(sample.image))
    )
    return Summary(
        Counter((row['split'], row['label']) for row in rows if row['path']),
        {name: str(count) for name, count in sorted(notes.items())} | data.twins.findings(),
        Counter(item.reason.split(':')[0] for item in left_out),
    )
