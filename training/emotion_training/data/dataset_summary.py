# SPDX-License-Identifier: Apache-2.0
"""Summarize a dataset: images of each class and split, findings, and a plot."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tabulate import tabulate

from emotion_perception.emotions import EMOTIONS

PLOT = 'class_distribution.png'
_COLORS = {'train': '#2b6ca3', 'validation': '#e08214', 'test': '#5aae61'}


@dataclass(frozen=True)
class Summary:
    """
    Counts of a built dataset.

    Attributes:
        counts: number of images, a row for each of EMOTIONS and a column for each split.
        findings: name and numbers of each finding in the source.
        left_out: number of images left out, by reason.

    """

    counts: pd.DataFrame
    findings: dict[str, str]
    left_out: dict[str, int]

    @classmethod
    def of(
        cls, images: pd.DataFrame, findings: dict[str, str], left_out: dict[str, int]
    ) -> 'Summary':
        """Return the summary of a table of images with the columns ``split`` and ``label``."""
        counts = pd.crosstab(images.label, images.split)
        splits = [split for split in _COLORS if split in counts]
        return cls(counts.reindex(EMOTIONS, fill_value=0)[splits], findings, left_out)

    def text(self) -> str:
        """Return the class distribution and the findings as lines of text."""
        total = self.counts.sum()
        rows = [
            [
                label,
                *(
                    cell
                    for n, share in zip(row, row / total, strict=True)
                    for cell in (n, f'{share:.1%}')
                ),
            ]
            for label, row in self.counts.iterrows()
        ]
        rows.append(['all', *(cell for n in total for cell in (n, ''))])
        classes = tabulate(
            rows,
            ['', *(heading for split in self.counts for heading in (split, ''))],
            'plain',
            colalign=('left', *('right',) * 2 * len(total)),
        )
        findings = self.findings | {f'left out: {why}': n for why, n in self.left_out.items()}
        found = tabulate(
            [('', *row) for row in findings.items()], tablefmt='plain', colalign=('left',) * 3
        )
        return f'{classes}\n\nfound in the source:\n{found}'


def plot_classes(summary: Summary, path: Path) -> None:
    """Write a png with the number of images of each class and split as bars."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.8), layout='constrained')
    axes = figure.add_subplot()
    width = 0.84 / len(summary.counts.columns)
    for number, (split, counts) in enumerate(summary.counts.items()):
        at = np.arange(len(EMOTIONS)) + (number - (len(summary.counts.columns) - 1) / 2) * width
        label = f'{split} ({counts.sum()})'
        bars = axes.bar(at, counts, width, color=_COLORS[str(split)], label=label)
        axes.bar_label(bars, fontsize=8, padding=1)
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set_ylabel('images')
    axes.set_title('Images of each class')
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
