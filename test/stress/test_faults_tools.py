"""How faults are counted, told and recorded; what a parameter must accept."""

import json
import math

import pytest

from emotion_perception.ros.parameters import PARAMETERS
from stress.faults import command
from stress.faults.counting import Count
from stress.faults.robot import LostError
from stress.faults.settings import ODD, allowed, message
from stress.faults.tables import seeds, table

KEPT = Count('kill -9', 3, {'recoveries': 0}, 7, [0.5, 2.25, 1.0], {'memory_growth_mb': 0.1})
BROKEN = Count('crowd', 10, {'messages': 2, 'nodes that ended': 0}, skipped='no disk here')


def test_a_count_tells_what_was_lost():
    assert KEPT.kept
    assert KEPT.longest_s == 2.25
    assert str(KEPT) == (
        'kill -9: 3 tried, nothing lost; longest recovery 2.25 s; memory_growth_mb 0.1 (seed 7)'
    )
    assert not BROKEN.kept
    assert BROKEN.longest_s is None
    assert str(BROKEN) == 'crowd: 10 tried, 2 messages lost'


def test_a_record_keeps_the_median_and_the_longest():
    record = KEPT.as_record()
    assert (record['recoveries'], record['median_s'], record['longest_s']) == (3, 1.0, 2.25)
    assert 'recovered_s' not in record
    assert 'longest_s' not in BROKEN.as_record()


def test_the_table():
    trials = {'kills': KEPT.as_record(), 'crowd': BROKEN.as_record()}
    assert table(trials).splitlines()[2:] == [
        '| kill -9 | 3 | nothing | 2.25 s | memory growth 0.1 MB |',
        '| crowd | 10 | 2 messages |  | no disk here |',
    ]
    assert seeds(trials) == 'Seed 7.'


@pytest.mark.parametrize(
    ('name', 'value', 'expected'),
    [
        ('min_face_px', 1, True),
        ('min_face_px', 0, False),
        ('min_face_px', 20.0, False),
        ('min_face_px', True, False),
        ('hysteresis', 0.5, True),
        ('hysteresis', 0.501, False),
        ('hysteresis', math.nan, False),
        ('hysteresis', None, False),
        ('threads', 2, False),
        ('detector', 'blazeface', False),
    ],
)
def test_what_a_configured_node_must_accept(name, value, expected):
    spec = next(spec for spec in PARAMETERS if spec.name == name)
    assert allowed(spec, value) is expected


def test_every_odd_value_has_a_message():
    kinds = {message('x', value).value.type for value in ODD}
    assert len(kinds) == 7
    assert message('x', b'raw').value.byte_array_value == [b'r', b'a', b'w']


def test_the_command_records_what_was_tried(tmp_path, monkeypatch, capsys):
    """What is not tried again stays; what cannot go on is a loss."""

    def lost():
        raise LostError('there is no service get_state')

    trials = {'kills': lambda: KEPT, 'crowd': lambda: BROKEN, 'deaf': lost}
    monkeypatch.setattr(command, 'trials', lambda minutes, seed, progress: trials)
    out = tmp_path / 'faults.json'
    assert command.main(['--only', 'kills', '--minutes', '2', '--out', str(out)]) == 0
    assert command.main(['--only', 'deaf', '--out', str(out)]) == 1
    found = json.loads(out.read_text())
    assert list(found['trials']) == ['kills', 'deaf']
    assert found['trials']['deaf']['lost'] == {'trial, for there is no service get_state': 1}
    assert found['machine']['cores'] > 0
    assert command.main(['--out', str(out)]) == 1
    assert '| kill -9 | 3 | nothing |' in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        command.main(['--minutes', '0'])
    assert end.value.code == 2
    assert command.main(['--only', 'kills', '--out', '/dev/null/faults.json']) == 2
