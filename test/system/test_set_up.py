# SPDX-License-Identifier: Apache-2.0
"""bootstrap/set_up.sh: one line says what is missing, and nothing is done twice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NO_NETWORK = {
    'PIP_INDEX_URL': 'http://127.0.0.1:9/', 'PIP_EXTRA_INDEX_URL': '', 'PIP_NO_INDEX': '0',
    'PIP_FIND_LINKS': '', 'PIP_CONFIG_FILE': os.devnull, 'PIP_RETRIES': '1',
    'PIP_NO_CACHE_DIR': '1',
}  # fmt: skip
TOOLS = (
    'bash', 'cat', 'cut', 'dirname', 'find', 'git', 'grep', 'mkdir', 'nproc', 'sha256sum', 'sort',
    'tail', 'tr', 'xargs',
)  # fmt: skip


def set_up(folder, environment, *arguments, **variables):
    """Run the set-up as make does."""
    return subprocess.run(
        ['bash', 'bootstrap/set_up.sh', *arguments],
        cwd=folder, env=environment | variables, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def failing_python(path):
    """Write a program that fails, in place of Python."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('#!/bin/sh\nexit 1\n')
    path.chmod(0o755)
    return path


def test_without_a_compiler(clone, clean_environment, tmp_path):
    for name in TOOLS:
        (tmp_path / name).symlink_to(shutil.which(name))
    python = str(Path(sys.executable).resolve())
    done = set_up(clone, clean_environment, PATH=str(tmp_path), PYTHON=python)
    assert done.returncode == 1
    assert done.stderr.startswith('set-up: c++ is missing; install a C++ compiler and make')
    assert done.stderr.count('\n') == 1


def test_with_the_wrong_python(clone, clean_environment, tmp_path):
    old = str(failing_python(tmp_path / 'python3.9'))
    done = set_up(clone, clean_environment, PYTHON=old)
    assert done.returncode == 1
    assert done.stderr.startswith(f'set-up: Python 3.11 or 3.12 is needed, PYTHON={old} is not')
    assert done.stderr.count('\n') == 1


@pytest.mark.slow
def test_without_a_network_after_an_interrupted_run(clone, clean_environment):
    failing_python(clone / '.venv' / 'bin' / 'python')
    (clone / '.venv' / 'left_over').touch()
    done = set_up(clone, clean_environment, **NO_NETWORK)
    assert done.returncode == 1
    assert done.stdout.startswith('set-up: making .venv')
    assert not (clone / '.venv' / 'left_over').exists()
    assert 'the package index cannot be reached' in done.stderr
    assert done.stderr.count('\n') == 1
    assert not (clone / '.venv' / 'have').exists()


@pytest.mark.slow
def test_sourced_ros_is_used_and_nothing_is_done_twice(clone, clean_environment):
    """Stand in for a ROS 2 installation: rclpy importable from PYTHONPATH, tools on the PATH."""
    packages = next(Path(sys.prefix).glob('lib/python3.*/site-packages'))
    loader = ('LD_LIBRARY_PATH', '_ROS_WHEELS_BOOTSTRAP_COMPLETE')
    sourced = {name: os.environ[name] for name in loader if name in os.environ} | {
        'ROS_DISTRO': 'kilted',
        'PYTHONPATH': str(packages),
        'AMENT_PREFIX_PATH': sys.prefix,
        'CMAKE_PREFIX_PATH': sys.prefix,
        'PATH': f'{sys.prefix}/bin:{os.environ["PATH"]}',
        'EMOTION_CMAKE_ARGS': f'-DCMAKE_PROJECT_INCLUDE={clone}/bootstrap/ros_wheels.cmake',
    }
    done = set_up(clone, clean_environment, **sourced)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'ROS 2 kilted as sourced' in done.stdout
    assert (clone / 'install' / 'emotion_msgs').is_dir()
    own = next((clone / '.venv').glob('lib/python3.*/site-packages'))
    assert not [*own.glob('rclpy*'), *own.glob('ros_*')]
    again = set_up(clone, clean_environment, **sourced)
    assert (again.returncode, again.stdout, again.stderr) == (0, '', '')
