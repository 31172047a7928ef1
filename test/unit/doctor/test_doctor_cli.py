# SPDX-License-Identifier: Apache-2.0
"""The command: without libraries, its options, its output."""

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
    run_check,
    summary_line,
)

ROOT = Path(__file__).parents[3]


def run_without(module, *arguments):
    """Run `emotion-perception` where a module is missing; return exit code, stdout and stderr."""
    code = (
        f'import sys; sys.modules[{module!r}] = None; sys.argv[1:] = {list(arguments)!r}\n'
        'from emotion_perception.cli import main\n'
        'sys.exit(main())\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_without_ros_the_rest_is_checked():
    code, out, _ = run_without('rclpy', 'doctor', '--json')
    assert code == 1
    summary = json.loads(out)
    results = {check['name']: check for check in summary['checks']}
    assert summary['problem'] == 1
    assert results['rclpy']['status'] == PROBLEM
    assert 'setup.bash' in results['rclpy']['advice']
    assert results['model']['status'] == results['blazeface']['status'] == OK
    assert results['emotion_msgs']['text'] == 'not checked: it needs rclpy'
    assert results['camera']['text'].startswith('not checked')


@pytest.mark.parametrize(('module', 'name'), [('numpy', 'NumPy'), ('cv2', 'OpenCV')])
def test_without_a_library(module, name):
    code, out, error = run_without(module, 'doctor')
    assert code == 1
    assert 'Traceback' not in error
    lines = out.splitlines()
    at = next(i for i, line in enumerate(lines) if f' {name} ' in line)
    assert lines[at].split()[0] == PROBLEM
    assert lines[at + 1].strip().startswith('-> ')
    assert any('speed' in line and 'not checked' in line for line in lines)


def test_without_litert_opencv_runs_the_networks():
    _, out, _ = run_without('ai_edge_litert', 'doctor', '--json')
    results = {check['name']: check for check in json.loads(out)['checks']}
    assert results['LiteRT']['status'] == WARNING
    assert results['LiteRT']['text'].endswith(': OpenCV runs the networks, which is slower')
    assert 'ai-edge-litert' in results['LiteRT']['advice']
    assert results['model']['status'] == results['blazeface']['status'] == OK
    assert results['model']['values']['runtime'] == 'OpenCV'
    assert results['speed']['status'] != PROBLEM


def test_other_subcommands_without_a_library_name_the_doctor():
    code, out, error = run_without('cv2', 'image', 'face.png')
    assert (code, out) == (2, '')
    assert len(error.splitlines()) == 1
    assert 'cv2' in error
    assert '`emotion-perception doctor`' in error


@pytest.mark.parametrize('seconds', ['0', '-1', 'nan', 'inf', '61', 'soon'])
def test_impossible_seconds_are_refused(capsys, seconds):
    with pytest.raises(SystemExit, match='2'):
        cli.main(['--seconds', seconds])
    assert seconds in capsys.readouterr().err


def test_exception_in_a_check_is_a_problem():
    (result,) = run_check(('eye', lambda: 1 / 0))
    assert (result.name, result.status) == ('eye', PROBLEM)
    assert 'ZeroDivisionError: division by zero' in result.text


@pytest.mark.parametrize(('worst', 'code'), [(OK, 0), (WARNING, 0), (PROBLEM, 1)])
def test_output_and_exit_code(capsys, monkeypatch, worst, code):
    results = [CheckResult('ear', OK, 'hears'), CheckResult('eye', worst, 'is shut', 'open it')]
    monkeypatch.setattr(cli, 'check_everything', lambda args: iter([('head', results)]))
    assert cli.main([]) == code
    assert capsys.readouterr().out.splitlines() == [
        'head',
        '  ok       ear              hears',
        f'  {worst:<8} eye              is shut',
        '                            -> open it',
        summary_line(results),
    ]
    assert cli.main(['--json']) == code
    summary = json.loads(capsys.readouterr().out)
    assert [check['status'] for check in summary['checks']] == [OK, worst]
    assert summary[OK] == 1 + (worst == OK)


@pytest.mark.parametrize(
    ('statuses', 'line'),
    [
        ([], '0 problems, 0 warnings, 0 ok'),
        ([PROBLEM, WARNING, OK], '1 problem, 1 warning, 1 ok'),
        ([PROBLEM] * 2 + [WARNING] * 3, '2 problems, 3 warnings, 0 ok'),
    ],
)
def test_summary_line(statuses, line):
    assert summary_line(CheckResult('eye', status, '') for status in statuses) == line
