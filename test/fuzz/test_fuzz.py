# SPDX-License-Identifier: Apache-2.0
"""A short run of each target, and that a long run would notice an error."""

import json
import subprocess
import sys

import pytest

from fuzz import __main__ as fuzz_command
from fuzz.engines import ENGINES, edit, has_atheris, run_hypothesis
from fuzz.fuzz_tables import counts_table, total_sentence
from fuzz.targets import TARGETS, Counter

EXAMPLES = {'raw': 1000, 'compressed': 1000, 'message': 150}


def test_edit():
    assert edit(b'abcdef', [(1, 2, b'X'), (0, 0, b'Y')]) == b'YaXdef'
    assert edit(b'', [(7, 3, b'z')]) == b'z'


@pytest.mark.stress
@pytest.mark.parametrize('target', TARGETS)
def test_every_input_is_read_or_refused(target):
    counter = Counter(TARGETS[target].make())
    run_hypothesis(TARGETS[target], counter, EXAMPLES[target])
    assert counter.read > 0
    assert counter.refused > 0
    assert counter.read + counter.refused >= EXAMPLES[target]


def test_hypothesis_raises_an_unexpected_error():
    def read(data):
        if b'\x00' in data[:3]:
            raise KeyError('unexpected')

    with pytest.raises(KeyError, match='unexpected'):
        run_hypothesis(TARGETS['raw'], Counter(read), 500)


@pytest.mark.stress
@pytest.mark.parametrize('engine', ENGINES)
def test_the_command_writes_a_record(tmp_path, engine):
    if engine == 'atheris' and not has_atheris():
        pytest.skip('atheris is not installed')
    command = [sys.executable, '-m', 'fuzz', '--minutes', '0.06', '--target', 'compressed']
    command += [
        '--engine',
        engine,
        '--out',
        str(tmp_path),
        '--record',
        str(tmp_path / 'fuzz.json'),
    ]
    subprocess.run(command, check=True, timeout=120)
    record = json.loads((tmp_path / 'fuzz.json').read_text())
    (row,) = record['targets']
    assert (row['target'], row['engine'], row['findings']) == ('compressed', engine, [])
    assert min(row['read'], row['refused']) > 0
    assert counts_table(record).count('\n') == 2
    assert ', 0 findings (seed ' in total_sentence(record)


def test_an_input_that_was_kept_can_be_read_again(tmp_path, capsys, monkeypatch):
    (tmp_path / 'kept').write_bytes(b'GIF89a')
    words = ['fuzz', '--reproduce', str(tmp_path / 'kept'), '--target', 'compressed']
    monkeypatch.setattr(sys, 'argv', words)
    assert fuzz_command.main() == 0
    assert capsys.readouterr().out == 'refused: neither jpeg nor png\n'
