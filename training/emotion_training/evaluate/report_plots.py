# SPDX-License-Identifier: Apache-2.0
"""The figures of a report as png."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from emotion_training.evaluate.metrics import ECE_BINS

_PAGE, _INK, _FAINT, _BLUE, _RED = '#ffffff', '#1c2330', '#d5dae3', '#2563c9', '#d0452f'

_in_style = mpl.rc_context(
    {
        'figure.dpi': 150,
        'figure.constrained_layout.use': True,
        'figure.facecolor': _PAGE,
        'text.color': _INK,
        'axes.labelcolor': _INK,
        'xtick.color': _INK,
        'ytick.color': _INK,
        'axes.edgecolor': _FAINT,
        'grid.color': _FAINT,
        'axes.facecolor': _PAGE,
        'axes.spines.top': False,
        'axes.spines.right': False,
        'axes.axisbelow': True,
        'axes.grid': True,
        'grid.linewidth': 0.7,
        'font.size': 10,
        'axes.titlesize': 11.5,
        'axes.titleweight': 'bold',
        'axes.titlelocation': 'left',
        'axes.titlepad': 10,
        'legend.frameon': False,
    }
)
"""Decorates what draws a figure."""


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format='png')
    return stream.getvalue()


@_in_style
def confusion(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> bytes:
    """Draw a confusion matrix: color and per cent are rates of a row, with the count below."""
    matrix = np.array(counts)
    rates = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    figure = Figure((6.2, 5.6))
    axes = figure.add_subplot()
    colors = LinearSegmentedColormap.from_list('rates', [_PAGE, _BLUE])
    axes.imshow(rates, cmap=colors, vmin=0, vmax=1)
    for row, column in np.ndindex(*matrix.shape):
        deep = rates[row, column] > 0.55
        place: dict[str, Any] = {'ha': 'center', 'color': _PAGE if deep else _INK}
        axes.text(
            column,
            row - 0.02,
            f'{rates[row, column]:.0%}',
            va='bottom',
            weight='bold' if row == column else 'normal',
            **place,
        )
        axes.text(column, row + 0.06, f'{matrix[row, column]}', va='top', size=8, **place)
    axes.set_xticks(range(len(labels)), labels, rotation=35, ha='right', rotation_mode='anchor')
    axes.set_yticks(
        range(len(labels)), [f'{n} ({c})' for n, c in zip(labels, matrix.sum(1), strict=True)]
    )
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set(title='Confusion matrix: rates and counts', xlabel='predicted', ylabel='label')
    return _png(figure)


@_in_style
def reliability(bins: dict[str, list], ece: float) -> bytes:
    """Draw a reliability diagram over a histogram of the confidences."""
    images = np.array(bins['images'])
    accuracy = np.array([np.nan if v is None else v for v in bins['accuracy']], float)
    centers = (np.arange(ECE_BINS) + 0.5) / ECE_BINS
    confidence = np.array(
        [c if v is None else v for v, c in zip(bins['confidence'], centers, strict=True)], float
    )
    figure = Figure((6.2, 5.6))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    width = 0.92 / ECE_BINS
    above.bar(centers, accuracy, width, color=_BLUE, label='accuracy')
    above.bar(
        centers,
        confidence - accuracy,
        width,
        accuracy,
        label='gap to the confidence',
        facecolor='none',
        edgecolor=_RED,
        hatch='////',
    )
    above.plot((0, 1), (0, 1), '--', color=_INK, linewidth=1, label='perfect calibration')
    above.set(title=f'Reliability: ECE {ece:.2%}', ylabel='accuracy', xlim=(0, 1), ylim=(0, 1))
    above.legend(loc='upper left')
    below.bar(centers, images / images.sum(), width, color=_BLUE, alpha=0.6)
    below.set(xlabel='confidence', ylabel='images')
    for axes in (above, below):
        _per_cent(axes, 'y')
    _per_cent(below, 'x')
    return _png(figure)


@_in_style
def risk_coverage(curve: dict[str, Any]) -> bytes:
    """Draw the error rate of the most confident predictions against their coverage."""
    robot = curve['robot']
    figure = Figure((6.2, 3.9))
    axes = figure.add_subplot()
    axes.plot(curve['coverage'], curve['risk'], color=_BLUE, linewidth=2)
    axes.fill_between(curve['coverage'], curve['risk'], color=_BLUE, alpha=0.15)
    if robot['accuracy'] is not None:
        at = robot['coverage'], 1 - robot['accuracy']
        axes.plot(*at, 'o', color=_RED, markersize=7)
        axes.annotate(
            f'node: coverage {at[0]:.0%},\nerror rate {at[1]:.1%}',
            at,
            (-12, 22),
            textcoords='offset points',
            ha='right',
            color=_RED,
        )
    axes.set(
        title=f'Risk and coverage: area {curve["area"]:.3f}',
        xlim=(0, 1.01),
        ylim=(0, None),
        xlabel='coverage, most confident first',
        ylabel='error rate',
    )
    _per_cent(axes, 'x')
    _per_cent(axes, 'y')
    return _png(figure)


@_in_style
def compared(models: Sequence[dict[str, Any]], score: str, title: str) -> bytes:
    """
    Draw a score of several models with its 95 % intervals, by reference.

    Args:
        models: ``models`` of `evaluation.report_data`.
        score: ``'accuracy'`` or ``'macro_recall'``.
        title: of the figure.

    """
    names = list(models[0]['questions'])
    height = 1.5 + len(names) * (0.3 + 0.16 * len(models)) + 0.2 * len(models) / 3
    figure = Figure((6.2, height))
    axes = figure.add_subplot()
    colors = LinearSegmentedColormap.from_list('models', [_BLUE, _RED])
    step = 0.7 / len(models)
    for index, model in enumerate(models):
        rows = [model['questions'][name] for name in names]
        values = np.array([row[score] for row in rows])
        low, high = np.array([row['intervals'][score] for row in rows]).T
        heights = np.arange(len(names)) + (index - (len(models) - 1) / 2) * step
        axes.errorbar(
            values,
            heights,
            xerr=np.maximum((values - low, high - values), 0),
            fmt='o',
            capsize=3,
            color=colors(index / (len(models) - 1)),
            label=model['name'],
            markersize=5,
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(False, axis='y')
    axes.set(title=title)
    _per_cent(axes, 'x')
    figure.legend(loc='outside lower center', ncols=min(len(models), 3))
    return _png(figure)


def _per_cent(axes: Axes, which: str) -> None:
    axis = axes.xaxis if which == 'x' else axes.yaxis
    axis.set_major_formatter(lambda value, _: f'{value:.0%}')
