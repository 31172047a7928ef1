# SPDX-License-Identifier: Apache-2.0
"""Write a dataset whose training split contains only the images that a filter keeps."""

import hashlib
import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.build import MANIFEST
from emotion_training.data.dataset import Dataset, load
from emotion_training.evaluate.metrics import plain
from emotion_training.files import atomic_folder, write_json
from emotion_training.filtering import predictions
from emotion_training.filtering.contact_sheet import contact_sheet
from emotion_training.filtering.decisions import (
    Decisions,
    FilterError,
    Method,
    combined,
    suggestions,
)

DECISIONS, SHEET, RECORD = 'decisions.csv', 'removed.png', 'filter.json'


@dataclass(frozen=True)
class FilterSummary:
    """
    Counts of a filtered dataset.

    Attributes:
        before: training images of each class before the filter.
        after: training images of each class after the filter.
        untouched: images of each class in the other splits, by split.
        notes: rule and kept fraction, by method.
        crowd: fraction of clear FER+ majorities that equal the label, before and after, or None.

    """

    before: dict[str, int]
    after: dict[str, int]
    untouched: dict[str, dict[str, int]]
    notes: dict[str, str]
    crowd: tuple[float, float] | None

    def text(self) -> str:
        """Return the counts before and after as lines of text."""
        counts = pd.DataFrame({'before': self.before, 'after': self.after, **self.untouched})
        counts.loc['all'] = counts.sum()
        kept = [
            f'{a / b:.1%}' if b else '-' for a, b in zip(counts.after, counts.before, strict=True)
        ]
        counts.insert(2, 'kept', kept)
        rows = counts.astype(object).reset_index().to_numpy().tolist()
        lines = [plain(rows, ['train', *counts])]
        lines += [f'{method}: {note}' for method, note in self.notes.items()]
        if self.crowd:
            lines.append(
                'where FER+ has a clear majority, it equals the label of '
                f'{self.crowd[0]:.1%} before and {self.crowd[1]:.1%} after'
            )
        return '\n'.join(lines)


def filter_dataset(
    source: Path, out: Path, methods: Sequence[Method], combine: str = 'all'
) -> FilterSummary:
    """
    Filter ``source/train`` and write the kept images, and all other splits unchanged, to `out`.

    Images are hard links where the file system allows it, else copies. Also written: decision and
    reason for every training image (decisions.csv), a contact sheet of the removed ones
    (removed.png), each method's probabilities (METHOD.npz) and the counts (filter.json).

    Args:
        source: a folder made by `build`; it is not changed.
        out: a folder that does not exist yet; it appears when it is complete.
        methods: at least one.
        combine: ``all``: keep an image if all methods keep it; ``any``: if at least one does.

    Raises:
        DatasetError: if `out` exists or the disk is full.
        FilterError: if a method cannot filter this dataset, or a class would become empty.

    """
    with atomic_folder(out) as folder:
        data = load(source, 'train')
        decisions = [method(data) for method in methods]
        keep = combined(decisions, combine)
        before, after = _count(data.labels), _count(data.labels[keep])
        emptied = [label for label in EMOTIONS if before[label] and not after[label]]
        if emptied:
            raise FilterError(
                f'no training image of {", ".join(emptied)} would be left of '
                f'{", ".join(str(before[label]) for label in emptied)}; filter less strictly'
            )
        removed = [path for path, kept in zip(data.paths, keep, strict=True) if not kept]
        notes = {one.method: f'{one.note}; keeps {one.keep.mean():.1%}' for one in decisions}
        untouched = copy_without(source, folder, removed)
        summary = FilterSummary(before, after, untouched, notes, _crowd(data, keep))
        _decision_table(data, keep, decisions).to_csv(folder / DECISIONS, index=False)
        for one in decisions:
            if one.probabilities is not None:
                predictions.save(folder / f'{one.method}.npz', data, one.probabilities)
        names = (' and ' if combine == 'all' else ' or ').join(notes)
        title = f'{len(removed)} of {len(data)} training images removed; kept by {names}'
        title += ''.join(f'\n{name}: {note}' for name, note in notes.items())
        contact_sheet(data, ~keep, suggestions(decisions), title, folder / SHEET)
        write_json(
            folder / RECORD,
            {
                'source': source.resolve().name,
                'source_train_sha256': _digest(data),
                'train_sha256': _digest(data.subset(keep)),
                'combine': combine,
                'methods': notes,
                'train_before': before,
                'train_after': after,
                'untouched': untouched,
                'crowd_majority_equals_label': summary.crowd,
            },
        )
    return summary


def _count(labels: np.ndarray) -> dict[str, int]:
    return {label: int((labels == index).sum()) for index, label in enumerate(EMOTIONS)}


def _digest(data: Dataset) -> str:
    return hashlib.sha256('\n'.join(data.digests).encode()).hexdigest()


def _crowd(data: Dataset, keep: np.ndarray) -> tuple[float, float] | None:
    clear = data.majority >= 0
    if not (clear & keep).any():
        return None
    agrees = data.majority == data.labels
    return float(agrees[clear].mean()), float(agrees[clear & keep].mean())


def copy_without(source: Path, out: Path, removed: Collection[str]) -> dict[str, dict[str, int]]:
    """
    Link or copy a dataset's images, except those `removed`, and write their manifest.

    Args:
        source: a folder made by `build`.
        out: an existing folder.
        removed: paths of images as in the manifest.

    Returns:
        The number of images in each split other than train, by split and class.

    """
    table = pd.read_csv(source / MANIFEST, dtype=str, keep_default_na=False)
    table = table[~table.path.isin(removed)]
    for path in table.path:
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source / path, target)
        except OSError:
            shutil.copyfile(source / path, target)
    table.to_csv(out / MANIFEST, index=False)
    others = table[table.split != 'train'].groupby('split').label
    return {split: {e: int((own == e).sum()) for e in EMOTIONS} for split, own in others}


def _decision_table(
    data: Dataset, keep: np.ndarray, decisions: Sequence[Decisions]
) -> pd.DataFrame:
    names = np.array([*EMOTIONS, ''])  # index -1 is no suggestion
    return pd.DataFrame(
        {
            'path': data.paths,
            'label': names[data.labels],
            'decision': np.where(keep, 'keep', 'remove'),
            'reason': [
                '; '.join(texts) for texts in zip(*(one.reasons for one in decisions), strict=True)
            ],
            'suggested': names[suggestions(decisions)],
        }
        | {one.method: np.where(one.keep, 'keep', 'remove') for one in decisions}
    )
