# SPDX-License-Identifier: Apache-2.0
"""The epoch log of a training run, a csv with one row an epoch, and its curves."""

import csv
from pathlib import Path

EPOCHS = 'epochs.csv'
"""Name of the epoch log in a run's folder."""


def training_record(model: Path) -> Path:
    """Return the path of the epoch log beside an exported model."""
    return model.with_name(f'{model.stem}_{EPOCHS}')


def read_epochs(path: Path) -> list[dict[str, float]]:
    """Return the rows of an epoch log; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline='') as stream:
        return [
            {key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)
        ]


def best_so_far(epochs: Path, score: str) -> float | None:
    """Return the best validation score (mean of the heads) of an epoch log, or None."""
    rows = read_epochs(epochs)
    if not rows:
        return None
    keys = [key for key in rows[0] if key.startswith('val_') and key.endswith(f'_{score}')]
    return max(sum(row[key] for key in keys) / len(keys) for row in rows)


def draw_curves(epochs: Path, out: Path) -> None:
    """Draw loss and accuracy of an epoch log to a png; nothing without rows."""
    from matplotlib.figure import Figure

    rows = read_epochs(epochs)
    if not rows:
        return
    figure = Figure((11, 4.2), layout='constrained')
    left, right = figure.subplots(1, 2)
    at = [row['epoch'] + 1 for row in rows]
    left.plot(at, [row['loss'] for row in rows], 'k--', label='training, all heads')
    for key in rows[0]:
        if key.startswith('val_') and key.endswith('_loss'):
            left.plot(at, [row[key] for row in rows], label=f'validation, {key[4:-5]}')
        elif key.endswith('_accuracy'):
            style = '-' if key.startswith('val_') else '--'
            name = f'validation, {key[4:-9]}' if style == '-' else f'training, {key[:-9]}'
            right.plot(at, [row[key] for row in rows], style, label=name)
    left.set(title='Loss', xlabel='epoch')
    right.set(title='Accuracy', xlabel='epoch', ylim=(None, 1))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(out, dpi=110)
