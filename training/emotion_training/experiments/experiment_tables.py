# SPDX-License-Identifier: Apache-2.0
"""The results of the experiments as the Markdown tables of docs/lab/experiments.md."""

from typing import Any

from emotion_training.evaluate.evaluation import ALL_FACES, FER2013_LABEL, MAJORITY
from emotion_training.evaluate.metrics import markdown, percent, signed

_TARGETS = {'fer2013': 'label', 'crowd': 'vote shares'}


def filtering_table(results: dict[str, Any]) -> str:
    """Return a table of the training sets and a table of the scores against each reference."""
    arms = results['arms']
    rows = []
    for name, facts in arms.items():
        methods = [f'{method} ({note})' for method, note in facts['methods'].items()]
        joined = (' and ' if facts['combine'] == 'all' else ' or ').join(methods)
        rows.append(
            [
                name,
                facts['images'],
                facts['epochs'],
                _TARGETS[facts['learns']],
                joined or 'nothing: all are kept',
            ]
        )
    blocks = [markdown(rows, ['variant', 'images', 'epochs', 'target', 'filtered by'])]
    against = f'against {next(iter(arms))}'
    headers = ['variant', 'accuracy', 'of the runs', against, 'macro recall', against]
    for reference, scores in results['scores'].items():
        rows = []
        for name, row in scores['arms'].items():
            accuracy, recall = row['accuracy'], row['macro_recall']
            runs = f'{percent(min(accuracy["runs"]))} .. {percent(max(accuracy["runs"]))}'
            rows.append(
                [
                    name,
                    _mean(accuracy),
                    runs,
                    _difference(accuracy),
                    _mean(recall),
                    _difference(recall),
                ]
            )
        blocks += [
            f'**{reference}**, {scores["images"]} images of PublicTest:',
            markdown(rows, headers),
        ]
    return '\n\n'.join(blocks)


def architectures_table(results: dict[str, Any]) -> str:
    """Return cost and scores of each architecture, each score by the head that is made for it."""
    columns = {'crowd': MAJORITY, 'fer2013': FER2013_LABEL}
    rows = []
    for name, network in results['networks'].items():
        cells = [
            name,
            f'{network["multiplications"] / 1e6:.1f}',
            f'{network["parameters"] / 1e6:.2f}',
            f'{network["yardsticks"]["float32"]:.2f}',
            f'{network["yardsticks"]["dynamic"]:.2f}',
        ]
        for head, reference in columns.items():
            row = results['scores'][head][reference]['arms'][name]
            cells += [_mean(row['accuracy']), _difference(row['accuracy'])]
            cells.append(percent(row['macro_recall']['mean']))
        rows.append(cells)
    against = f'against {next(iter(results["networks"]))}'
    headers = ['', 'million multiplications', 'million parameters', 'float32', 'eight bits']
    for reference in columns.values():
        headers += [reference, against, 'macro recall']
    return markdown(rows, headers)


def conditions_table(results: dict[str, Any]) -> str:
    """Return the scores on known conditions and on those that were left out of the training."""
    rows = []
    for name, runs in results['ways'].items():
        cells = [name]
        for part in ('known conditions', 'left out'):
            for reference, keys in (
                (MAJORITY, ('accuracy', 'macro_recall', 'ece')),
                (ALL_FACES, ('macro_recall', 'log_loss')),
            ):
                for key in keys:
                    values = [run[part][reference][key] for run in runs]
                    cells.append(_mean_and_range(values, in_percent=key != 'log_loss'))
        rows.append(cells)
    columns = ('accuracy', 'macro recall', 'ECE', 'macro recall, all faces', 'log loss, all faces')
    return markdown(rows, ['', *columns, *(f'left out: {column}' for column in columns)])


def _mean_and_range(values: list[float], in_percent: bool) -> str:
    """Return the mean of some runs and, of several, the lowest and highest."""
    numbers = [f'{100 * value:.1f}' if in_percent else f'{value:.3f}' for value in sorted(values)]
    mean = sum(values) / len(values)
    text = f'{100 * mean:.1f}' if in_percent else f'{mean:.3f}'
    return text if len(values) == 1 else f'{text} ({numbers[0]} .. {numbers[-1]})'


def _mean(score: dict[str, Any]) -> str:
    low, high = score['interval']
    return f'{percent(score["mean"])} ({percent(low)} .. {percent(high)})'


def _difference(score: dict[str, Any], digits: int = 1) -> str:
    if 'against_first' not in score:
        return ''
    return signed([100 * value for value in score['against_first']], digits, 1)


def study_table(results: dict[str, Any]) -> str:
    """Return the study's two accuracies and those of its models here."""
    columns = {
        'training': 'training',
        'kept_validation': 'kept validation',
        'validation': 'whole PublicTest',
        'majority': MAJORITY,
    }
    rows = [
        [name, row.get('epochs', '')]
        + ['' if row.get(key) is None else f'{row[key]:.2%}' for key in columns]
        for name, row in results['models'].items()
    ]
    return markdown(rows, ['', 'epochs', *columns.values()])


def models_table(
    scores: dict[str, Any], references: tuple[str, ...] = (FER2013_LABEL, MAJORITY)
) -> str:
    """
    Return accuracy, macro recall and ECE of several models, and the gain against the first.

    Args:
        scores: record of `emotion-training evaluate`.
        references: names of the references.

    """
    rows = []
    for model in scores['models']:
        cells = [model['name'].split('/')[0]]
        for name in references:
            row = model['questions'][name]
            gain = (
                {'against_first': row['against_first']['accuracy']}
                if 'against_first' in row
                else {}
            )
            cells.append(f'{percent(row["accuracy"], 2)} ({percent(row["macro_recall"])})')
            cells += [_difference(gain, 2), percent(row['ece'])]
        rows.append(cells)
    headers = ['', *(cell for name in references for cell in (name, 'gain', 'ECE'))]
    return markdown(rows, headers)
