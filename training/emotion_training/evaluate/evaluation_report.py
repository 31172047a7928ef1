"""One self-contained HTML page and a json about one or more models on one split."""

import base64
import datetime
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from emotion_training.data.dataset import Dataset
from emotion_training.evaluate import report_plots
from emotion_training.evaluate.evaluation import is_main
from emotion_training.files import whole_file

_TEMPLATE = 'evaluation_report.html'


def _data_uri(png: bytes) -> str:
    return 'data:image/png;base64,' + base64.b64encode(png).decode()


def _picture(image: np.ndarray) -> str:
    return _data_uri(cv2.imencode('.png', image)[1].tobytes())


def _figures(row: dict[str, Any], labels: list[str]) -> dict[str, dict[str, str]]:
    """Return the figures of one question as data URIs, by name and theme."""
    drawn = {
        'confusion': report_plots.confusion(row['confusion'], labels),
        'reliability': report_plots.reliability(row['reliability'], row['ece']),
        'risk_coverage': report_plots.risk_coverage(row['risk_coverage']),
    }
    return {name: _themes(figure) for name, figure in drawn.items()}


def _themes(figure: dict[str, bytes]) -> dict[str, str]:
    return {theme: _data_uri(png) for theme, png in figure.items()}


def render(data: dict[str, Any], split: Dataset) -> str:
    """
    Return the page: no file or script from elsewhere, for screens light and dark and for paper.

    Args:
        data: what `assess.report_data` returns.
        split: the images that it speaks of.

    """
    import jinja2

    models, labels = data['models'], data['labels']
    shown = [name for name in models[0]['questions'] if is_main(name)]
    rows = {path: index for index, path in enumerate(split.paths)}
    figures, mistakes = {}, {}
    steps = [(model, name) for model in models for name in shown]
    for model, name in tqdm(steps, unit='question', desc='figures', disable=None):
        row = model['questions'][name]
        figures[model['name'], name] = _figures(row, labels)
        mistakes[model['name'], name] = [
            mistake | {'picture': _picture(split.images[rows[mistake['path']]])}
            for mistake in row['mistakes']
        ]
    compared = {}
    if len(models) > 1:
        for score in ('accuracy', 'macro_recall'):
            title = score.replace('_', ' ').capitalize()
            figure = report_plots.compared(models, score, f'{title}, 95 % intervals')
            compared[title] = _themes(figure)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters['percent'] = lambda value, digits=2: (
        '–' if value is None else f'{100 * value:.{digits}f} %'  # noqa: RUF001
    )
    return environment.get_template(_TEMPLATE).render(
        data=data, shown=shown, figures=figures, mistakes=mistakes, compared=compared,
        day=datetime.date.today().isoformat(),
    )  # fmt: skip


def write_report(data: dict[str, Any], split: Dataset, out: Path) -> list[Path]:
    """
    Write ``report.html`` and ``scores.json`` into the folder `out`; return their paths.

    Args:
        data: what `assess.report_data` returns.
        split: the images that it speaks of.
        out: is made where it is missing; a report in it is replaced.

    """
    contents = {
        out / 'report.html': render(data, split),
        out / 'scores.json': json.dumps(data, indent=1) + '\n',
    }
    for path, text in contents.items():
        with whole_file(path) as stream:
            stream.write(text)
    return list(contents)
