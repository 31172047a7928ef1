# SPDX-License-Identifier: Apache-2.0
"""Build a dataset: a folder of PNG files for each split and class, with tables about them."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.dataset_summary import PLOT, Summary, plot_classes
from emotion_training.data.duplicates import (
    duplicate_checks,
    duplicate_findings,
    find_leaks,
    group_duplicates,
    list_duplicates,
    perceptual_hashes,
    pixel_hash,
)
from emotion_training.data.fer2013 import SPLITS, VOTE_COLUMNS, DatasetError, LeftOut, Sample
from emotion_training.data.image_checks import SEPARATOR, blank_check
from emotion_training.files import atomic_folder

MANIFEST = 'manifest.csv'
MANIFEST_COLUMNS = (
    'path', 'row', 'source', 'split', 'label', 'sha256', 'phash', 'checks', *VOTE_COLUMNS,
)  # fmt: skip
DUPLICATES = 'duplicates.csv'
LEFT_OUT = 'left_out.csv'
LEFT_OUT_COLUMNS = ('source', 'row', 'split', 'label', 'reason')
SUMMARY = 'summary.txt'


def build(
    samples: Iterable[Sample | LeftOut],
    out: Path,
    total: int | None = None,
    *,
    validation_share: float | None = None,
    leak_free: bool = False,
    origin: str = 'the data',
) -> Summary:
    """
    Write `samples` to ``out/SPLIT/LABEL/ROW.png``, with tables and a plot.

    ``manifest.csv`` lists every image of the dataset, ``left_out.csv`` what was left out and why,
    ``duplicates.csv`` the images that have duplicates; ``summary.txt`` contains the counts.
    An interrupted run leaves no incomplete dataset.

    Args:
        samples: from `read_fer2013` or `read_images`.
        out: a folder that does not exist yet.
        total: number of samples, for the progress bar.
        validation_share: fraction of each class in train to move to validation, 0..1; needs a
            source without validation. With None the source must have one.
        leak_free: leave out training images with an exact or near duplicate in another split.
        origin: name of the source, for messages.

    Returns:
        The counts of the dataset.

    Raises:
        DatasetError: if `out` exists, the source has an unknown usage, no images, no validation
            without `validation_share` or one with it, a split lacks a class or the disk is full.

    """
    with atomic_folder(out) as folder:
        table, images, left_out = _collect(samples, total, validation_share, origin)
        leaks = find_leaks(table) if leak_free else pd.Series(dtype=int)
        kept = table.drop(leaks.index)
        _require_all_classes(kept, left_out, origin)
        left_out += [_leak(table, *leak) for leak in leaks.items()]
        findings = Counter(check.split(' from ')[0] for checks in table.checks for check in checks)
        summary = Summary.of(
            kept,
            {name: str(count) for name, count in sorted(findings.items())}
            | duplicate_findings(table),
            dict(sorted(Counter(item.reason.split(':')[0] for item in left_out).items())),
        )
        names = kept.row.map('{:05d}.png'.format)
        table['path'] = (kept.split + '/' + kept.label + '/' + names).reindex(
            table.index, fill_value=''
        )
        _write_images(folder, table, images)
        checks = [
            SEPARATOR.join(own + of_duplicates)
            for own, of_duplicates in zip(kept.checks, duplicate_checks(kept), strict=True)
        ]
        manifest = table.loc[kept.index].assign(checks=checks)
        manifest.to_csv(folder / MANIFEST, columns=list(MANIFEST_COLUMNS), index=False)
        list_duplicates(table).to_csv(folder / DUPLICATES, index=False)
        rows = [(i.source, i.row, SPLITS[i.usage], i.label, i.reason) for i in left_out]
        pd.DataFrame(rows, columns=list(LEFT_OUT_COLUMNS)).to_csv(folder / LEFT_OUT, index=False)
        (folder / SUMMARY).write_text(summary.text() + '\n')
        plot_classes(summary, folder / PLOT)
    return summary


def _collect(
    samples: Iterable[Sample | LeftOut],
    total: int | None,
    validation_share: float | None,
    origin: str,
) -> tuple[pd.DataFrame, np.ndarray, list[LeftOut]]:
    """Return a row for each image, the images, uint8 [N, 48, 48], and what was left out."""
    found: list[Sample] = []
    left_out: list[LeftOut] = []
    with tqdm(samples, total=total, unit='image', desc='read', mininterval=0.5) as bar:
        for item in bar:
            if item.usage not in SPLITS:
                raise DatasetError(
                    f'{origin}, row {item.row}: Usage is {item.usage!r}, expected '
                    f'{", ".join(SPLITS)}'
                )
            if isinstance(item, LeftOut):
                left_out.append(item)
            else:
                found.append(item)
    if not found:
        first = f'; {left_out[0].source}: {left_out[0].reason}' if left_out else ''
        raise DatasetError(f'{origin}: none of {len(left_out)} files is an image{first}')
    splits = {SPLITS[sample.usage] for sample in found}
    if validation_share and 'validation' in splits:
        raise DatasetError(f'{origin} has its own validation split; omit --validation-share')
    if validation_share is None and 'validation' not in splits:
        raise DatasetError(
            f'{origin} has no validation split, which training needs; say how much of train '
            'becomes one, such as --validation-share 0.1 (0: nothing)'
        )
    images = np.stack([sample.image for sample in found])
    hashes = perceptual_hashes(images)
    table = pd.DataFrame(
        {
            'row': [sample.row for sample in found],
            'source': [sample.source for sample in found],
            'split': [SPLITS[sample.usage] for sample in found],
            'label': [sample.label for sample in found],
            'sha256': [pixel_hash(image) for image in images],
            'phash': [f'{int(value):016x}' for value in hashes],
            'checks': [s.checks + tuple(filter(None, [blank_check(s.image)])) for s in found],
        }
    )
    votes = [sample.votes or ('',) * len(VOTE_COLUMNS) for sample in found]
    table[list(VOTE_COLUMNS)] = pd.DataFrame(votes, dtype=object)
    table['group'] = group_duplicates(images, table.sha256, hashes)
    if validation_share:
        train = table[table.split == 'train']
        chosen = train.index[choose_validation(train, validation_share)]
        table.loc[chosen, 'split'] = 'validation'
    return table, images, left_out


def choose_validation(table: pd.DataFrame, share: float) -> np.ndarray:
    """
    Return which images become the validation split, bool [N].

    Duplicate groups stay together. The choice depends on the hashes of the pixels alone, not on
    the names or the order of the files. scikit-learn's group splitters depend on the order.

    Args:
        table: with the columns ``group``, ``sha256`` and ``label``, a row for each image.
        share: fraction of each class, 0..1; at least one group of a class with two or more. A
            group counts for the label of its smallest hash.

    """
    groups = table.sort_values(['sha256', 'label']).groupby('group', sort=False).label
    chosen = []
    for _, sizes in groups.size().groupby(groups.first()):
        taken = 0
        for group, size in sizes.iloc[:-1].items():
            if taken and taken + size / 2 > share * sizes.sum():
                break
            chosen.append(group)
            taken += size
    return table.group.isin(chosen).to_numpy()


def _require_all_classes(kept: pd.DataFrame, left_out: list[LeftOut], origin: str) -> None:
    for split, labels in kept.groupby('split').label:
        empty = [label for label in EMOTIONS if label not in {*labels}]
        if empty:
            lost = next((item for item in left_out if item.label in empty), None)
            raise DatasetError(
                f'{origin}: {split} has no image of {", ".join(empty)}'
                + (f'; {lost.source} is left out, {lost.reason}' if lost else '')
            )


def _leak(table: pd.DataFrame, index: int, duplicate: int) -> LeftOut:
    image, other = table.loc[index], table.loc[duplicate]
    kind = 'exact' if image.sha256 == other.sha256 else 'near'
    reason = f'{kind} duplicate in {other.split}: row {other.row} of the source ({other.source})'
    return LeftOut(image.row, image.source, 'Training', image.label, reason)


def _write_images(folder: Path, table: pd.DataFrame, images: np.ndarray) -> None:
    for split in table.split.unique():
        for label in EMOTIONS:
            (folder / split / label).mkdir(parents=True)
    wanted = [(path, image) for path, image in zip(table.path, images, strict=True) if path]
    for path, image in tqdm(wanted, unit='image', desc='write', mininterval=0.5):
        (folder / path).write_bytes(cv2.imencode('.png', image)[1].tobytes())
