# SPDX-License-Identifier: Apache-2.0
"""Forged messages and wrong command lines: the node goes on, or one line says why not."""

import struct

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emotion_perception.ros import behavior_node, camera_node, emotion_node
from emotion_perception.ros.conversions import bgr_to_image
from emotion_perception.ros.processes import EMOTION_NODE, NodeProcess, free_domain
from support.in_process import in_process_node
from support.ros_peer import ERROR
from support.shared_node import DOMAINS

SUCCESS = TransitionCallbackReturn.SUCCESS


def forged_bytes():
    """Return CDR bytes that hold no message, a part of one, or wrong lengths and text."""
    small = bgr_to_image(np.zeros((4, 4, 3), np.uint8), Header(frame_id='eye'))
    data = serialize_message(small)
    lengths = [at for at in range(4, len(data) - 4, 4) if data[at : at + 4] != bytes(4)]
    cut = [data[:size] for size in (0, 1, 3, 4, 8, 11, 20, len(data) // 2, len(data) - 1)]
    numbers = [
        data[:at] + struct.pack('<I', value) + data[at + 4 :]
        for at in lengths[:6]
        for value in (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000)
    ]
    heads = [
        head + data[4:] for head in (b'\0\0\0\0', b'\0\3\0\0', b'\xff\xff\xff\xff', b'\0\2\0\0')
    ]
    not_text = [
        data.replace(b'eye\0', b'\xff\xfe\xfd\0'),
        data.replace(b'bgr8\0', b'\xff\xfe\xfd\xed\0'),
    ]
    return [*cut, *numbers, *heads, *not_text, data + bytes(1000), b'\xff' * 500]


def test_forged_messages(node, peer, portrait_message):
    """What a valid message may hold is in test/unit/imaging/test_hostile_messages.py."""
    for data in forged_bytes():
        peer.send(data)
        peer.spin(0.02)
    assert node.process.running, node.process.output[-2000:]
    assert peer.process(portrait_message, timeout_s=30).faces[0].label == 'happiness'
    assert peer.state() == 'active'
    assert node.count('Traceback') == 0, node.process.output[-3000:]


@pytest.mark.parametrize(
    ('module', 'arguments', 'named'),
    [
        (emotion_node, ['-p', 'hysteresis:=.nan'], 'hysteresis'),
        (emotion_node, ['-p', 'uncertain_below:=9.0'], 'uncertain_below'),
        (emotion_node, ['-p', 'uncertain_below:=2'], 'uncertain_below is out of range'),
        # a privacy setting that is misspelled must not show faces
        (emotion_node, ['-p', 'annotated_image:=blur'], 'annotated_image must be one of full, bl'),
        (emotion_node, ['-p', 'smoothing_s:=long'], 'smoothing_s has the wrong type'),
        (emotion_node, ['-p', 'min_face_px:=99999999999999999999'], 'min_face_px'),
        (emotion_node, ['-p', 'detector:=[1, 2]'], 'detector'),
        (emotion_node, ['--params-file', 'nan.yaml'], 'stalled_after_s'),
        (emotion_node, ['--params-file', 'broken.yaml'], 'params file'),
        (emotion_node, ['--params-file', 'missing.yaml'], 'params file'),
        (emotion_node, ['-r', 'image:=/b@d'], "'-r image:=/b@d'"),
        (emotion_node, ['-r', 'image:=/a b'], "'-r image:=/a b'"),
        (emotion_node, ['-r', 'image:='], "'-r image:='"),
        (emotion_node, ['-r', '__ns:=/1x'], '__ns:=/1x'),
        (emotion_node, ['-r', '__node:=a-b'], '__node:=a-b'),
        (emotion_node, ['--no-such-flag'], '--no-such-flag'),
        (camera_node, ['-p', 'rate_hz:=.nan'], 'rate_hz'),
        (camera_node, ['-p', 'rate_hz:=abc'], 'rate_hz'),
        (camera_node, ['-p', 'width:=0'], 'width'),
        (camera_node, ['-p', 'width:=2.5'], 'width'),
        (camera_node, ['-p', 'frames:=-3'], 'frames'),
        (camera_node, ['-p', 'rotate:=45'], 'rotate must be 0, 90, 180 or 270, not 45'),
        (behavior_node, ['-p', 'settle_s:=.nan'], 'settle_s'),
        (behavior_node, ['-p', 'settle_s:=abc'], 'settle_s'),
    ],
)
def test_a_wrong_command_line_is_one_clear_line(tmp_path, monkeypatch, module, arguments, named):
    (tmp_path / 'nan.yaml').write_text('/**:\n  ros__parameters:\n    stalled_after_s: .nan\n')
    (tmp_path / 'broken.yaml').write_text('/**: [\n')
    monkeypatch.chdir(tmp_path)
    # what a failed constructor leaves in this process must not be found by other tests
    monkeypatch.setenv('ROS_DOMAIN_ID', str(free_domain(DOMAINS)))
    with pytest.raises(SystemExit) as exit_info:
        module.main(['--ros-args', *arguments])
    assert named in exit_info.value.code
    assert '\n' not in exit_info.value.code


@pytest.mark.parametrize('home', ['', '/dev/null/nobody'])
def test_without_a_writable_log_folder_one_line_says_what_to_set(home):
    environment = {'HOME': home, 'ROS_HOME': '', 'ROS_LOG_DIR': ''}
    process = NodeProcess(EMOTION_NODE, environment=environment)
    assert process.wait(30) == 1
    # Jazzy's rcutils prints warnings of its own before it
    line = process.output.splitlines()[-1]
    assert line.startswith('emotion_node: failed to initialize logging: ')
    assert line.endswith('; set ROS_LOG_DIR to a writable folder')


@pytest.mark.parametrize(
    'name', ['/ns_1/Camera/image_raw_', '/' + '/'.join('abcdefgh'), '/x' * 60]
)
def test_unusual_topic_names(peer, portrait_message, name):
    publisher = peer.node.create_publisher(Image, name, qos_profile_sensor_data)
    with in_process_node(cli_args=['--ros-args', '-r', f'image:={name}']) as node:
        peer.add_node(node)
        assert node.trigger_configure() == node.trigger_activate() == SUCCESS
        peer.until(publisher.get_subscription_count, what='the subscription')
        peer.until(lambda: peer.node.count_publishers('emotion/faces'), what='the publisher')
        # the first image may be lost, before the node has found the publisher
        peer.until(lambda: publisher.publish(portrait_message) or peer.arrays, what='the faces')
        peer.remove_node(node)
    peer.node.destroy_publisher(publisher)


def test_a_topic_name_that_is_too_long(peer):
    """ROS allows it and DDS does not: the node stays up and reports it."""
    with in_process_node(cli_args=['--ros-args', '-r', f'image:=/{"x" * 400}']) as node:
        peer.add_node(node)
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
        status = peer.wait_for_status(ERROR, state='inactive')
        assert status.message.startswith('cannot be activated: image cannot be subscribed to: ')
        assert node.trigger_cleanup() == SUCCESS
        peer.remove_node(node)
