# SPDX-License-Identifier: Apache-2.0
"""Positions of faces from camera_info and depth images, in the node."""

import math

import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image

from emotion_perception.ros.emotion_node import SUCCESS
from support.in_process import in_process_node
from support.ros_peer import ERROR, OK

FOCAL_PX = 554.0


def calibration(width=640, height=480, focal_px=FOCAL_PX):
    """Return a camera without distortion."""
    k = [focal_px, 0.0, width / 2, 0.0, focal_px, height / 2, 0.0, 0.0, 1.0]
    return CameraInfo(width=width, height=height, k=k, distortion_model='plumb_bob')


@pytest.fixture
def publish_info(peer):
    """Return a function that publishes a calibration until the node has it."""
    publisher = peer.node.create_publisher(CameraInfo, 'camera_info', qos_profile_sensor_data)

    def publish(message, **values):
        peer.until(publisher.get_subscription_count, what='the node to read camera_info')
        publisher.publish(message)
        peer.wait_for_status(**values)

    yield publish
    peer.node.destroy_publisher(publisher)


def test_a_face_in_front_of_a_calibrated_camera(node, peer, publish_info, portrait_message):
    (face,) = peer.process(portrait_message).faces
    assert math.isnan(face.distance)
    assert math.isnan(face.position.z)
    assert face.distance_source == ''
    publish_info(calibration(), level=OK, camera_geometry='calibration')
    (face,) = peer.process(portrait_message).faces
    assert face.distance_source == face.DISTANCE_FACE_SIZE
    assert face.distance == pytest.approx(0.57, abs=0.1)
    center_x = face.box.x_offset + face.box.width / 2
    assert face.position.x / face.position.z == pytest.approx(
        (center_x - 320) / FOCAL_PX, abs=0.003
    )
    publish_info(calibration(640, 360))
    peer.until(lambda: math.isnan(peer.process(portrait_message).faces[0].distance), what='NaN')
    status = peer.wait_for_status(where=lambda s: s.values['camera_geometry_problem'])
    assert status.values['camera_geometry'] == 'unknown'
    assert 'calibrated for 640x360' in status.values['camera_geometry_problem']
    publish_info(calibration(focal_px=0.0), camera_geometry='unknown')
    assert node.count('camera_info has no calibration') == 1


def test_a_depth_image(node, peer, publish_info, portrait_message):
    node.setup(depth_topic='depth/image_raw')
    publisher = peer.node.create_publisher(Image, 'depth/image_raw', qos_profile_sensor_data)
    publish_info(calibration(), camera_geometry='calibration')
    peer.until(publisher.get_subscription_count, what='the node to read the depth')

    def process(stamp_shift_ns=0, **fields):
        now = peer.node.get_clock().now()
        depth = Image(encoding='16UC1', width=640, height=480, step=1280)
        depth.data = np.full((480, 640), 1500, np.uint16).tobytes()
        for name, value in fields.items():
            setattr(depth, name, value)
        depth.header.stamp = (now + type(now - now)(nanoseconds=stamp_shift_ns)).to_msg()
        publisher.publish(depth)
        peer.spin(0.1)
        portrait_message.header.stamp = now.to_msg()
        peer.send(portrait_message)
        header = portrait_message.header
        (face,) = peer.until(lambda: peer.array_of(header), what='the faces').faces
        return face

    face = process()
    assert (face.distance_source, face.position.z) == ('depth', pytest.approx(1.5))
    meters = np.full((480, 640), 2.5, np.float32)
    face = process(encoding='32FC1', step=2560, data=meters.tobytes())
    assert (face.distance_source, face.position.z) == ('depth', pytest.approx(2.5))
    # a depth image of another moment, encoding or shape is not used
    peer.spin(0.3)
    assert process(stamp_shift_ns=-(10**9)).distance_source == 'face_size'
    assert process(encoding='rgb8').distance_source == 'face_size'
    assert process(height=240).distance_source == 'face_size'
    assert node.count('the depth image is not used') == 2
    peer.node.destroy_publisher(publisher)


@pytest.mark.parametrize(
    ('remappings', 'topic'),
    [
        ({}, '/camera_info'),
        ({'image': '/front/image_raw'}, '/front/camera_info'),
        ({'image': '/front/image_raw', 'camera_info': '/calibrated'}, '/calibrated'),
    ],
)
def test_the_calibration_is_beside_the_images(remappings, topic):
    """Remapped together with them, or by itself; whatever the rotation."""
    options = [f'{name}:={target}' for name, target in remappings.items()]
    arguments = [word for option in options for word in ('-r', option)]
    with in_process_node(cli_args=['--ros-args', *arguments, '-p', 'rotate:=180']) as node:
        assert node.trigger_configure() == node.trigger_activate() == SUCCESS
        assert topic in {subscription.topic_name for subscription in node.subscriptions}
        node.trigger_deactivate()


def test_a_depth_topic_without_a_valid_name(node, peer):
    node.setup(('configure',), depth_topic='no topic')
    assert not peer.transition('activate')
    status = peer.wait_for_status(ERROR, state='inactive')
    assert status.message.startswith('cannot be activated: no topic cannot be subscribed to: ')
    assert '\n' not in status.message
    node.setup()


def test_a_known_field_of_view(node, peer, portrait_message):
    node.setup(field_of_view_deg=60)
    (face,) = peer.process(portrait_message).faces
    assert face.distance == pytest.approx(0.57, abs=0.1)
    peer.wait_for_status(OK, camera_geometry='field of view')
