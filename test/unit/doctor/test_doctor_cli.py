"""The command itself: where nothing is installed, its options, its output."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from emotion_perception.doctor import cli
from emotion_perception.doctor.check_result import (
    OK,
    PROBLEM,
    WARNING,
    CheckResult,
    last_line,
    run_check,
)

ROOT = Path(__file__).parents[3]


def run_without(modules, *arguments):
    """Run the command in a process that cannot import some modules; return code, output and errors."""
    code = (
        'import sys\n'
        f'sys.modules.update(dict.fromkeys({list(modules)!r}))\n'
        f'sys.argv = ["emotion-perception", *{list(arguments)!r}]\n'
        'from emotion_perception.cli import main\n'
        'sys.exit(main())\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_without_ros_it_says_what_is_missing_and_looks_at_the_rest():
    code, out, _ = run_without(['rclpy'], 'doctor', '--json')
    assert code == 1
    answer = json.loads(out)
    found = {check['name']: check for check in answer['checks']}
    assert found['rclpy']['status'] == PROBLEM
    assert 'setup.bash' in found['rclpy']['do']
    assert found['model']['status'] == found['blazeface']['status'] == OK
    assert found['emotion_msgs']['text'] == 'cannot be looked at without rclpy'
    assert found['camera']['text'].startswith('not looked at')
    assert answer['problem'] == 1


@pytest.mark.parametrize('missing', ['numpy', 'cv2', 'ai_edge_litert'])
def test_without_a_library_it_still_answers(missing):
    names = {'numpy': 'NumPy', 'cv2': 'OpenCV', 'ai_edge_litert': 'LiteRT'}
    code, out, error = run_without([missing], 'doctor')
    assert code == 1
    assert 'Traceback' not in error
    lines = out.splitlines()
    at = next(i for i, line in enumerate(lines) if f' {names[missing]} ' in line)
    assert lines[at].split()[0] == PROBLEM
    assert lines[at + 1].strip().startswith('-> ')
    assert any('speed' in line and 'not looked at' in line for line in lines)


def test_the_other_subcommands_point_to_the_doctor():
    code, out, error = run_without(['cv2'], 'models')
    assert (code, out) == (2, '')
    assert len(error.splitlines()) == 1
    assert '`emotion-perception doctor` says what is missing' in error


def test_it_is_a_subcommand_like_the_others():
    code, out, _ = run_without([], '--help')
    assert code == 0
    assert '    doctor ' in out
    code, out, _ = run_without([], 'doctor', '--help')
    assert code == 0
    assert '--image-topic TOPIC' in out


@pytest.mark.parametrize('seconds', ['0', '-1', 'nan', 'inf', '61', 'soon'])
def test_impossible_seconds_are_refused(capsys, seconds):
    with pytest.raises(SystemExit, match='2'):
        cli.main(['--seconds', seconds])
    assert seconds in capsys.readouterr().err


def test_a_check_that_fails_itself_is_a_problem():
    (finding,) = run_check(('eye', lambda: 1 / 0))
    assert (finding.name, finding.status) == ('eye', PROBLEM)
    assert 'ZeroDivisionError: division by zero' in finding.text
    several = [CheckResult('eye', OK, 'left'), CheckResult('eye', OK, 'right')]
    assert run_check(('eye', lambda: several)) == several


def test_text():
    found = [CheckResult('eye', PROBLEM, 'is shut', 'open it'), CheckResult('ear', OK, 'hears')]
    assert found[0].lines().splitlines() == [
        '  problem  eye              is shut',
        '                            -> open it',
    ]
    assert last_line(found) == '1 problem, 0 warnings, 1 ok'
    assert last_line([CheckResult('ear', WARNING, 'itches')]) == '0 problems, 1 warning, 0 ok'


@pytest.mark.parametrize(('worst', 'code'), [(OK, 0), (WARNING, 0), (PROBLEM, 1)])
def test_only_a_problem_makes_the_exit_code_1(capsys, monkeypatch, worst, code):
    found = [CheckResult('ear', OK, 'hears'), CheckResult('eye', worst, 'looks')]
    monkeypatch.setattr(cli, '_examine', lambda args: iter([('head', iter(found))]))
    assert cli.main([]) == code
    assert capsys.readouterr().out.splitlines()[:2] == ['head', found[0].lines()]
    monkeypatch.setattr(cli, '_examine', lambda args: iter([('head', iter(found))]))
    assert cli.main(['--json']) == code
    answer = json.loads(capsys.readouterr().out)
    assert [check['status'] for check in answer['checks']] == [OK, worst]
    assert answer[OK] == 1 + (worst == OK)
