"""The messages' version, the log folder, and the profile that makes room for images."""

import hashlib
import json
import sys
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_share_directory

from emotion_perception.doctor import ros_setup
from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING
from emotion_perception.doctor.ros_setup import (
    TYPE_HASHES,
    check_log_folder,
    check_messages,
    check_ros,
    check_ros_setup,
    check_transport,
    own_profile,
)

FAST = 'rmw_fastrtps_cpp'
VARIABLE = 'FASTDDS_DEFAULT_PROFILES_FILE'
SOURCE = Path(__file__).parents[3] / 'config' / 'fastdds_images.xml'


def test_ros_and_messages_as_the_tests_use_them():
    assert check_ros().status == OK
    finding = check_messages()
    assert finding.status == OK, finding
    assert finding.values['hashes'] == TYPE_HASHES


@pytest.mark.parametrize('name', TYPE_HASHES)
def test_hashes_are_those_of_the_descriptions(name):
    """
    Computed here as REP-2016 says: SHA-256 of the description as json, without default values.

    The service has no other witness; rosbags computes those of the messages from their .msg files
    (test_bag_interop.py, test/ros/test_cyclone.py).
    """
    package, kind, short = name.split('/')
    path = Path(get_package_share_directory(package)) / kind / f'{short}.json'
    description = json.loads(path.read_text())['type_description_msg']
    types = [description['type_description'], *description['referenced_type_descriptions']]
    for field in (field for found in types for field in found['fields']):
        field.pop('default_value', None)
    digest = hashlib.sha256(json.dumps(description).encode()).hexdigest()
    assert f'RIHS01_{digest}' == TYPE_HASHES[name]


def test_messages_of_another_version(monkeypatch):
    changed = {**TYPE_HASHES, 'emotion_msgs/msg/Emotion': 'RIHS01_0'}
    monkeypatch.setattr(ros_setup, 'TYPE_HASHES', changed)
    finding = check_messages()
    assert finding.status == PROBLEM
    assert 'emotion_msgs/msg/Emotion differ' in finding.text
    assert finding.do.startswith('build it again')


def test_messages_whose_definitions_are_not_found(monkeypatch):
    monkeypatch.setenv('AMENT_PREFIX_PATH', '/nowhere')
    finding = check_messages()
    assert finding.status == WARNING
    assert 'AMENT_PREFIX_PATH' in finding.text


def test_messages_that_are_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, 'emotion_msgs.msg', None)
    finding = check_messages()
    assert finding.status == PROBLEM
    assert finding.text.startswith('not built or not sourced')
    assert 'colcon build' in finding.do
    assert 'make setup' in finding.do


def test_without_ros(monkeypatch):
    for name in ('rclpy', 'rclpy.serialization'):
        monkeypatch.setitem(sys.modules, name, None)
    finding = check_ros()
    assert finding.status == PROBLEM
    assert 'setup.bash' in finding.do
    found = {name: check() for name, check in check_ros_setup()}
    assert found['emotion_msgs'].text == 'cannot be looked at without rclpy'


def test_a_middleware_that_is_not_here(monkeypatch):
    """It ends whatever imports rclpy: nothing may do so in this process afterwards."""
    monkeypatch.setenv('RMW_IMPLEMENTATION', 'rmw_pigeon')
    found = {name: check() for name, check in check_ros_setup()}
    assert found['rclpy'].status == PROBLEM
    assert 'does not load with RMW_IMPLEMENTATION=rmw_pigeon' in found['rclpy'].text
    assert found['rclpy'].do == ('unset RMW_IMPLEMENTATION, or install ros-$ROS_DISTRO-rmw-pigeon')
    assert found['emotion_msgs'].status == WARNING


def test_log_folder(tmp_path):
    assert check_log_folder({'HOME': str(tmp_path)}).text == f'in {tmp_path}/.ros/log'
    finding = check_log_folder({'HOME': '/dev/null'})
    assert finding.status == PROBLEM
    assert 'ROS_LOG_DIR' in finding.do


def test_the_own_profile_is_the_one_of_this_package():
    assert own_profile().read_bytes() == SOURCE.read_bytes()


def test_a_profile_that_is_set():
    finding = check_transport(FAST, {VARIABLE: str(SOURCE)})
    assert (finding.status, finding.do) == (OK, '')
    assert str(SOURCE) in finding.text


@pytest.mark.parametrize(
    ('distribution', 'prefix'), [('jazzy', 'FASTRTPS'), ('kilted', 'FASTDDS')]
)
def test_a_profile_that_is_not_set(distribution, prefix):
    finding = check_transport(FAST, {'ROS_DISTRO': distribution})
    assert finding.status == WARNING
    assert f'{prefix}_DEFAULT_PROFILES_FILE is not set' in finding.text
    assert f'export {prefix}_DEFAULT_PROFILES_FILE={own_profile()}' in finding.do
    assert "the camera driver's shell" in finding.do or 'camera driver' in finding.do


def test_a_profile_that_is_not_there_or_another(tmp_path):
    finding = check_transport(FAST, {VARIABLE: str(tmp_path / 'none.xml')})
    assert finding.status == PROBLEM
    assert 'which is not there' in finding.text
    other = tmp_path / 'other.xml'
    other.write_text('<dds/>')
    finding = check_transport(FAST, {VARIABLE: str(other)})
    assert finding.status == WARNING
    assert "not this package's" in finding.text


def test_no_profile_is_needed():
    large = check_transport(FAST, {'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA?max_msg_size=1MB'})
    assert large.status == OK
    assert check_transport('rmw_cyclonedds_cpp', {}).status == OK
