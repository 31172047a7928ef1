"""One picture of what a filter removes, class by class."""

from pathlib import Path

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.dataset import Dataset

_COLUMNS, _ROWS = 20, 3
_CELL_PX = 56


def contact_sheet(
    data: Dataset, removed: np.ndarray, suggested: np.ndarray, title: str, path: Path
) -> None:
    """
    Write a png: a random sample of the removed images of each label, each with what it may show.

    Args:
        data: the split.
        removed: bool [N].
        suggested: int [N], index into EMOTIONS or -1.
        title: first line.
        path: file to write.

    """
    from matplotlib.figure import Figure

    figure = Figure((13, 2.05 * len(EMOTIONS)), layout='constrained')
    axes = figure.subplots(len(EMOTIONS), 1)
    figure.suptitle(
        f'{title}\nbelow each image: what it is taken for (- where nothing is named)', fontsize=10
    )
    for index, (label, axis) in enumerate(zip(EMOTIONS, axes, strict=True)):
        rows = np.flatnonzero(removed & (data.labels == index))
        shown = np.random.default_rng(index).permutation(rows)[: _COLUMNS * _ROWS]
        axis.set_title(
            f'{label}: {len(rows)} of {int((data.labels == index).sum())} removed'
            + (f', {len(shown)} of them shown' if len(shown) < len(rows) else ''),
            loc='left', fontsize=10,
        )  # fmt: skip
        axis.imshow(_mosaic(data.images[shown]), cmap='gray', vmin=0, vmax=255)
        for place, row in enumerate(shown):
            x, y = place % _COLUMNS, place // _COLUMNS
            text = EMOTIONS[suggested[row]][:9] if suggested[row] >= 0 else '-'
            axis.text(
                (x + 0.5) * _CELL_PX, (y + 1) * _CELL_PX - 0.5, text,
                ha='center', va='bottom', fontsize=4.6,
            )  # fmt: skip
        axis.axis('off')
    figure.savefig(path, dpi=130)


def _mosaic(images: np.ndarray) -> np.ndarray:
    """Return the images side by side on white, with room for a word below each."""
    lines = max(1, -(-len(images) // _COLUMNS))
    sheet = np.full((lines * _CELL_PX, _COLUMNS * _CELL_PX), 255, np.uint8)
    for place, image in enumerate(images):
        top, left = place // _COLUMNS * _CELL_PX, place % _COLUMNS * _CELL_PX + 4
        sheet[top : top + 48, left : left + 48] = image
    return sheet
