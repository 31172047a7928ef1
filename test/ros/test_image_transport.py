# SPDX-License-Identifier: Apache-2.0
"""Which topic and type the node reads, and what it says when the camera publishes another."""

import time

import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from emotion_perception.ros.conversions import time_message
from support.ros_peer import ERROR, OK, WARN


@pytest.fixture
def publish(peer):
    """Return a function that creates a publisher for one test."""
    made = []

    def create(kind, topic):
        made.append(peer.node.create_publisher(kind, topic, qos_profile_sensor_data))
        return made[-1]

    yield create
    for publisher in made:
        peer.node.destroy_publisher(publisher)


def send_until_answered(peer, publisher, message):
    """Publish until the node has found the camera, and return the first answer."""

    def answered():
        publisher.publish(message)
        peer.spin(0.1)
        return peer.arrays

    return peer.until(answered, what='the faces')[0]


def test_auto_reads_what_the_camera_publishes(node, peer, publish, portrait, jpeg):
    peer.stop_publishing()
    node.setup(steps=('configure',), image_transport='auto')
    assert peer.transition('activate')
    raw = 'reading /image (sensor_msgs/msg/Image)'
    # what the node prints may come after its answer
    assert peer.until(lambda: node.count(raw), what='the line of the log') == 1
    camera = publish(CompressedImage, '/image/compressed')
    array = send_until_answered(peer, camera, jpeg(portrait))
    assert [face.label for face in array.faces] == ['happiness']
    status = peer.wait_for_status(OK, image_topic='/image/compressed')
    assert status.values['image_publishers'] == '1'
    # raw images need no decoding: they are preferred as soon as they are published
    publish(Image, '/image')
    peer.wait_for_status(image_topic='/image')


@pytest.mark.parametrize('transport', ['auto', 'compressed'])
def test_compressed_images_follow_the_remapping_of_image(
    start, peer, publish, portrait, jpeg, transport
):
    publish(CompressedImage, '/eye/image_raw/compressed')
    start(
        'emotion_node',
        remappings={'image': '/eye/image_raw'},
        autostart='true',
        image_transport=transport,
        time_budget=100.0,
    )
    camera = publish(CompressedImage, '/eye/image_raw/compressed')
    array = send_until_answered(peer, camera, jpeg(portrait))
    assert array.faces[0].label == 'happiness'


def test_a_remapping_straight_to_compressed_images(start, peer, publish, portrait, jpeg):
    camera = publish(CompressedImage, '/eye/image_raw/compressed')
    start(
        'emotion_node',
        remappings={'image': '/eye/image_raw/compressed'},
        autostart='true',
        time_budget=100.0,
    )
    assert send_until_answered(peer, camera, jpeg(portrait)).faces[0].label == 'happiness'


@pytest.mark.parametrize(
    ('transport', 'kind', 'topic', 'advice'),
    [
        ('raw', CompressedImage, '/image/compressed', 'set image_transport to auto or compressed'),
        ('raw', CompressedImage, '/image', 'set image_transport to auto or compressed'),
        ('compressed', Image, '/image', 'set image_transport to auto or raw'),
        ('auto', String, '/image', 'these are no images; remap image to another topic'),
    ],
)
def test_another_type_than_is_read_is_named(node, peer, publish, transport, kind, topic, advice):
    peer.stop_publishing()
    node.setup(steps=('configure',), image_transport=transport, stalled_after_s=0.1)
    assert peer.transition('activate')
    publish(kind, topic)
    found = f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'
    text = f'{topic} is published as {found}'
    status = peer.wait_for_status(ERROR, where=lambda status: text in status.message)
    assert status.message.endswith(advice)


def test_a_second_node_of_the_same_name(node, peer, start):
    node.setup(stalled_after_s=60.0)
    start('emotion_node', environment={'ROS_DOMAIN_ID': str(node.domain)})
    status = peer.wait_for_status(WARN, where=lambda status: 'nodes have this' in status.message)
    assert status.message.startswith('2 nodes have this name')


def test_images_of_another_clock(node, peer, portrait_message):
    portrait_message.header.stamp = time_message(time.time_ns() - 3 * 3600 * 10**9)
    peer.send(portrait_message)
    status = peer.wait_for_status(WARN)
    assert status.message.startswith('the images are 10800 s old: synchronize the clocks')
