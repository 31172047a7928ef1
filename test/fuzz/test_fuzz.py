"""A short run of each target, and that a long one would notice what goes wrong."""

import json
import subprocess
import sys
import time

import pytest

from fuzz import campaign, main, tables
from fuzz.campaign import fuzz, has_atheris
from fuzz.mutation import LONGEST, mutated
from fuzz.targets import targets
from fuzz.worker import Present, Tally, read_present

EXECUTIONS = {'raw': 5000, 'compressed': 3000, 'message': 250, 'definition': 400}


def check(count, executions, tmp_path):
    """Check that every input was read or refused, and that some were read and some refused."""
    assert count.findings == {}, list(tmp_path.rglob('*'))
    assert count.executions >= executions
    assert count.endings.total() == count.executions
    read = sum(n for ending, n in count.endings.items() if ending.startswith(('read', 'looked')))
    assert 0 < read < count.executions, count.endings


@pytest.mark.parametrize('name', targets())
def test_every_input_is_read_or_refused(tmp_path, name):
    """With chance alone, the same on every machine; `make fuzz` goes on from there."""
    executions = EXECUTIONS.get(name, 300)
    count = fuzz(name, tmp_path / 'found', executions=executions, engine='mutation', seed=11)
    check(count, executions, tmp_path)


@pytest.mark.skipif(
    not has_atheris(), reason='atheris is not installed; the test above ran instead'
)
@pytest.mark.parametrize('name', ['compressed', 'mcap'])
def test_with_atheris(tmp_path, name):
    count = fuzz(name, tmp_path / 'found', executions=400, engine='atheris', seed=11)
    check(count, 400, tmp_path)


def test_what_else_comes_of_an_input_is_kept(tmp_path):
    def run(data):
        if data.startswith(b'a'):
            raise KeyError('a')
        return 'read'

    tally = Tally(tmp_path / 't.json', tmp_path / 'found', run, (1e9, 10**9))
    for data in (b'', b'a1', b'b', b'a2', b'c'):
        tally.execute(data)
    tally._write()
    made = json.loads((tmp_path / 't.json').read_text())
    assert made['executions'] == 5
    assert made['endings'] == {'read': 3}
    ((what, number),) = made['findings'].items()
    assert what.startswith('KeyError in test_fuzz.py:')
    assert number == 2
    (kept,) = (tmp_path / 'found').glob('*.bin')
    assert kept.read_bytes() == b'a1'
    assert 'KeyError' in kept.with_suffix('.txt').read_text()


@pytest.mark.parametrize('harm', ['os.abort()', 'time.sleep(100)', 'pass'])
def test_a_crash_and_a_hang_are_findings(tmp_path, monkeypatch, harm):
    monkeypatch.setattr(campaign, 'HANG_S', 1.0)
    path = tmp_path / 'present'
    Present(path).put(41, b'the last one')
    code = f'import os, time; {harm}'
    process = subprocess.Popen([sys.executable, '-c', code])
    began = time.monotonic()
    said = campaign._watch(process, path)
    assert time.monotonic() - began < 30
    assert process.poll() is not None
    expected = {'os.abort()': 'the process ended with -6', 'pass': ''}
    assert said == expected.get(harm, 'no end within 1 s')
    assert read_present(path) == (41, b'the last one')


def test_the_command_writes_a_record(tmp_path, capsys):
    words = ['--minutes', '0.02', '--engine', 'mutation', '--target', 'raw', '--out', str(tmp_path / 'out')]  # fmt: skip
    assert main([*words, '--record', str(tmp_path / 'fuzz.json'), '--seed', '3']) == 0
    assert ' inputs, 0 findings; ' in capsys.readouterr().out
    record = json.loads((tmp_path / 'fuzz.json').read_text())
    (row,) = record['targets']
    assert (row['target'], row['engine'], row['findings']) == ('raw', 'mutation', {})
    assert row['executions'] == row['read'] + row['refused'] > 0
    assert tables.counts(record).count('\n') == 2
    assert '0 findings' in tables.sentences(record)


def test_an_input_that_was_kept_can_be_run_again(tmp_path, capsys):
    (tmp_path / 'kept.bin').write_bytes(b'GIF89a')
    assert main(['--reproduce', str(tmp_path / 'kept.bin'), '--target', 'compressed']) == 0
    assert capsys.readouterr().out == 'neither jpeg nor png\n'


def test_changes_depend_on_the_seed_alone():
    import random

    data = bytes(range(256)) * 4

    def changes(seed):
        chance = random.Random(seed)
        return [mutated(data, chance, [data]) for _ in range(200)]

    assert changes(1) == changes(1)
    assert len(set(changes(1))) > 190
    assert changes(1) != changes(2)
    assert max(map(len, changes(3))) <= LONGEST
