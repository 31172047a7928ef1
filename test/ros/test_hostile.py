# SPDX-License-Identifier: Apache-2.0
"""Forged messages and wrong command lines: the node goes on, or one line says why not."""

import struct
from array import array

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from emotion_perception.ros import behavior_node, camera_node, emotion_node
from emotion_perception.ros.conversions import bgr_to_image
from emotion_perception.ros.processes import EMOTION_NODE, NodeProcess, free_domain
from support import bombs
from support.in_process import in_process_node
from support.ros_peer import ERROR
from support.shared_node import DOMAINS

SUCCESS = TransitionCallbackReturn.SUCCESS


def hostile_images():
    """Return images each of which has another wrong or unusual field."""
    good = {'encoding': 'bgr8', 'height': 4, 'width': 4, 'step': 12, 'data': array('B', bytes(48))}
    changes = [
        {'width': 2**31},
        {'height': 2**31, 'width': 2**31},
        {'width': 46341, 'height': 46341},
        {'step': 2**32 - 1},
        {'step': 0},
        {'step': 2**31, 'height': 2},
        {'height': 0},
        {'width': 0, 'step': 0},
        {'data': array('B')},
        {'encoding': ''},
        {'encoding': 'bgr8' * 10**5},
        {'encoding': '\x1b[2J\n'},
        {'encoding': 'ü\U0001f600'},
        {'is_bigendian': 255, 'encoding': 'mono16'},
        {'header': Header(frame_id='x' * 10**6)},
        {'header': Header(stamp=Time(sec=-(2**31), nanosec=2**32 - 1))},
        {'header': Header(stamp=Time(sec=2**31 - 1))},
        {'width': 1, 'height': 1, 'step': 3},
        {'encoding': 'nv24', 'step': 4, 'width': 4, 'height': 2},
    ]
    for name in ('bayer_rggb8', 'yuyv', 'nv12', 'nv21', 'mono16', 'rgba8'):
        changes += [{'encoding': name, 'width': 3}, {'encoding': name, 'height': 2**32 - 1}]
    return [Image(**(good | change)) for change in changes]


def hostile_files(portrait):
    """Return damaged and forged jpegs and pngs."""
    jpeg, png = (cv2.imencode(kind, portrait)[1].tobytes() for kind in ('.jpg', '.png'))
    return [
        b'',
        b'\xff\xd8',
        b'GIF89a',
        b'\x80\x04\x95.',
        jpeg[:900],
        png[:900],
        jpeg[:500] + jpeg[700:],
        bombs.jpeg(50_000, 50_000),
        bombs.png(50_000, 50_000, 10),
        bombs.jpeg_of_scans(4000, 4000, 2000),
        png[:33] + b'\xff\xff\xff\xffIDAT' + png[33:],
        bytes(range(256)) * 10,
    ]


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


def assert_survived(node, message):
    """Check that the node is active and processes the next image, without an unexpected error."""
    assert node.process.running, node.process.output[-2000:]
    assert node.peer.process(message, timeout_s=30).faces[0].label == 'happiness'
    assert node.peer.state() == 'active'
    assert node.count('Traceback') == 0, node.process.output[-3000:]


def test_hostile_raw_images(node, peer, portrait_message):
    for message in [*hostile_images(), *forged_bytes()]:
        peer.send(message)
        peer.spin(0.02)
    assert_survived(node, portrait_message)


def test_hostile_compressed_images(node, peer, portrait, jpeg):
    node.setup(image_transport='compressed')
    for data in hostile_files(portrait):
        peer.send(CompressedImage(format='jpeg' * 10**4, data=data))
        peer.spin(0.05)
    assert_survived(node, jpeg(portrait))


@pytest.mark.parametrize(
    ('module', 'arguments', 'named'),
    [
        (emotion_node, ['-p', 'hysteresis:=.nan'], 'hysteresis'),
        (emotion_node, ['-p', 'uncertain_below:=9.0'], 'uncertain_below'),
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
        peer.spin(0.1)
        publisher.publish(portrait_message)
        peer.until(lambda: peer.arrays, what='the faces')
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
