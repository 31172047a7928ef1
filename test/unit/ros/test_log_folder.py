"""Where ROS logs, and what keeps it from that."""

import errno
import tempfile
from pathlib import Path

import pytest

from emotion_perception.ros.log_folder import log_folder, why_no_log_files


@pytest.mark.parametrize(
    ('environment', 'expected'),
    [
        ({'HOME': '/users/robot'}, '/users/robot/.ros/log'),
        ({'HOME': '/users/robot', 'ROS_HOME': '/data'}, '/data/log'),
        ({'HOME': '/users/robot', 'ROS_HOME': '~/ros'}, '/users/robot/ros/log'),
        ({'HOME': '/users/robot', 'ROS_HOME': '/data', 'ROS_LOG_DIR': '/logs'}, '/logs'),
        ({'HOME': '/users/robot', 'ROS_LOG_DIR': ''}, '/users/robot/.ros/log'),
        ({'ROS_LOG_DIR': '/logs'}, '/logs'),
    ],
)
def test_the_folder_is_the_one_that_ros_chooses(environment, expected):
    assert log_folder(environment) == Path(expected)


@pytest.mark.parametrize('environment', [{}, {'HOME': ''}])
def test_without_a_home_there_is_none(environment):
    assert log_folder(environment) is None
    assert 'no home folder' in why_no_log_files(environment)


def test_a_folder_that_can_be_made_is_made_and_left_empty(tmp_path):
    assert why_no_log_files({'HOME': str(tmp_path)}) == ''
    assert list((tmp_path / '.ros' / 'log').iterdir()) == []


@pytest.mark.parametrize('folder', ['/proc/nowhere', '/dev/null/x'])
def test_a_folder_that_cannot_be_made_is_named(folder):
    assert why_no_log_files({'ROS_LOG_DIR': folder}).startswith(f'{folder} cannot be written (')


def test_a_full_disk(tmp_path, monkeypatch):
    def full(**options):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(tempfile, 'TemporaryFile', full)
    said = why_no_log_files({'ROS_LOG_DIR': str(tmp_path)})
    assert said == f'{tmp_path} cannot be written (No space left on device)'
