"""What a dataset consists of: a table, what was found in it, and a plot of its classes."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from emotion_perception.emotions import EMOTIONS

SPLIT_ORDER = ('train', 'validation', 'test')
PLOT = 'class_distribution.png'
_COLOURS = ('#2b6ca3', '#e08214', '#5aae61')


@dataclass(frozen=True)
class Summary:
    """
    Counts of a built dataset.

    Attributes:
        counts: images by (split, label).
        findings: number of each finding, in the words of the summary.
        left_out: number of images left out by reason.

    """

    counts: Counter
    findings: dict[str, str] = field(default_factory=dict)
    left_out: Counter = field(default_factory=Counter)

    @property
    def splits(self) -> list[str]:
        """The splits that hold images, train first."""
        return [name for name in SPLIT_ORDER if any(self.counts[name, e] for e in EMOTIONS)]

    def total(self, split: str) -> int:
        """Return the number of images of a split."""
        return sum(self.counts[split, label] for label in EMOTIONS)

    def text(self) -> str:
        """Return the table of classes and the findings as lines of text."""
        lines = [f'{"":<12}' + ''.join(f'{split:>20}' for split in self.splits)]
        for label in EMOTIONS:
            cells = (
                f'{self.counts[split, label]:>11} {self.counts[split, label] / self.total(split):>8.1%}'
                for split in self.splits
            )
            lines.append(f'{label:<12}' + ''.join(cells))
        lines.append(f'{"all":<12}' + ''.join(f'{self.total(s):>11}{"":9}' for s in self.splits))
        rows = list(self.findings.items())
        rows += [(f'left out: {reason}', str(n)) for reason, n in sorted(self.left_out.items())]
        width = max((len(name) for name, _ in rows), default=0) + 2
        return '\n'.join(
            lines
            + ['', 'found in the source:']
            + [f'  {name:<{width}}{value}' for name, value in rows]
        )


def plot_classes(summary: Summary, path: Path) -> None:
    """Draw the number of images of each class and split as bars, to a png."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.8), layout='constrained')
    axes = figure.add_subplot()
    width = 0.84 / len(summary.splits)
    for index, split in enumerate(summary.splits):
        at = [k + (index - (len(summary.splits) - 1) / 2) * width for k in range(len(EMOTIONS))]
        heights = [summary.counts[split, label] for label in EMOTIONS]
        bars = axes.bar(
            at, heights, width, color=_COLOURS[SPLIT_ORDER.index(split)],
            label=f'{split} ({summary.total(split)})',
        )  # fmt: skip
        axes.bar_label(bars, fontsize=8, padding=1)
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set_ylabel('images')
    axes.set_title('Images of each class')
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)
