# SPDX-License-Identifier: Apache-2.0
"""Fill the generated parts of the documents from the code and from docs/lab/records."""

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import result_tables
from emotion_perception import cli
from emotion_perception.classification import DEFAULT_MODEL
from emotion_perception.ros.parameters import PARAMETERS
from emotion_training.commands.reproduce import STEPS
from emotion_training.evaluate import (
    adaptation_scores,
    both_heads,
    corruption_scores,
    model_card,
    scene_scores,
    sensitivity,
)
from emotion_training.experiments import experiment_tables
from emotion_training.train.epoch_log import read_epochs, training_record
from fuzz import fuzz_tables
from stress.faults import trial
from stress.soak import growth

ROOT = Path(__file__).parents[1]
RECORDS = ROOT / 'docs' / 'lab' / 'records'

TEACHER = ROOT / 'training' / 'teacher' / 'expression_full.tflite'


def record(name: str) -> Any:
    """Return the json record of a measurement."""
    return json.loads((RECORDS / f'{name}.json').read_text())


def model_metadata() -> dict[str, Any]:
    """Return the json beside the packaged model."""
    return json.loads(DEFAULT_MODEL.with_suffix('.json').read_text())


def machine(name: str = 'performance') -> str:
    """Return one sentence about the machine that a record was measured on."""
    m = record(name)['machine']
    return (
        f'Measured on {m["cores"]} cores of an {m["processor"]}, Python {m["python"]}, '
        f'NumPy {m["numpy"]}, OpenCV {m["opencv"]}, LiteRT {m["litert"]}; '
        f'load average at the start {m["load_before"]}'
        + (f'; {m["hidden"]} were hidden.' if 'hidden' in m else '.')
    )


def parameter_table() -> str:
    """Return the parameters of the node as a table."""
    rows = ['| parameter | default | live | description |', '|---|---|---|---|']
    for spec in PARAMETERS:
        default = f'`{spec.default}`' if spec.default != '' else 'empty'
        text = spec.description
        if spec.choices:
            text += f' One of {", ".join(map(str, spec.choices))}.'
        if spec.bounds:
            text += f' {spec.bounds[0]:g} to {spec.bounds[1]:g}.'
        rows.append(f'| `{spec.name}` | {default} | {"yes" if spec.live else ""} | {text} |')
    return '\n'.join(rows)


def model_scores() -> str:
    """Return the output of `emotion-perception models` without the path of the file."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        cli.main(['models'])
    lines = [line for line in printed.getvalue().splitlines() if not line.startswith('  file ')]
    return '\n'.join(['```', *lines, '```'])


def training_cost() -> str:
    """Return how long each training behind the packaged model took."""
    logs = {step.recipe: RECORDS / f'{step.recipe}_epochs.csv' for step in STEPS}
    logs |= {path.stem: training_record(path) for path in (TEACHER, DEFAULT_MODEL)}
    rows = ['| training | epochs | minutes |', '|---|---|---|']
    total_min = 0.0
    for name, path in logs.items():
        epochs = read_epochs(path)
        minutes = epochs[-1]['elapsed_s'] / 60
        total_min += minutes
        rows.append(f'| `{name}` | {len(epochs)} | {minutes:.0f} |')
    return '\n'.join([*rows, f'| together |  | {total_min:.0f} |'])


def loose_crop_table() -> str:
    """Return the scores on loose crops of a training without them and of the last full one."""
    results = {name: record(f'{name}_robustness')['corruptions'] for name in ('distilled', 'full')}
    return corruption_scores.comparison(results, 'loose crop')


def poor_images_table() -> str:
    """Return the scores on the poorest images of the packaged network and of the one before."""
    results = {name: record(f'{name}_robustness')['corruptions'] for name in ('longer', 'model')}
    return corruption_scores.strongest(results)


def faults_report() -> str:
    """Return the table of faults, the seed and the machine."""
    trials = record('faults')['trials']
    return f'{trial.trials_table(trials)}\n\n{trial.seeds_sentence(trials)} {machine("faults")}'


def soak_report() -> str:
    """Return the summary of the soak, its table and the machine."""
    soak = record('soak')
    return f'{growth.summary(soak)}\n\n{growth.growth_table(soak)}\n\n{machine("soak")}'


Part = Callable[[], str]

PERFORMANCE: dict[str, Part] = {
    'machine': machine,
    **{
        name: lambda table=table: table
        for name, table in result_tables.tables_of(record('performance')).items()
    },
    'models': lambda: result_tables.models(record('performance'), record('performance_avx2')),
    'machine, avx2': lambda: machine('performance_avx2'),
    'budgets, avx2': lambda: result_tables.budgets(record('performance_avx2')),
}

PARTS: dict[str, dict[str, Part]] = {
    'README.md': {
        'model': model_scores,
        'peers': PERFORMANCE['peers'],
    },
    'docs/node.md': {'parameters': parameter_table},
    'docs/performance.md': PERFORMANCE,
    'docs/model_card.md': {
        'facts': lambda: model_card.facts_table(model_metadata(), DEFAULT_MODEL.read_bytes()),
        'scores': lambda: model_card.scores_table(record('model_scores')),
        'classes': lambda: model_card.class_table(record('model_scores')),
        'calibration': lambda: model_card.calibration_table(model_metadata()),
        'coverage': lambda: model_card.coverage_table(record('model_scores')),
        'sensitivity': lambda: sensitivity.table(record('model_robustness')['sensitivity']),
        'adaptation': lambda: adaptation_scores.table(record('model_robustness')['adaptation']),
        'corruptions': lambda: corruption_scores.table(record('model_robustness')['corruptions']),
        'scenes': lambda: scene_scores.table(record('model_robustness')['scenes']),
        'training': training_cost,
    },
    'docs/lab/experiments.md': {
        'filtering': lambda: experiment_tables.filtering_table(record('filtering')),
        'trainings': lambda: experiment_tables.models_table(record('tried')),
        'loose crop': loose_crop_table,
        'exports': lambda: experiment_tables.models_table(record('exports')),
        'compact': lambda: experiment_tables.models_table(record('compact')),
        'architectures': lambda: experiment_tables.architectures_table(record('architectures')),
        'fourth': lambda: experiment_tables.models_table(record('fourth')),
        'poor images': poor_images_table,
        'conditions': lambda: experiment_tables.conditions_table(record('conditions')),
        'balance': lambda: experiment_tables.models_table(
            record('balance'), ('FER+ majority', 'FER+ all faces')
        ),
        'both heads': lambda: both_heads.table(record('model_robustness')['both_heads']),
        'study': lambda: experiment_tables.study_table(record('study')),
    },
    'docs/lab/reliability.md': {
        'faults': faults_report,
        'fuzz': lambda: fuzz_tables.counts_table(record('fuzz')),
        'fuzz sum': lambda: fuzz_tables.total_sentence(record('fuzz')),
        'soak': soak_report,
    },
}
"""Document -> name of a generated part -> the function that makes it."""


def updated(text: str, parts: dict[str, Part]) -> str:
    """
    Return the text of a document with each generated part replaced.

    Raises:
        ValueError: if the document has no place for a part.

    """
    for name, make in parts.items():
        begin, end = f'<!-- generated: {name} -->\n', '<!-- end -->'
        before, _, rest = text.partition(begin)
        if end not in rest:
            raise ValueError(f'there is no part {begin.strip()} with {end} after it')
        text = before + begin + make() + '\n' + rest[rest.index(end) :]
    return text


def documents() -> Iterator[tuple[Path, str]]:
    """Return the path of each document and the text that it should have."""
    for name, parts in PARTS.items():
        path = ROOT / name
        try:
            yield path, updated(path.read_text(), parts)
        except ValueError as error:
            raise ValueError(f'{name}: {error}') from None


if __name__ == '__main__':
    for path, text in documents():
        path.write_text(text)
