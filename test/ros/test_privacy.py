# SPDX-License-Identifier: Apache-2.0
"""What the node shows of people, and that it stores nothing of them."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from rclpy.impl.implementation_singleton import rclpy_implementation
from std_msgs.msg import Header

from emotion_perception.emotions import EMOTIONS
from emotion_perception.ros.conversions import bgr_to_image, image_to_bgr
from support.processes import files_open_for_writing
from support.ros_peer import WARN, ros_peer
from support.sharpness import detail

POLICY = Path(__file__).parents[2] / 'config' / 'sros2_policy.xml'


def inner_detail(image, box):
    """Return the detail inside a face's box."""
    return detail(image, (box.x_offset, box.y_offset, box.width, box.height), border=8)


@pytest.mark.parametrize(
    ('annotated_image', 'lowest', 'highest'), [('full', 0.8, 1.2), ('blurred', 0, 0.05)]
)
def test_detail_of_the_face_in_the_annotated_image(
    node, peer, portrait, portrait_message, annotated_image, lowest, highest
):
    node.setup(annotated_image=annotated_image)
    with peer.annotated_image():
        array = peer.process(portrait_message)
        message = peer.until(lambda: peer.annotated, what='the annotated image')[-1]
    assert message.header == array.header
    image = image_to_bgr(message)
    (face,) = array.faces
    assert face.label == 'happiness'
    assert lowest <= inner_detail(image, face.box) / inner_detail(portrait, face.box) <= highest
    # box and label are drawn, and nothing else changes
    changed = (image != portrait).any(axis=-1)
    assert changed[face.box.y_offset, face.box.x_offset :][: face.box.width].mean() > 0.9
    assert not changed[:, :100].any()


def test_none_publishes_no_image_and_everything_else_works(node, peer, portrait_message):
    node.setup(annotated_image='none')
    for _ in range(3):
        assert peer.process(portrait_message).faces[0].label == 'happiness'
    published = peer.node.get_publisher_names_and_types_by_node('emotion_perception', '/')
    assert not [topic for topic, kinds in published if any('Image' in kind for kind in kinds)]


def written_bytes(pid):
    """Return how many bytes a process wrote, to any file, pipe or terminal."""
    lines = Path(f'/proc/{pid}/io').read_text().splitlines()
    return int(next(line for line in lines if line.startswith('wchar')).split()[1])


@pytest.mark.parametrize('image_transport', ['raw', 'compressed'])
def test_writes_nothing_but_its_log(
    start, peer, portrait, portrait_message, jpeg, tmp_path, image_transport
):
    """While it processes faces and failed images, also not in folders for temporary files."""
    names = ('HOME', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'TMPDIR', 'TMP', 'TEMP')
    environment = dict.fromkeys(names, str(tmp_path)) | {'PYTHONDONTWRITEBYTECODE': '1'}
    environment |= {'ROS_HOME': '', 'ROS_LOG_DIR': ''}
    node = start(
        'emotion_node',
        environment=environment,
        autostart=True,
        image_transport=image_transport,
        annotated_image='blurred',
    )
    raw = image_transport == 'raw'
    to_message = (lambda image: bgr_to_image(image, Header())) if raw else jpeg
    messages = [to_message(np.roll(portrait, 6 * shift, axis=1)) for shift in range(20)]
    peer.wait_for_node(type(messages[0]))
    peer.process(messages[0])
    with peer.annotated_image():
        before = written_bytes(node.pid)
        for message in messages:
            assert len(peer.process(message).faces) == 1
        assert peer.annotated
        assert len(peer.classify(portrait_message).result.faces) == 1
        message.data = message.data[:5000]
        peer.send(message)
        peer.wait_for_status(WARN, images_failed=1)
        # less than a crop of 48x48 for each face
        assert written_bytes(node.pid) - before < len(messages) * 48 * 48 / 2
    log = tmp_path / '.ros' / 'log'
    assert {path.parent for path in files_open_for_writing(node.pid)} <= {log}
    node.stop()
    left = [path for path in tmp_path.rglob('*') if path.is_file()]
    assert {(path.parent, path.suffix) for path in left} == {(log, '.log')}
    assert sum(path.stat().st_size for path in left) < 20_000
    text = ''.join(path.read_text() for path in left)
    assert 'ready: ' in text
    assert not [label for label in EMOTIONS if label in text]


def allowed(node_name):
    """Return what the security policy allows a node: kind of use -> full names."""
    found = {}
    for profile in ElementTree.parse(POLICY).iter('profile'):
        if profile.get('node') != node_name:
            continue
        for group in profile:
            for use in group.attrib:
                names = [(item.text or '').replace('~', node_name) for item in group]
                found.setdefault(f'{use} {group.tag}', set()).update(f'/{name}' for name in names)
    return found


def used(peer, node_name):
    """Return the topics that a node publishes and subscribes to, and its services."""
    try:
        return [
            {topic for topic, _ in names_and_types(node_name, '/')}
            for names_and_types in (
                peer.node.get_publisher_names_and_types_by_node,
                peer.node.get_subscriber_names_and_types_by_node,
                peer.node.get_service_names_and_types_by_node,
            )
        ]
    except rclpy_implementation.NodeNameNonExistentError:
        return [set()] * 3


def used_with(node_name, topic):
    """
    Return the same once `topic` is in it.

    Participants that start at the same time may miss what belongs to each other's nodes, and are
    not told again: so a newcomer asks, and if that misses it another one.
    """
    for _ in range(4):
        with ros_peer() as peer:
            if peer.spin_until(
                lambda p=peer: any(topic in names for names in used(p, node_name)), 8
            ):
                return used(peer, node_name)
            nodes = sorted(peer.node.get_node_names())
    raise TimeoutError(f'{node_name} does not use {topic}; there are the nodes {nodes}')


def test_the_security_policy_allows_what_each_node_uses(start):
    start('emotion_node', autostart=True, annotated_image='none')
    start('camera_node')
    start('behavior_node')
    start('greeter')
    start('comforter')
    for node_name, topic in (
        ('emotion_perception', '/image'),
        ('camera', '/image'),
        ('behavior', '/emotion'),
        ('greeter', '/emotion/faces'),
        ('comforter', '/emotion/faces'),
    ):
        published, subscribed, services = used_with(node_name, topic)
        rules = allowed(node_name)
        assert published <= rules['publish topics']
        assert subscribed <= rules['subscribe topics']
        assert services <= rules['reply services']
        images = {'/image', '/image/compressed', '/emotion/image'} & rules['subscribe topics']
        emotion_node = node_name == 'emotion_perception'
        assert images == ({'/image', '/image/compressed'} if emotion_node else set())
