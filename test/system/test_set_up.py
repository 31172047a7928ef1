"""The set-up says in one line what is missing, and repeats nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def set_up(clone, environment, **changes):
    """Run the set-up as make does."""
    return subprocess.run(
        ['bash', 'bootstrap/set_up.sh'],
        cwd=clone, env=environment | changes, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def last_line(done):
    """Return the only line on stderr."""
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture
def tools(tmp_path):
    """Return a folder with links to the few programs that the set-up needs, none of them a compiler."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name in (
        'bash',
        'cat',
        'cut',
        'dirname',
        'git',
        'grep',
        'mkdir',
        'sha256sum',
        'sort',
        'tail',
        'tr',
        'xargs',
    ):
        (folder / name).symlink_to(shutil.which(name))
    (folder / 'python3.11').symlink_to(Path(sys.executable).resolve())
    return folder


def test_without_a_compiler(clone, clean_environment, tools):
    done = set_up(
        clone, clean_environment, PATH=str(tools), PYTHON=str(Path(sys.executable).resolve())
    )
    assert done.returncode == 1
    assert last_line(done).startswith('set-up: c++ is missing; install a C++ compiler and make')


def test_with_the_wrong_python(clone, clean_environment, tmp_path):
    old = tmp_path / 'python3.9'
    old.write_text('#!/bin/sh\nexit 1\n')
    old.chmod(0o755)
    done = set_up(clone, clean_environment, PYTHON=str(old))
    assert done.returncode == 1
    assert last_line(done).startswith(
        f'set-up: Python 3.11 or 3.12 is needed, PYTHON={old} is not'
    )


def test_without_a_network(clone, clean_environment):
    nowhere = {'PIP_INDEX_URL': 'http://127.0.0.1:9/', 'PIP_EXTRA_INDEX_URL': '', 'PIP_NO_INDEX': '0',
               'PIP_FIND_LINKS': '', 'PIP_CONFIG_FILE': os.devnull, 'PIP_RETRIES': '1', 'PIP_NO_CACHE_DIR': '1'}  # fmt: skip
    done = set_up(clone, clean_environment, **nowhere)
    assert done.returncode == 1
    assert 'the package index cannot be reached' in last_line(done)
    assert not (clone / '.venv' / 'have').exists()


def test_a_sourced_ros_is_used_in_place_of_the_wheels(clone, clean_environment):
    """Stand in for a ROS 2 installation: rclpy importable from PYTHONPATH, tools on the PATH."""
    packages = next(Path(sys.prefix).glob('lib/python3.*/site-packages'))
    sourced = {
        name: os.environ[name]
        for name in ('LD_LIBRARY_PATH', '_ROS_WHEELS_BOOTSTRAP_COMPLETE')
        if name in os.environ
    }
    sourced |= {'ROS_DISTRO': 'kilted', 'PYTHONPATH': str(packages), 'AMENT_PREFIX_PATH': sys.prefix,
                'CMAKE_PREFIX_PATH': sys.prefix, 'PATH': f'{sys.prefix}/bin:{os.environ["PATH"]}',
                'EMOTION_CMAKE_ARGS': f'-DCMAKE_PROJECT_INCLUDE={clone}/bootstrap/ros_wheels.cmake'}  # fmt: skip
    done = set_up(clone, clean_environment, **sourced)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'ROS 2 kilted as sourced' in done.stdout
    assert (clone / 'install' / 'emotion_msgs').is_dir()
    own = next((clone / '.venv').glob('lib/python3.*/site-packages'))
    assert not list(own.glob('rclpy*'))
    assert not list(own.glob('ros_*'))


def test_a_venv_that_was_interrupted_is_made_anew(clone, clean_environment):
    (clone / '.venv' / 'bin').mkdir(parents=True)
    broken = clone / '.venv' / 'bin' / 'python'
    broken.write_text('#!/bin/sh\nexit 1\n')
    broken.chmod(0o755)
    (clone / '.venv' / 'left_over').touch()
    nowhere = {
        'PIP_INDEX_URL': 'http://127.0.0.1:9/',
        'PIP_CONFIG_FILE': os.devnull,
        'PIP_RETRIES': '1',
    }
    done = set_up(clone, clean_environment, **nowhere)
    assert done.stdout.splitlines()[0].startswith('set-up: making .venv')
    assert not (clone / '.venv' / 'left_over').exists()


def test_a_second_run_starts_at_once(clean_environment):
    done = subprocess.run(
        ['bash', 'bootstrap/set_up.sh', '--tests'],
        cwd=ROOT, env=clean_environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')
