# SPDX-License-Identifier: Apache-2.0
"""Build a dataset: a folder of PNG files for each split and class, with tables about them."""

import warnings
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
    join,
    list_duplicates,
    perceptual_hashes,
    pixel_hash,
)
from emotion_training.data.fer2013 import SPLITS, VOTE_COLUMNS, DatasetError, LeftOut, Sample
from emotion_training.data.image_checks import SEPARATOR, blank_check
from emotion_training.files import atomic_folder

MANIFEST = 'manifest.csv'
MANIFEST_COLUMNS = (
    'path', 'row', 'source', 'split', 'label', 'sha256', 'phash', 'group', 'checks', *VOTE_COLUMNS,
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
        left_out += [_leak(table, *leak) for leak in leaks.items()]
        missing = _missing_classes(kept, left_out, origin, bool(validation_share))
        findings = Counter(check.split(' from ')[0] for checks in table.checks for check in checks)
        summary = Summary.of(
            kept,
            {name: str(count) for name, count in sorted(findings.items())}
            | duplicate_findings(table)
            | missing,
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
        manifest = table.loc[kept.index].assign(checks=checks, group=_kept_together(kept))
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
            'person': [sample.person for sample in found],
            'checks': [s.checks + tuple(filter(None, [blank_check(s.image)])) for s in found],
        }
    )
    votes = [sample.votes or ('',) * len(VOTE_COLUMNS) for sample in found]
    table[list(VOTE_COLUMNS)] = pd.DataFrame(votes, dtype=object)
    table['group'] = group_duplicates(images, table.sha256, hashes)
    if validation_share:
        train = table[table.split == 'train']
        if train.empty:
            raise DatasetError(
                f'{origin} has no training images for --validation-share to take from'
            )
        chosen = train.index[choose_validation(train, validation_share)]
        if chosen.empty:
            raise DatasetError(
                f'{origin}: all {len(train)} images in train are of one person, or duplicates of '
                'one another, and stay in one split: add other images, give another --pattern, '
                'or build without validation (--validation-share 0)'
            )
        table.loc[chosen, 'split'] = 'validation'
    return table, images, left_out


def _kept_together(table: pd.DataFrame) -> np.ndarray:
    """Return a number for each image, int [N]: duplicates and images of one person share it."""
    person = table.person.where(table.person != '', table.sha256)
    return pd.factorize(join(table.group, person))[0]


def choose_validation(table: pd.DataFrame, share: float) -> np.ndarray:
    """
    Return which images become the validation split, bool [N].

    Duplicates stay together, and all images of a person. The choice depends on the hashes of the
    pixels alone, not on the names or the order of the files.

    Args:
        table: with the columns ``group``, ``person``, ``sha256`` and ``label``, a row for each
            image.
        share: fraction of each class, above 0 and below 1, of which 1 / N is taken.

    """
    from sklearn.model_selection import StratifiedGroupKFold

    ordered = table.sort_values(['sha256', 'label'])
    groups = _kept_together(ordered)
    smaller = min(share, 1 - share)
    folds = min(round(1 / smaller), groups.max() + 1, ordered.label.value_counts().max())
    if folds < 2:
        return np.zeros(len(table), bool)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    with warnings.catch_warnings(action='ignore'):  # a class of fewer images than folds
        splits = list(splitter.split(ordered, ordered.label, groups))

    def classes_and_size(parts: tuple[np.ndarray, np.ndarray]) -> tuple[int, float]:
        found = sum(ordered.label.iloc[part].nunique() for part in parts)
        return found, -abs(len(parts[1]) / len(ordered) - smaller)

    larger, chosen = max(splits, key=classes_and_size)
    return table.index.isin(ordered.index[chosen if share == smaller else larger])


def _missing_classes(
    kept: pd.DataFrame, left_out: list[LeftOut], origin: str, divided: bool
) -> dict[str, str]:
    """
    Return the classes that each split lacks, as findings for the summary.

    Args:
        kept: a row for each image.
        left_out: the images that are not among them.
        origin: as in `build`.
        divided: whether validation was taken from train.

    Raises:
        DatasetError: if a class was left out altogether, or a split has a single class.

    """
    findings = {}
    for split, labels in kept.groupby('split').label:
        empty = [label for label in EMOTIONS if label not in {*labels}]
        lost = next((i for i in left_out if i.label in empty and SPLITS[i.usage] == split), None)
        if lost or len(empty) == len(EMOTIONS) - 1:
            advice = f'; {lost.source} is left out, {lost.reason}' if lost else ''
            if divided and not lost:
                advice = (
                    '; duplicates and images of one person stay in one split: add other images '
                    'of each, or build without validation (--validation-share 0)'
                )
            raise DatasetError(f'{origin}: {split} has no image of {", ".join(empty)}{advice}')
        if empty:
            findings[f'{split} has no image of'] = ', '.join(empty)
    return findings


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
