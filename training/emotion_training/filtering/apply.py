"""Write a dataset whose training split holds only the images that a filter keeps."""

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.build import MANIFEST
from emotion_training.data.dataset import Dataset, load
from emotion_training.files import whole_folder
from emotion_training.filtering import predictions
from emotion_training.filtering.contact_sheet import contact_sheet
from emotion_training.filtering.verdicts import (
    FilterError,
    Method,
    Verdicts,
    combined,
    name_of,
    suggestions,
)

VERDICTS, SHEET, RECORD = 'verdicts.csv', 'removed.png', 'filter.json'


@dataclass(frozen=True)
class Filtered:
    """
    What a filter did, in numbers.

    Attributes:
        before: training images of each class.
        after: of them, those that stay.
        untouched: images of each class in the other splits, by split.
        notes: method and how it was done, with the share it keeps.
        crowd: share of clear FER+ majorities that name the label, before and after, or None.

    """

    before: dict[str, int]
    after: dict[str, int]
    untouched: dict[str, dict[str, int]]
    notes: dict[str, str]
    crowd: tuple[float, float] | None


def filter_dataset(
    source: Path, out: Path, methods: Sequence[Method], combine: str = 'all'
) -> Filtered:
    """
    ValidationCallback ``source/train`` and write what stays, and all other splits as they are, to `out`.

    Images are hard links where the file system allows it, else copies. Beside them: the verdict
    and reason for every training image (verdicts.csv), a contact sheet of what went (removed.png),
    each method's probabilities (METHOD.npz) and the counts (filter.json). Everything is written to
    a folder beside `out` that is renamed at the end.

    Args:
        source: a folder that `build` made; it is not changed.
        out: a folder that does not exist yet.
        methods: at least one.
        combine: ``all``: an image stays if all methods keep it; ``any``: if one of them does.

    Raises:
        DatasetError: if `out` exists or the disk is full.
        FilterError: if a method cannot judge, or a class would be left empty.

    """
    with whole_folder(out) as folder:
        data = load(source, 'train')
        return _write(source, folder, data, [method(data) for method in methods], combine)


def _write(
    source: Path, out: Path, data: Dataset, verdicts: Sequence[Verdicts], combine: str
) -> Filtered:
    """Write what the verdicts leave to the folder `out`."""
    keep = combined(verdicts, combine)
    before, after = _count(data.labels), _count(data.labels[keep])
    emptied = [label for label in EMOTIONS if before[label] and not after[label]]
    if emptied:
        raise FilterError(
            f'no training image of {", ".join(emptied)} would be left of '
            f'{", ".join(str(before[label]) for label in emptied)}; filter less strictly'
        )
    removed = {path for path, stays in zip(data.paths, keep, strict=True) if not stays}
    done = Filtered(
        before,
        after,
        carry_over(source, out, removed),
        {one.method: f'{one.note}; keeps {one.keep.mean():.1%}' for one in verdicts},
        _crowd(data, keep),
    )
    _write_verdicts(out / VERDICTS, data, keep, verdicts)
    for one in verdicts:
        if one.probabilities is not None:
            predictions.save(out / f'{one.method}.npz', data, one.probabilities)
    names = (' and ' if combine == 'all' else ' or ').join(done.notes)
    title = f'{int((~keep).sum())} of {len(data)} training images removed; kept by {names}'
    title += ''.join(f'\n{name}: {note}' for name, note in done.notes.items())
    contact_sheet(data, ~keep, suggestions(verdicts), title, out / SHEET)
    _write_record(out / RECORD, source, data, keep, combine, done)
    return done


def _count(labels: np.ndarray) -> dict[str, int]:
    return {label: int((labels == index).sum()) for index, label in enumerate(EMOTIONS)}


def _crowd(data: Dataset, keep: np.ndarray) -> tuple[float, float] | None:
    clear = data.majority >= 0
    if not clear.any() or not (clear & keep).any():
        return None
    agrees = data.majority == data.labels
    return float(agrees[clear].mean()), float(agrees[clear & keep].mean())


def carry_over(source: Path, out: Path, removed: Collection[str]) -> dict[str, dict[str, int]]:
    """
    Link or copy a dataset's images, without those `removed`, and write their manifest.

    Args:
        source: a folder that `build` made.
        out: a folder that is there.
        removed: files below `source`, as its manifest names them.

    Returns:
        The number of images that each split but train holds, by split and class.

    """
    others: dict[str, dict[str, int]] = {}
    with (
        (source / MANIFEST).open(newline='') as old,
        (out / MANIFEST).open('w', newline='') as new,
    ):
        reader = csv.DictReader(old)
        writer = csv.DictWriter(new, list(reader.fieldnames or ()))
        writer.writeheader()
        for row in reader:
            if row['path'] in removed:
                continue
            if row['split'] != 'train':
                others.setdefault(row['split'], dict.fromkeys(EMOTIONS, 0))[row['label']] += 1
            target = out / row['path']
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source / row['path'], target)
            except OSError:
                shutil.copyfile(source / row['path'], target)
            writer.writerow(row)
    return others


def _write_verdicts(
    path: Path, data: Dataset, keep: np.ndarray, verdicts: Sequence[Verdicts]
) -> None:
    """Write a row for every training image: what happens to it and what each method said."""
    suggested = suggestions(verdicts)
    words = {True: 'keep', False: 'remove'}
    with path.open('w', newline='') as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ('path', 'label', 'verdict', 'reason', 'suggested', *(one.method for one in verdicts))
        )
        for row, image in enumerate(data.paths):
            writer.writerow(
                (
                    image,
                    name_of(data.labels[row]),
                    words[bool(keep[row])],
                    '; '.join(one.reasons[row] for one in verdicts),
                    name_of(suggested[row]),
                    *(words[bool(one.keep[row])] for one in verdicts),
                )
            )


def _write_record(
    path: Path, source: Path, data: Dataset, keep: np.ndarray, combine: str, done: Filtered
) -> None:
    record = {
        'source': source.resolve().name,
        'source_train_sha256': hashlib.sha256('\n'.join(data.digests).encode()).hexdigest(),
        'train_sha256': hashlib.sha256('\n'.join(data.digests[keep]).encode()).hexdigest(),
        'combine': combine,
        'methods': done.notes,
        'train_before': done.before,
        'train_after': done.after,
        'untouched': done.untouched,
        'crowd_majority_names_label': done.crowd,
    }
    path.write_text(json.dumps(record, indent=2) + '\n')


def table(done: Filtered) -> str:
    """Return the counts before and after as lines of text."""
    others = sorted(done.untouched)
    lines = [
        f'{"train":<12}{"before":>8}{"after":>8}{"kept":>8}'
        + ''.join(f'{name:>12}' for name in others)
    ]
    for label in (*EMOTIONS, 'all'):
        before, after, *rest = (
            counts.get(label, sum(counts.values()))
            for counts in (done.before, done.after, *(done.untouched[name] for name in others))
        )
        share = f'{after / before:.1%}' if before else '-'
        lines.append(
            f'{label:<12}{before:>8}{after:>8}{share:>8}' + ''.join(f'{n:>12}' for n in rest)
        )
    lines += [f'{method}: {note}' for method, note in done.notes.items()]
    if done.crowd:
        lines.append(
            f'where FER+ has a clear majority, it names the label of {done.crowd[0]:.1%} before '
            f'and {done.crowd[1]:.1%} after'
        )
    return '\n'.join(lines)
