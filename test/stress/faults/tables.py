"""The record of the faults as a table of docs/lab/reliability.md."""

from typing import Any

_UNITS = {'_ms': ' ms', '_s': ' s', '_mb': ' MB'}


def table(trials: dict[str, Any]) -> str:
    """Return a row for each trial: what was tried, how often, what was lost, the longest recovery, and the rest."""
    rows = [
        '| what was tried | how often | what was lost | longest recovery | besides |',
        '|---|---|---|---|---|',
    ]
    for trial in trials.values():
        lost = ', '.join(f'{count} {what}' for what, count in trial['lost'].items() if count)
        longest = f'{trial["longest_s"]:.2f} s' if 'longest_s' in trial else ''
        besides = [_note(name, value) for name, value in trial['notes'].items()]
        besides += [trial['skipped']] * bool(trial['skipped'])
        rows.append(
            f'| {trial["what"]} | {trial["tried"]} | {lost or "nothing"} | {longest} | {"; ".join(besides)} |'
        )
    return '\n'.join(rows)


def _note(name: str, value: Any) -> str:
    """Return a note in words: `longest_answer_s` and 0.1 as `longest answer 0.1 s`."""
    for suffix, unit in _UNITS.items():
        if name.endswith(suffix):
            return f'{name.removesuffix(suffix).replace("_", " ")} {value}{unit}'
    return f'{name.replace("_", " ")} {value}'


def seeds(trials: dict[str, Any]) -> str:
    """Return the seed that repeats the run, as a sentence."""
    drawn = sorted({trial['seed'] for trial in trials.values() if trial['seed'] is not None})
    return f'Seed {", ".join(map(str, drawn))}.'
