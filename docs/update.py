"""Write the generated parts of the README anew: the table of parameters, the scores of the model."""

import contextlib
import io
from pathlib import Path

from emotion_perception import cli
from emotion_perception.parameters import PARAMETERS

README = Path(__file__).parents[1] / 'README.md'


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


def updated(text: str) -> str:
    """Return the README's text with each generated part made anew."""
    for name, part in (('parameters', parameter_table()), ('model', model_scores())):
        begin, end = f'<!-- generated: {name} -->\n', '<!-- end -->'
        before, _, rest = text.partition(begin)
        assert end in rest, f'README.md has no part {begin}'
        text = before + begin + part + '\n' + rest[rest.index(end) :]
    return text


if __name__ == '__main__':
    README.write_text(updated(README.read_text()))
