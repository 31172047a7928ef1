# SPDX-License-Identifier: Apache-2.0
"""Checks of ROS, the messages, the log folder, shared memory and the profile of Fast DDS."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from emotion_msgs.msg import Emotion, EmotionArray
from emotion_perception.doctor import ros_setup
from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING
from emotion_perception.doctor.ros_setup import (
    PROFILE,
    check_log_folder,
    check_messages,
    check_shared_memory,
    check_transport,
    own_profile,
    profile_variable,
    ros_checks,
)

FAST_DDS = 'rmw_fastrtps_cpp'
VARIABLE = profile_variable({})
SOURCE = Path(__file__).parents[3] / 'config' / PROFILE


def run_ros_checks():
    """Return the results by name."""
    return {name: check() for name, check in ros_checks()}


def test_without_the_middleware(monkeypatch):
    monkeypatch.setenv('RMW_IMPLEMENTATION', 'rmw_pigeon')
    result = run_ros_checks()['rclpy']
    assert result.status == PROBLEM
    assert 'does not load with RMW_IMPLEMENTATION=rmw_pigeon' in result.text
    assert result.advice == 'unset RMW_IMPLEMENTATION, or install ros-$ROS_DISTRO-rmw-pigeon'


@pytest.mark.parametrize(
    ('module', 'text'),
    [
        (None, 'not built or not sourced'),
        (SimpleNamespace(Emotion=int, EmotionArray=dict), 'built for another Python or ROS'),
        (SimpleNamespace(Emotion=Emotion, EmotionArray=EmotionArray), "import name 'PersonEvent'"),
    ],
)
def test_messages_that_cannot_be_used(monkeypatch, module, text):
    monkeypatch.setitem(sys.modules, 'emotion_msgs.msg', module)
    result = check_messages()
    assert result.status == PROBLEM
    assert text in result.text
    assert 'colcon build' in result.advice
    assert 'make setup' in result.advice


def test_log_folder(tmp_path):
    folders = {
        f'{tmp_path}/.ros/log': {'HOME': str(tmp_path)},
        f'{tmp_path}/ros/log': {'HOME': '/nowhere', 'ROS_HOME': f'{tmp_path}/ros'},
        f'{tmp_path}/named': {'HOME': '/nowhere', 'ROS_LOG_DIR': f'{tmp_path}/named'},
    }
    for folder, environment in folders.items():
        assert check_log_folder(environment).text == f'in {folder}'


@pytest.mark.parametrize('environment', [{'HOME': '/dev/null'}, {'ROS_LOG_DIR': '/proc/log'}, {}])
def test_log_folder_that_is_not_writable(environment):
    result = check_log_folder(environment)
    assert result.status == PROBLEM
    assert 'is not writable' in result.text
    assert result.advice == 'set ROS_LOG_DIR to a writable folder'


@pytest.mark.parametrize(('free_mb', 'status'), [(100, OK), (32, WARNING), (0, WARNING)])
def test_shared_memory(monkeypatch, free_mb, status):
    usage = SimpleNamespace(free=free_mb * 10**6)
    monkeypatch.setattr(ros_setup.shutil, 'disk_usage', lambda folder: usage)
    result = check_shared_memory()
    assert (result.status, result.values) == (status, {'free_mb': free_mb})
    assert ('fastdds shm clean' in result.advice) == (status == WARNING)


def test_own_profile():
    assert own_profile().read_bytes() == SOURCE.read_bytes()


def test_profiles(tmp_path):
    other = tmp_path / 'other.xml'
    other.write_text('<dds/>')
    large_data = {'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA?max_msg_size=1MB'}
    for middleware, environment, status, text in (
        (FAST_DDS, {VARIABLE: str(SOURCE)}, OK, str(SOURCE)),
        (FAST_DDS, {VARIABLE: f'{tmp_path}/none.xml'}, PROBLEM, 'which does not exist'),
        (FAST_DDS, {VARIABLE: str(other)}, WARNING, "not this package's"),
        (FAST_DDS, large_data, OK, 'LARGE_DATA'),
        ('rmw_cyclonedds_cpp', {}, OK, 'needs no profile'),
    ):
        result = check_transport(middleware, environment)
        assert result.status == status
        assert text in result.text
        assert bool(result.advice) == (status != OK)


@pytest.mark.parametrize(
    ('distribution', 'prefix'), [('jazzy', 'FASTRTPS'), ('kilted', 'FASTDDS')]
)
def test_profile_that_is_not_set(distribution, prefix):
    result = check_transport(FAST_DDS, {'ROS_DISTRO': distribution})
    assert result.status == WARNING
    assert f'{prefix}_DEFAULT_PROFILES_FILE is not set' in result.text
    assert f'export {prefix}_DEFAULT_PROFILES_FILE={own_profile()}' in result.advice
