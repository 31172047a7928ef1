"""Write the generated parts of the documents anew: from the code, and from the records of measurements."""

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import growth, tables
from emotion_perception import cli
from emotion_perception.classification import DEFAULT_MODEL
from emotion_perception.ros.parameters import PARAMETERS
from emotion_training.evaluate import corruption_scores, model_card, scene_scores
from emotion_training.experiments.experiment_tables import (
    filtering_table,
    models_table,
    study_table,
)
from emotion_training.train.epoch_log import read_epochs, training_record
from fuzz import tables as fuzz_tables
from stress.faults import tables as faults_tables
from stress.soak import tables as soak_tables

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / 'docs' / 'lab' / 'records'
BEFORE = ('teacher', 'taught', 'loose', 'large')
"""Trainings that came before the packaged model's own."""


def parameter_table() -> str:
    """Return the node's parameters as rows of a table."""
    rows = ['| parameter | default | | |', '|---|---|---|---|']
    for spec in PARAMETERS:
        default = f'`{spec.default}`' if spec.default != '' else 'empty'
        text = spec.description
        if spec.choices:
            text += f' One of {", ".join(spec.choices)}.'
        if spec.bounds:
            text += f' {spec.bounds[0]:g} to {spec.bounds[1]:g}.'
        rows.append(f'| `{spec.name}` | {default} | {"live" if spec.live else ""} | {text} |')
    return '\n'.join(rows)


def model_scores() -> str:
    """Return what `emotion-perception models` prints, without the path of this machine."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        cli.main(['models'])
    lines = [line for line in printed.getvalue().splitlines() if not line.startswith('  file ')]
    return '\n'.join(['```', *lines, '```'])


def record(name: str) -> Any:
    """Return the results that a command left, as json."""
    return json.loads((RECORDS / f'{name}.json').read_text())


def description() -> dict[str, Any]:
    """Return the json of the packaged model."""
    return json.loads(DEFAULT_MODEL.with_suffix('.json').read_text())


def training_cost() -> str:
    """Return how long each of the trainings behind the packaged model took."""
    told = {
        path.stem.removesuffix('_epochs'): read_epochs(path)
        for path in (
            *(RECORDS / f'expression_{name}_epochs.csv' for name in BEFORE),
            training_record(DEFAULT_MODEL),
        )
    }
    minutes = {name: rows[-1]['elapsed_s'] / 60 for name, rows in told.items()}
    parts = [f'`{name}` {len(told[name])} passes in {minutes[name]:.0f} minutes' for name in told]
    return (
        f'Training took two x86-64 cores and no GPU, with a little other work beside it: {", ".join(parts)}; '
        f'together {sum(minutes.values()) / 60:.1f} hours.'
    )


def machine(name: str = 'performance') -> str:
    """Return what the measurement of a record ran on, as a sentence."""
    m = record(name)['machine']
    return (
        f'Measured on {m["cores"]} cores of an {m["processor"]}, Python {m["python"]}, NumPy {m["numpy"]}, '
        f'OpenCV {m["opencv"]}, LiteRT {m["litert"]}; load before it began {m["load_before"]}.'
    )


def faults_report() -> str:
    """Return what came of the faults."""
    trials = record('faults')['trials']
    return f'{faults_tables.table(trials)}\n\n{faults_tables.seeds(trials)} {machine("faults")}'


def soak_report() -> str:
    """Return what the soak found."""
    found = record('soak')
    return f'{soak_tables.summary(found)}\n\n{soak_tables.table(found)}\n\n{machine("soak")}'


PERFORMANCE: dict[str, Callable[[], str]] = {
    'machine': machine,
    **{
        name: lambda made=made: made(record('performance')) for name, made in tables.TABLES.items()
    },
    'growth': lambda: growth.sentences(record('performance')['growth']),
    'history': lambda: tables.history(record('history')),
}
PARTS: dict[str, dict[str, Callable[[], str]]] = {
    'README.md': {
        'parameters': parameter_table,
        'model': model_scores,
        'states': PERFORMANCE['states'],
    },
    'docs/lab/experiments.md': {
        'filtering': lambda: filtering_table(record('filtering')),
        'tried': lambda: models_table(record('tried')),
        'loose': lambda: corruption_scores.comparison(
            {
                'taught': record('taught_robustness')['corruptions'],
                'net': record('net_robustness')['corruptions'],
            },
            'loose crop',
        ),
        'exports': lambda: models_table(record('exports')),
        'balance': lambda: models_table(record('balance'), ('FER+ majority', 'FER+ all faces')),
        'study': lambda: study_table(record('study')),
    },
    'docs/performance.md': PERFORMANCE,
    'docs/model_card.md': {
        'facts': lambda: model_card.facts_table(description(), DEFAULT_MODEL.stat().st_size),
        'scores': lambda: model_card.scores_table(record('model_scores')),
        'classes': lambda: model_card.class_table(record('model_scores')),
        'calibration': lambda: model_card.calibration_table(description()),
        'coverage': lambda: model_card.coverage_table(record('model_scores')),
        'corruptions': lambda: corruption_scores.table(record('model_robustness')['corruptions']),
        'training': training_cost,
        'scenes': lambda: scene_scores.table(record('model_robustness')['scenes']),
    },
    'docs/lab/reliability.md': {
        'faults': faults_report,
        'fuzz': lambda: fuzz_tables.counts(record('fuzz')),
        'fuzz sum': lambda: fuzz_tables.sentences(record('fuzz')),
        'soak': soak_report,
    },
}
"""Documents, and what makes each of their generated parts."""


def updated(text: str, parts: dict[str, Callable[[], str]]) -> str:
    """Return a document's text with each generated part made anew."""
    for name, make in parts.items():
        begin, end = f'<!-- generated: {name} -->\n', '<!-- end -->'
        before, _, rest = text.partition(begin)
        assert end in rest, f'there is no part {begin}'
        text = before + begin + make() + '\n' + rest[rest.index(end) :]
    return text


def documents() -> Iterator[tuple[Path, str]]:
    """Return each document with the text that it should have."""
    for name, parts in PARTS.items():
        path = ROOT / name
        yield path, updated(path.read_text(), parts)


if __name__ == '__main__':
    for path, text in documents():
        path.write_text(text)
