# SPDX-License-Identifier: Apache-2.0
"""Draw a contact sheet of the removed images, class by class."""

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
    Write a png with a random sample of the removed images of each label.

    Args:
        data: the split.
        removed: bool [N].
        suggested: label to write below each image, int [N], index into EMOTIONS or -1 for none.
        title: heading.
        path: file to write.

    """
    from matplotlib.figure import Figure

    figure = Figure((13, 2.05 * len(EMOTIONS)), layout='constrained')
    axes = figure.subplots(len(EMOTIONS), 1)
    figure.suptitle(f'{title}\nbelow each image: suggested label (- for none)', fontsize=10)
    for index, (label, axis) in enumerate(zip(EMOTIONS, axes, strict=True)):
        rows = np.flatnonzero(removed & (data.labels == index))
        shown = np.random.default_rng(index).permutation(rows)[: _COLUMNS * _ROWS]
        of_label = int((data.labels == index).sum())
        more = f', {len(shown)} of them shown' if len(shown) < len(rows) else ''
        axis.set_title(
            f'{label}: {len(rows)} of {of_label} removed{more}', loc='left', fontsize=10
        )
        lines = max(1, -(-len(shown) // _COLUMNS))
        sheet = np.full((lines * _CELL_PX, _COLUMNS * _CELL_PX), 255, np.uint8)
        for at, row in enumerate(shown):
            top, left = (_CELL_PX * number for number in divmod(at, _COLUMNS))
            sheet[top : top + 48, left + 4 : left + 52] = data.images[row]
            text = EMOTIONS[suggested[row]][:9] if suggested[row] >= 0 else '-'
            x, y = left + _CELL_PX / 2, top + _CELL_PX - 0.5
            axis.text(x, y, text, ha='center', va='bottom', fontsize=4.6)
        axis.imshow(sheet, cmap='gray', vmin=0, vmax=255)
        axis.axis('off')
    figure.savefig(path, dpi=130)
