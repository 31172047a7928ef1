# SPDX-License-Identifier: Apache-2.0
"""The evaluation report: a self-contained HTML page with figures, and its data as json."""

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
from emotion_training.evaluate.evaluation import FER2013_LABEL, MAJORITY
from emotion_training.files import atomic_file

REPORT, SCORES = 'report.html', 'scores.json'
"""Files of a report."""

_TEMPLATE = 'evaluation_report.html'


def data_uri(png: bytes) -> str:
    """Return a png file as a data URI."""
    return 'data:image/png;base64,' + base64.b64encode(png).decode()


def _image_uri(image: np.ndarray) -> str:
    return data_uri(cv2.imencode('.png', image)[1].tobytes())


def render(data: dict[str, Any], split: Dataset) -> str:
    """
    Return the page: light and dark theme, printable, without external files or scripts.

    Args:
        data: result of `evaluation.report_data`.
        split: the scored images.

    """
    import jinja2

    models = data['models']
    shown = [name for name in models[0]['questions'] if name in (FER2013_LABEL, MAJORITY)]
    row_of = {path: row for row, path in enumerate(split.paths)}
    figures, mistakes = {}, {}
    steps = [(model, name) for model in models for name in shown]
    for model, name in tqdm(steps, unit='reference', desc='figures', disable=None):
        scores = model['questions'][name]
        drawn = {
            'confusion': report_plots.confusion(scores['confusion'], data['labels']),
            'reliability': report_plots.reliability(scores['reliability'], scores['ece']),
            'risk_coverage': report_plots.risk_coverage(scores['risk_coverage']),
        }
        figures[model['name'], name] = {kind: data_uri(each) for kind, each in drawn.items()}
        mistakes[model['name'], name] = [
            mistake | {'image': _image_uri(split.images[row_of[mistake['path']]])}
            for mistake in scores['mistakes']
        ]
    compared = {}
    if len(models) > 1:
        for key, title in (('accuracy', 'Accuracy'), ('macro_recall', 'Macro recall')):
            figure = report_plots.compared(models, key, f'{title}, 95 % intervals')
            compared[title] = data_uri(figure)
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
    Write `REPORT` and `SCORES` into a folder; return their paths.

    Args:
        data: result of `evaluation.report_data`.
        split: the scored images.
        out: the folder; it is created, and an earlier report in it is replaced.

    """
    contents = {
        out / REPORT: render(data, split),
        out / SCORES: json.dumps(data, indent=1) + '\n',
    }
    for path, text in contents.items():
        with atomic_file(path) as stream:
            stream.write(text)
    return list(contents)
