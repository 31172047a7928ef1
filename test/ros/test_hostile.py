"""What strangers send over DDS, and what is written on the command line by mistake: the node lives, or says why not."""

import math
import os
import struct
import subprocess
import sys
from array import array

import cv2
import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from emotion_perception.ros.conversions import bgr_to_image
from emotion_perception.ros.parameters import PARAMETERS
from support import bombs


@pytest.fixture
def node(start, peer):
    """Return a node that reads raw images."""
    node = start('ros.emotion_node', autostart='true')
    peer.wait_for_node()
    return node


def hostile_images():
    """Return images each of which has something else wrong, or odd, with it."""
    good = {'encoding': 'bgr8', 'height': 4, 'width': 4, 'step': 12, 'data': array('B', bytes(48))}
    changes = [
        {'width': 2**31}, {'height': 2**31, 'width': 2**31}, {'width': 46341, 'height': 46341}, {'step': 2**32 - 1},
        {'step': 0}, {'step': 2**31, 'height': 2}, {'height': 0}, {'width': 0, 'step': 0}, {'data': array('B')},
        {'encoding': ''}, {'encoding': 'bgr8' * 10**5}, {'encoding': '\x1b[2J\n'}, {'encoding': 'ü\U0001f600'},
        {'is_bigendian': 255, 'encoding': 'mono16'}, {'header': Header(frame_id='x' * 10**6)},
        {'header': Header(stamp=Time(sec=-(2**31), nanosec=2**32 - 1))}, {'header': Header(stamp=Time(sec=2**31 - 1))},
        {'width': 1, 'height': 1, 'step': 3}, {'encoding': 'nv24', 'step': 4, 'width': 4, 'height': 2},
    ]  # fmt: skip
    for name in ('bayer_rggb8', 'yuyv', 'nv12', 'nv21', 'mono16', 'rgba8'):
        changes += [{'encoding': name, 'width': 3}, {'encoding': name, 'height': 2**32 - 1}]
    return [Image(**(good | change)) for change in changes]


def hostile_files(portrait):
    """Return jpegs and pngs that claim or are something else."""
    jpeg, png = (cv2.imencode(kind, portrait)[1].tobytes() for kind in ('.jpg', '.png'))
    return [
        b'', b'\xff\xd8', b'GIF89a', b'\x80\x04\x95.', jpeg[:900], png[:900], jpeg[:500] + jpeg[700:],
        bombs.jpeg(50_000, 50_000), bombs.png(50_000, 50_000, 10), bombs.jpeg_of_scans(4000, 4000, 2000),
        png[:33] + b'\xff\xff\xff\xffIDAT' + png[33:], bytes(range(256)) * 10,
    ]  # fmt: skip


def forged(data):
    """Return CDR bytes that hold no message, or less or more than they say."""
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
    return [*cut, *numbers, *heads, data + bytes(1000), b'\xff' * 500]


def survives(node, peer, portrait_message):
    """Check that the node runs, is active, and answers."""
    assert node.running, node.output[-2000:]
    assert peer.answer_to(portrait_message, timeout_s=30).faces[0].label == 'happiness'
    assert peer.state() == 'active'
    assert 'Traceback' not in node.output, node.output[-3000:]


def test_images_that_are_not_what_they_say(node, peer, portrait_message):
    for message in hostile_images():
        peer.send(message)
        peer.spin(0.03)
    survives(node, peer, portrait_message)


def test_compressed_images_that_are_not_what_they_say(start, peer, portrait):
    node = start('ros.emotion_node', autostart='true', image_transport='compressed')
    peer.wait_for_node()
    for data in hostile_files(portrait):
        peer.send(CompressedImage(format='jpeg' * 10**4, data=data))
        peer.spin(0.05)
    good = CompressedImage(format='jpeg', data=cv2.imencode('.jpg', portrait)[1].tobytes())
    survives(node, peer, good)


def test_bytes_that_are_no_message(node, peer, portrait_message):
    """Whatever writes to the topic: no message comes of it, and the next one is read."""
    small = bgr_to_image(np.zeros((4, 4, 3), np.uint8), Header(frame_id='eye'))
    for data in forged(serialize_message(small)):
        peer.send(data)
        peer.spin(0.02)
    # names that are no text
    for old in (b'eye\0', b'bgr8\0'):
        peer.send(
            serialize_message(small).replace(old, b'\xff\xfe\xfd\xed'[: len(old) - 1] + b'\0')
        )
        peer.spin(0.02)
    survives(node, peer, portrait_message)


def test_the_service_answers_whatever_it_is_asked(node, peer, portrait_message):
    for message in hostile_images():
        response = peer.classify(message)
        assert response.success or response.message
        assert list(response.result.faces) == []
    assert peer.classify(portrait_message).result.faces[0].label == 'happiness'
    survives(node, peer, portrait_message)


def test_the_service_survives_what_the_pipeline_does_not(peer, portrait_message):
    """An error nobody thought of is an answer too, and not the end of the node."""
    from types import SimpleNamespace

    from emotion_msgs.srv import ClassifyFaces
    from emotion_perception.ros.classify_service import ClassifyService

    def fail(image):
        raise cv2.error('something that OpenCV cannot do')

    pipeline = SimpleNamespace(without_tracking=lambda: SimpleNamespace(process=fail))
    import threading

    service = ClassifyService(peer.node, lambda message: None, pipeline, threading.Lock())
    response = service._answer(
        ClassifyFaces.Request(image=portrait_message), ClassifyFaces.Response()
    )
    service.destroy()
    assert not response.success
    assert 'something that OpenCV cannot do' in response.message


def test_numbers_that_are_none(node, peer, portrait_message):
    """NaN, infinities and what lies far outside, for each parameter; the old value stays."""
    for spec in PARAMETERS:
        if isinstance(spec.default, bool) or not isinstance(spec.default, (int, float)):
            continue
        kind = type(spec.default)
        wrong = [math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324 * -1] if kind is float else [2**63 - 1, -(2**63), 0, -1]  # fmt: skip
        for value in wrong:
            accepted, reason = peer.set_parameter(spec.name, value)
            assert not accepted, (spec.name, value)
            assert reason
        for value in ('nan', [1.0], [1], True, [b'\0'], '', 'x' * 10**5):
            assert not peer.set_parameter(spec.name, value)[0], (spec.name, value)
    assert not peer.set_parameter('', 1.0)[0]
    assert not peer.set_parameter('no\nsuch parameter', math.nan)[0]
    survives(node, peer, portrait_message)


FAILING = [
    ('node', ['-p', 'hysteresis:=.nan'], 'hysteresis'),
    ('node', ['-p', 'smoothing_s:=.inf'], 'smoothing_s'),
    ('node', ['-p', 'max_gap_s:=-.inf'], 'max_gap_s'),
    ('node', ['-p', 'min_face_px:=99999999999999999999'], 'min_face_px'),
    ('node', ['-p', 'detector:=[1, 2]'], 'detector'),
    ('node', ['--params-file', 'nan.yaml'], 'stalled_after_s'),
    ('node', ['--params-file', 'broken.yaml'], 'params file'),
    ('node', ['--params-file', 'nothing.yaml'], 'params file'),
    ('node', ['-r', 'image:=/b@d'], "'-r image:=/b@d'"),
    ('node', ['-r', 'image:=/a b'], "'-r image:=/a b'"),
    ('node', ['-r', 'image:='], "'-r image:='"),
    ('node', ['-r', '__ns:=/1x'], '__ns:=/1x'),
    ('node', ['-r', '__node:=a-b'], '__node:=a-b'),
    ('node', ['--no-such-flag'], '--no-such-flag'),
    ('camera_node', ['-p', 'rate_hz:=.nan'], 'rate_hz'),
    ('camera_node', ['-p', 'rate_hz:=.inf'], 'rate_hz'),
    ('camera_node', ['-p', 'rate_hz:=abc'], 'rate_hz'),
    ('camera_node', ['-p', 'width:=0'], 'width'),
    ('camera_node', ['-p', 'height:=-5'], 'height'),
    ('camera_node', ['-p', 'width:=4000000000'], 'width'),
    ('camera_node', ['-p', 'width:=2.5'], 'width'),
    ('camera_node', ['-p', 'frames:=-3'], 'frames'),
    ('behavior_node', ['-p', 'settle_s:=.nan'], 'settle_s'),
    ('behavior_node', ['-p', 'settle_s:=abc'], 'settle_s'),
]


def test_what_cannot_be_meant_is_one_clear_line(tmp_path):
    """On the command line and in files, for each program."""
    (tmp_path / 'nan.yaml').write_text('/**:\n  ros__parameters:\n    stalled_after_s: .nan\n')
    (tmp_path / 'broken.yaml').write_text('/**: [\n')
    for first in range(0, len(FAILING), 4):
        started = [
            (subprocess.Popen(
                [sys.executable, '-m', f'emotion_perception.{module}', '--ros-args', '-p', 'autostart:=true', *words],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
                env=os.environ | {'PYTHONPATH': os.getcwd() + os.pathsep + os.environ.get('PYTHONPATH', '')},
            ), module, words, named)
            for module, words, named in FAILING[first : first + 4]
        ]  # fmt: skip
        try:
            for process, module, words, named in started:
                _, said = process.communicate(timeout=60)
                assert process.returncode == 1, (module, words, said)
                assert 'Traceback' not in said, (module, words, said)
                # rcl itself may say before that it did not understand something
                (line,) = [one for one in said.splitlines() if '[rcl]' not in one]
                assert named in line, (module, words, line)
        finally:
            for process, *_ in started:
                if process.poll() is None:
                    process.kill()
                    process.wait()


def test_a_topic_that_cannot_be_subscribed_to(start, peer):
    """The name fits ROS' grammar and is too long for DDS: the node says so, and waits for better."""
    node = start(
        'ros.emotion_node', '--ros-args', '-p', 'autostart:=true', '-r', f'image:=/{"x" * 400}'
    )
    status, _ = peer.status('cannot be activated', timeout_s=20)
    assert status.level == b'\x02'
    assert peer.state() == 'inactive'
    assert node.running
    assert 'Traceback' not in node.output
    assert peer.transition('cleanup')


@pytest.mark.parametrize(
    'name', ['/ns_1/Camera/image_raw_', '/' + '/'.join('abcdefgh'), '/x' * 60]
)
def test_topics_of_odd_names_that_ros_allows(start, peer, portrait_message, name):
    start('ros.emotion_node', '--ros-args', '-p', 'autostart:=true', '-r', f'image:={name}')
    publisher = peer.node.create_publisher(Image, name, rclpy.qos.qos_profile_sensor_data)
    peer.until(publisher.get_subscription_count, what='the node')
    peer.spin(0.5)
    publisher.publish(portrait_message)
    peer.until(lambda: peer.arrays, what='an answer')
