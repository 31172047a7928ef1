# SPDX-License-Identifier: Apache-2.0
"""Draw the part `reach`: the share of faces that each detector finds."""

from pathlib import Path
from typing import Any

KINDS = ('width, px of 640x480', 'width, px of 1280x720', 'rotation, degrees')


def draw_reach(reach: dict[str, Any], path: Path) -> None:
    """
    Draw recall by width and by rotation, a curve for each detector.

    Args:
        reach: what `measure_reach` returned.
        path: of the image to write; its suffix gives the format.

    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout='constrained')
    for axes, kind in zip(figure.subplots(1, len(KINDS), sharey=True), KINDS, strict=True):
        rows = [row for row in reach['recall'] if row['kind'] == kind]
        for number, name in enumerate(reach['ms']):
            # curves that lie on each other stay visible
            axes.plot(
                [row['value'] for row in rows],
                [100 * row[name] for row in rows],
                marker='os^dv'[number % 5],
                linestyle=('-', '--', ':', '-.')[number % 4],
                label=name,
            )
        if kind.startswith('width'):
            axes.set_xscale('log')
            values = [row['value'] for row in rows]
            axes.set_xticks(values, list(map(str, values)), fontsize=7)
            axes.minorticks_off()
        axes.set_xlabel(kind)
        axes.grid(alpha=0.3)
        axes.set_ylim(-2, 102)
    figure.axes[0].set_ylabel('faces found, %')
    figure.axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=100)
