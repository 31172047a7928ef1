"""The doctor in a process of its own: on a healthy robot, and on ones where something is missing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from sensor_msgs.msg import Image

from emotion_perception.classification import DEFAULT_MODEL
from emotion_perception.doctor.ros_setup import own_profile, profile_variable
from support.ros_peer import ERROR

COMMAND = [sys.executable, '-m', 'emotion_perception.cli', 'doctor']
LONGEST_S = 45
"""On a busy machine; everything in the doctor has a limit of its own."""


@pytest.fixture(autouse=True)
def _profile(monkeypatch):
    monkeypatch.setenv(profile_variable(), str(own_profile()))


def examine(*arguments):
    """Run the doctor; return its exit code and its findings by name."""
    done = subprocess.run(
        [*COMMAND, '--json', *arguments], capture_output=True, text=True, timeout=LONGEST_S
    )
    answer = json.loads(done.stdout)
    found = {check['name']: check for check in answer['checks']}
    assert (done.returncode == 1) == (answer['problem'] > 0)
    return done.returncode, found


def statuses(found, *names):
    """Return the statuses of some checks."""
    return [found[name]['status'] for name in names]


def test_a_healthy_robot(start, peer):
    start('emotion_node', autostart='true')
    start('camera_node')
    # its publisher of images would be a second camera
    peer.stop_publishing()
    peer.until(lambda: len(peer.arrays) > 5, what='images to be processed')
    code, found = examine('--seconds', '1')
    problems = {name: check for name, check in found.items() if check['status'] == 'problem'}
    assert (code, problems) == (0, {})
    assert statuses(found, 'model', 'blazeface', 'rclpy', 'emotion_msgs') == ['ok'] * 4
    assert statuses(found, 'transport', 'images', 'node', 'camera') == ['ok'] * 4
    assert found['images']['values']['received'] >= 27
    node, camera = found['node']['values'], found['camera']['values']
    assert (node['node'], node['state']) == ('/emotion_perception', 'active')
    assert node['message'].startswith('processing ')
    assert (camera['topic'], camera['size'], camera['encoding']) == ('/image', [640, 480], 'bgr8')
    assert camera['images'] > 10
    assert 0 < camera['latency_p50_ms'] < 1000


def test_a_bare_machine(peer, monkeypatch):
    """No camera, no node, no profile."""
    monkeypatch.delenv(profile_variable())
    peer.stop_publishing()
    code, found = examine('--image-topic', 'eyes/left', '--seconds', '0.5')
    assert code == 1
    assert found['transport']['status'] == 'warning'
    assert 'is not set: images between processes get lost' in found['transport']['text']
    assert f'DEFAULT_PROFILES_FILE={own_profile()}' in found['transport']['do']
    assert found['node']['status'] == 'warning'
    assert 'is not running' in found['node']['text']
    assert 'ros2 launch' in found['node']['do']
    assert found['camera']['status'] == 'problem'
    assert found['camera']['text'] == 'nobody publishes /eyes/left'


def test_a_silent_camera_and_a_node_that_waits(start, peer):
    """The publisher is the test's own, and it sends nothing."""
    start('emotion_node')
    peer.publisher()
    code, found = examine('--image-topic', '/image', '--seconds', '0.5')
    assert code == 1
    assert found['camera']['status'] == 'problem'
    assert found['camera']['text'] == '/image is published, but no image came in 0.5 s'
    assert 'DEFAULT_PROFILES_FILE' in found['camera']['do']
    assert found['node']['status'] == 'warning'
    assert found['node']['values']['state'] == 'unconfigured'
    assert found['node']['do'] == (
        'ros2 lifecycle set /emotion_perception configure && '
        'ros2 lifecycle set /emotion_perception activate'
    )


def test_a_node_in_trouble_and_a_topic_that_cannot_be(start, peer):
    start('emotion_node', autostart='true', detector='yunet')
    peer.wait_for_status(ERROR)
    code, found = examine('--image-topic', 'left eye', '--seconds', '0.5')
    assert code == 1
    assert found['node']['status'] == 'problem'
    assert 'face_detection_yunet_2023mar.onnx' in found['node']['text']
    assert found['camera']['status'] == 'problem'
    assert "'/left eye' cannot be the name of a topic" in found['camera']['text']


def test_missing_messages_and_a_changed_model(tmp_path, monkeypatch):
    for suffix in ('.tflite', '.json'):
        shutil.copy(DEFAULT_MODEL.with_suffix(suffix), tmp_path)
    model = tmp_path / DEFAULT_MODEL.name
    model.write_bytes(model.read_bytes() + b'\0')
    kept = [p for p in os.environ['PYTHONPATH'].split(os.pathsep) if 'emotion_msgs' not in p]
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(kept))
    code, found = examine('--model', str(model))
    assert code == 1
    assert statuses(found, 'emotion_msgs', 'model', 'speed') == ['problem'] * 3
    assert found['emotion_msgs']['text'].startswith('not built or not sourced')
    assert 'colcon build' in found['emotion_msgs']['do']
    assert 'sha256' in found['model']['text']
    assert found['camera']['text'].startswith('not looked at')


def test_ros_that_cannot_begin(monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', 'many')
    code, found = examine()
    assert code == 1
    assert found['transport']['status'] == 'problem'
    assert 'ROS_DOMAIN_ID' in found['transport']['text']


def test_ctrl_c_ends_it_at_once(peer, tmp_path):
    peer.node.create_publisher(Image, 'image', 1)
    said = tmp_path / 'said.txt'
    with said.open('w') as out:
        doctor = subprocess.Popen(
            [*COMMAND, '--image-topic', 'image', '--seconds', '60'], stdout=out, stderr=out
        )
        peer.until(lambda: '  node ' in said.read_text(), LONGEST_S, 'the check of the node')
        time.sleep(0.5)
        doctor.send_signal(signal.SIGINT)
        assert doctor.wait(10) == 130
    assert 'Traceback' not in said.read_text()
