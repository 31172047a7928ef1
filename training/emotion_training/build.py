"""Write a dataset as folders of PNG files, one folder a class, with a manifest of what each is."""

import csv
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import cv2
from tqdm import tqdm

from emotion_perception.emotions import EMOTIONS
from emotion_training.fer2013 import VOTE_COLUMNS, DatasetError, Sample

SPLITS = {'Training': 'train', 'PublicTest': 'validation', 'PrivateTest': 'test'}
"""Folder of each value of FER2013's `Usage` column."""

MANIFEST = 'manifest.csv'
MANIFEST_COLUMNS = ('path', 'row', 'split', 'label', 'sha256', *VOTE_COLUMNS)


def build(samples: Iterable[Sample], out: Path, total: int | None = None) -> Counter:
    """
    Write `samples` to ``out/SPLIT/LABEL/ROW.png`` and ``out/manifest.csv``.

    Everything is written to a folder beside `out` that is renamed at the end: an interrupted run
    leaves no half-written dataset.

    Args:
        samples: rows with uint8 [48, 48] images.
        out: a folder that does not exist yet.
        total: number of samples, for the progress bar.

    Returns:
        Counts by (split, label).

    Raises:
        DatasetError: if `out` exists, a usage is unknown or a split lacks a class.

    """
    if out.exists():
        raise DatasetError(f'{out} exists already; remove it or choose another folder')
    partial = out.with_name(out.name + '.partial')
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    counts: Counter = Counter()
    try:
        with (partial / MANIFEST).open('w', newline='') as stream:
            writer = csv.writer(stream)
            writer.writerow(MANIFEST_COLUMNS)
            for sample in tqdm(samples, total=total, unit='image', desc='build'):
                if sample.usage not in SPLITS:
                    raise DatasetError(
                        f'row {sample.row}: Usage is {sample.usage!r}, expected {", ".join(SPLITS)}'
                    )
                split = SPLITS[sample.usage]
                path = Path(split, sample.label, f'{sample.row:05d}.png')
                (partial / path).parent.mkdir(parents=True, exist_ok=True)
                if not cv2.imwrite(str(partial / path), sample.image):
                    raise OSError(f'{partial / path} could not be written; is the disk full?')
                digest = hashlib.sha256(sample.image.tobytes()).hexdigest()
                votes = sample.votes or ('',) * len(VOTE_COLUMNS)
                writer.writerow((path.as_posix(), sample.row, split, sample.label, digest, *votes))
                counts[split, sample.label] += 1
        for split in {split for split, _ in counts}:
            empty = [label for label in EMOTIONS if not counts[split, label]]
            if empty:
                raise DatasetError(f'{split} has no image of {", ".join(empty)}')
        os.replace(partial, out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return counts
