# SPDX-License-Identifier: Apache-2.0
"""The doctor in a process of its own: on a robot that works and on ones with a fault."""

import json
import signal
import subprocess
import sys

import pytest
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage

from emotion_perception.doctor.check_result import PROBLEM, WARNING
from emotion_perception.doctor.ros_graph import RosGraph
from emotion_perception.doctor.ros_setup import own_profile, profile_variable
from emotion_perception.ros.node_main import ros_context
from support.ros_peer import ERROR

COMMAND = [sys.executable, '-m', 'emotion_perception.cli', 'doctor']
TIMEOUT_S = 45
"""For a busy machine; each check has a limit of its own."""


@pytest.fixture(autouse=True)
def _profile(monkeypatch):
    monkeypatch.setenv(profile_variable(), str(own_profile()))


def run_doctor(*arguments):
    """Run the doctor; return its exit code and its results by name."""
    done = subprocess.run(
        [*COMMAND, '--json', *arguments], capture_output=True, text=True, timeout=TIMEOUT_S
    )
    summary = json.loads(done.stdout)
    assert (done.returncode == 1) == (summary['problem'] > 0)
    return done.returncode, {check['name']: check for check in summary['checks']}


def test_everything_works(start, peer):
    start('emotion_node', autostart='true')
    start('camera_node')
    # our publisher of images would be a second camera
    peer.stop_publishing()
    peer.until(lambda: len(peer.arrays) > 5, what='images to be processed')
    code, results = run_doctor('--seconds', '1')
    problems = {name: check for name, check in results.items() if check['status'] == 'problem'}
    assert (code, problems) == (0, {})
    for name in ('model', 'blazeface', 'emotion_msgs', 'transport', 'images', 'node', 'camera'):
        assert results[name]['status'] == 'ok', results[name]
    assert results['images']['values']['received'] >= 27
    node, camera = results['node']['values'], results['camera']['values']
    assert (node['node'], node['state']) == ('/emotion_perception', 'active')
    assert int(node['images_received']) > 5
    assert (camera['topic'], camera['size'], camera['encoding']) == ('/image', [640, 480], 'bgr8')
    assert camera['images'] > 10
    assert 0 < camera['age_p50_ms'] < 1000


@pytest.fixture
def graph():
    """Return the doctor's view of the ROS domain."""
    with ros_context([]):
        node = Node('doctor')
        yield RosGraph(node)
        node.destroy_node()


def test_a_node_that_reads_another_type(start, peer, graph):
    start('emotion_node', autostart='true', image_transport='raw')
    camera = peer.node.create_publisher(CompressedImage, '/image', 1)
    peer.until(lambda: peer.node.count_subscribers('/image'), what='the node')
    graph.check_nodes()
    result = graph.check_camera('/image', 0.2)
    peer.node.destroy_publisher(camera)
    assert result.status == PROBLEM
    assert 'is published as sensor_msgs/msg/CompressedImage, and the node reads' in result.text
    assert result.advice == 'set image_transport of emotion_perception to auto'


def test_no_node_and_no_camera(graph, peer):
    peer.stop_publishing()
    (result,) = graph.check_nodes()
    assert (result.status, result.text) == (WARNING, 'is not running in this ROS domain')
    assert 'ros2 launch' in result.advice
    result = graph.check_camera('eyes/left', 0.5)
    assert (result.status, result.text) == (PROBLEM, 'nothing publishes /eyes/left')
    result = graph.check_camera('left eye', 0.5)
    assert result.status == PROBLEM
    assert "'/left eye' is not a topic name" in result.text


def test_unconfigured_node_and_silent_camera(start, peer, graph):
    start('emotion_node')
    peer.publisher()
    (result,) = graph.check_nodes()
    assert (result.status, result.values['state']) == (WARNING, 'unconfigured')
    assert result.advice == (
        'ros2 lifecycle set /emotion_perception configure && '
        'ros2 lifecycle set /emotion_perception activate'
    )
    result = graph.check_camera('', 0.5)
    assert (result.status, result.text) == (
        PROBLEM, '/image is published, but no image came in 0.5 s',
    )  # fmt: skip


def test_node_with_an_error(start, peer, graph):
    start('emotion_node', autostart='true', detector='yunet')
    peer.wait_for_status(ERROR)
    (result,) = graph.check_nodes()
    assert result.status == PROBLEM
    assert 'face_detection_yunet_2023mar.onnx' in result.text


def test_ros_that_cannot_start(monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', 'many')
    code, results = run_doctor('--model', 'none.tflite')
    assert code == 1
    assert results['model']['text'] == 'there is no model file none.tflite'
    assert results['transport']['status'] == 'problem'
    assert 'ROS_DOMAIN_ID' in results['transport']['text']


def test_ctrl_c(peer, tmp_path):
    output = tmp_path / 'output.txt'
    with output.open('w') as file:
        doctor = subprocess.Popen([*COMMAND, '--seconds', '60'], stdout=file, stderr=file)
        peer.until(lambda: ' transport ' in output.read_text(), TIMEOUT_S, 'the checks')
        peer.spin(0.2)
        doctor.send_signal(signal.SIGINT)
        assert doctor.wait(10) == 130
    assert 'Traceback' not in output.read_text()
