"""The results of the experiments as Markdown; docs/lab/experiments.md holds what these functions return."""

from typing import Any

from emotion_training.markdown import percent, table

_ASKED = 'FER2013 label', 'FER+ majority'
_HEADS = {'fer2013': 'label', 'crowd': 'vote shares'}


def filtering_table(results: dict[str, Any]) -> str:
    """Return one table for what was learned from and one for each question that was scored."""
    arms, scores = results['arms'], results['scores']
    first = next(iter(arms))
    lines = table(
        ('arm', 'images', 'passes', 'learns', 'chosen by'),
        [
            (
                name,
                str(facts['images']),
                str(facts['epochs']),
                _HEADS[facts['learns']],
                f' {"and" if facts["combine"] == "all" else "or"} '.join(
                    f'{method} ({note})' for method, note in facts['methods'].items()
                )
                or 'nothing: all are kept',
            )
            for name, facts in arms.items()
        ],
    )
    for question, found in scores.items():
        lines += ['', f'**{question}**, {found["images"]} images of PublicTest:', '']
        lines += table(
            (
                'arm',
                'accuracy',
                'of the runs',
                f'against {first}',
                'macro recall',
                f'against {first}',
            ),
            [(name, *_cells(row)) for name, row in found['arms'].items()],
        )
    return '\n'.join(lines)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    accuracy, recall = row['accuracy'], row['macro_recall']
    runs = f'{100 * min(accuracy["runs"]):.1f} .. {100 * max(accuracy["runs"]):.1f}'
    return _mean(accuracy), runs, _difference(accuracy), _mean(recall), _difference(recall)


def _mean(score: dict[str, Any]) -> str:
    low, high = score['interval']
    return f'{100 * score["mean"]:.1f} ({100 * low:.1f} .. {100 * high:.1f})'


def _difference(score: dict[str, Any]) -> str:
    if 'against_first' not in score:
        return ''
    mean, low, high = (100 * value for value in score['against_first'])
    return f'{mean:+.1f} ({low:+.1f} .. {high:+.1f})'


def study_table(results: dict[str, Any]) -> str:
    """Return the study's two accuracies beside those of its models here."""
    percent = '{:.2%}'.format
    lines = table(
        ('', 'passes', 'training', 'kept validation', 'whole PublicTest', 'FER+ majority'),
        [
            (
                name,
                str(row.get('epochs', '')),
                *(
                    percent(row[key]) if row.get(key) is not None else ''
                    for key in ('training', 'kept_validation', 'validation', 'majority')
                ),
            )
            for name, row in results['models'].items()
        ],
    )
    return '\n'.join(lines)


def models_table(scores: dict[str, Any], questions: tuple[str, ...] = _ASKED) -> str:
    """Return what several models reach on each question, and what they gain against the first."""
    rows = []
    for model in scores['models']:
        cells = [model['name'].split('/')[0]]
        for name in questions:
            row = model['questions'][name]
            cells.append(f'{percent(row["accuracy"], 2)} ({percent(row["macro_recall"])})')
            mean, low, high = row.get('against_first', {}).get('accuracy', (None,) * 3)
            gain = (
                ''
                if mean is None
                else f'{100 * mean:+.2f} ({100 * low:+.1f} .. {100 * high:+.1f})'
            )
            cells += [gain, percent(row['ece'])]
        rows.append(cells)
    heading = ['', *(cell for name in questions for cell in (name, 'gain', 'ECE'))]
    return '\n'.join(table(heading, rows))
