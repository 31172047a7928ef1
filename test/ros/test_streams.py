# SPDX-License-Identifier: Apache-2.0
"""Streams that are not steady: other sizes, strange stamps, a stopped clock, a second camera."""

import math

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import bgr_to_image, image_to_bgr, seconds
from support.ros_peer import ERROR, WARN

WALL = np.full((480, 640, 3), 128, np.uint8)


@pytest.fixture
def send(peer, portrait_message):
    """Return a function that sends images with given stamps, and returns the arrays."""

    def send_images(*stamps_s, message=portrait_message):
        arrays = []
        for stamp_s in stamps_s:
            before = len(peer.arrays)
            whole_s = int(stamp_s)
            message.header.stamp = Time(sec=whole_s, nanosec=round((stamp_s - whole_s) * 1e9))
            peer.send(message)
            peer.until(lambda count=before: len(peer.arrays) > count, what='the faces')
            arrays.append(peer.arrays[-1])
        return arrays

    return send_images


def ids(arrays):
    """Return the ids of the faces in each."""
    return [face.face_id for array in arrays for face in array.faces]


def tracked_s(arrays):
    """Return how long each face was tracked, in seconds."""
    return [seconds(face.tracked_for) for array in arrays for face in array.faces]


def test_another_size_begins_new_tracks(node, peer, send, portrait):
    first = send(100.0, 100.1)
    second = send(100.2, 100.3, message=bgr_to_image(cv2.resize(portrait, (320, 240)), Header()))
    assert ids(first + second) == [1, 1, 2, 2]
    assert (second[0].image_width, second[0].image_height) == (320, 240)
    (before,), (after,) = first[1].faces, second[1].faces
    assert after.label == before.label == 'happiness'
    assert after.box.x_offset == pytest.approx(before.box.x_offset / 2, abs=6)
    assert after.box.width == pytest.approx(before.box.width / 2, abs=6)
    peer.wait_for_status(image_format='320x240 bgr8', format_changes=1)


def test_another_encoding_continues_the_tracks(node, peer, send, portrait):
    rgb = Image(encoding='rgb8', height=480, width=640, step=1920)
    rgb.data = cv2.cvtColor(portrait, cv2.COLOR_BGR2RGB).tobytes()
    gray = Image(encoding='mono8', height=480, width=640, step=640)
    gray.data = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY).tobytes()
    arrays = send(100.0) + send(100.1, message=rgb) + send(100.2, message=gray)
    assert ids(arrays) == [1, 1, 1]
    assert [array.faces[0].label for array in arrays] == ['happiness'] * 3
    peer.wait_for_status(format_changes=2)


@pytest.mark.parametrize(
    ('stamps_s', 'expected_ids', 'expected_s', 'jumps'),
    [
        ((100, 100.1, 50, 50.1, 50.2, 20), [1, 1, 2, 2, 2, 3], [0, 0.1, 0, 0.1, 0.2, 0], 2),
        ((100, 100.1, 100.05, 100.2, 99.9, 100.3), [1] * 6, [0, 0.1, 0.1, 0.2, 0.2, 0.3], 0),
    ],
    ids=['jumps back', 'out of order'],
)
def test_stamps_that_run_back(node, peer, send, stamps_s, expected_ids, expected_s, jumps):
    arrays = send(*stamps_s)
    assert ids(arrays) == expected_ids
    assert tracked_s(arrays) == pytest.approx(expected_s, abs=1e-6)
    peer.wait_for_status(stamp_jumps_back=jumps)
    assert node.count('the image stamps jumped back') == (jumps > 0)


@pytest.mark.parametrize('stamp_s', [0.0, 50.0])
def test_stamps_that_stand_still(node, peer, send, stamp_s):
    """The time of arrival is used: ids, smoothing and the end of tracks work."""
    assert peer.set_parameters(smoothing_s=0.1, max_gap_s=0.3) == [(True, '')] * 2
    arrays = send(stamp_s)
    for _ in range(3):
        peer.spin(0.12)
        arrays += send(stamp_s)
    assert ids(arrays) == [1] * 4
    assert np.diff(tracked_s(arrays)).min() > 0.1
    if not stamp_s:
        assert all(math.isnan(array.age) for array in arrays)
    assert ids(send(stamp_s, message=bgr_to_image(WALL, Header()))) == []
    peer.spin(0.4)
    assert ids(send(stamp_s)) == [2]


def test_simulated_time(start, peer, send):
    """Autostart and all else work while the clock stands at zero, is paused, and goes on."""
    node = start('emotion_node', autostart=True, use_sim_time=True, stalled_after_s=0.5)
    peer.wait_for_node()
    arrays = send(0.0)
    peer.spin(0.2)
    arrays += send(0.0)
    assert ids(arrays) == [1, 1]
    assert tracked_s(arrays)[1] > 0.2
    peer.wait_for_status(ERROR, images_processed=2)
    assert peer.state() == 'active'
    assert node.count('no image on /image for') > 0
    clock = peer.node.create_publisher(Clock, '/clock', 1)
    peer.until(clock.get_subscription_count, what='the subscription to the clock')
    peer.spin(0.2)
    arrays = []
    for second in (10, 10, 11):
        clock.publish(Clock(clock=Time(sec=second)))
        peer.spin(0.2)
        arrays += send(float(second))
    assert ids(arrays[:2]) == [arrays[0].faces[0].face_id] * 2
    assert np.diff(tracked_s(arrays[:2])) > 0.2
    assert [array.age for array in arrays] == [0, 0, 0]
    assert peer.wait_for_status(images_processed=5).values['state'] == 'active'
    peer.node.destroy_publisher(clock)


def test_two_cameras_on_one_topic(node, peer, send, portrait):
    """The node warns; each face keeps its id while the images have one size."""
    assert peer.set_parameter('stalled_after_s', 60.0) == (True, '')
    send(100.0)
    peer.wait_for_status(image_publishers=1)
    second = peer.node.create_publisher(Image, 'image', qos_profile_sensor_data)
    other = bgr_to_image(np.roll(portrait, -180, axis=1), Header())
    arrays = []
    for step in range(1, 7):
        arrays.append(send(100.0 + step / 30))
        arrays.append(send(100.01 + step / 30, message=other))
    assert [ids(array) for array in arrays] == [[1], [2]] * 6
    for _ in range(2):
        status = peer.wait_for_status(WARN, image_publishers=2)
    assert 'one node per camera' in status.message
    assert node.count('2 publishers on /image') == 1
    peer.node.destroy_publisher(second)
    peer.wait_for_status(image_publishers=1)


@pytest.mark.parametrize('rotate', [90, 180, 270])
def test_a_camera_that_hangs_turned(start, peer, tmp_path, portrait, rotate):
    """It turns its images, so that the node sees what stands upright."""
    cv2.imwrite(str(tmp_path / 'wall.png'), np.rot90(portrait, rotate // 90))
    images = []
    peer.node.create_subscription(Image, '/image', images.append, qos_profile_sensor_data)
    height, width = np.rot90(portrait, rotate // 90).shape[:2]
    start('camera_node', source=tmp_path / 'wall.png', rotate=rotate, width=width, height=height)
    image = image_to_bgr(peer.until(lambda: images, what='an image')[0])
    assert image.shape == portrait.shape
    (face,) = Pipeline.default(tracking=False).process(image)
    assert face.label == 'happiness'
