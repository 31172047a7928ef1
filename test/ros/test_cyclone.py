# SPDX-License-Identifier: Apache-2.0
"""The node over Fast DDS and a process with Cyclone DDS alone: all fields and type hashes."""

import json

import cv2
import pytest

from emotion_perception.bag.message_types import EMOTION, EMOTIONS_OF_IMAGE, MessageTypes
from support.plain_messages import plain
from support.processes import process_group

pytest.importorskip('cyclonedds', reason='PyPI package cyclonedds is not installed')

CONFIGURATION = """
<CycloneDDS><Domain>
  <General>
    <Interfaces><NetworkInterface name="lo" multicast="false"/></Interfaces>
    <AllowMulticast>false</AllowMulticast>
    <MaxMessageSize>65500B</MaxMessageSize><FragmentSize>60000B</FragmentSize>
  </General>
  <Discovery>
    <ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>60</MaxAutoParticipantIndex>
    <Peers><Peer address="127.0.0.1"/></Peers>
  </Discovery>
</Domain></CycloneDDS>
"""
"""This machine alone, as ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST; an image in few datagrams."""


class CyclonePeer:
    """The process and what it printed."""

    def __init__(self, process):
        """Read what `process` prints."""
        self._process = process

    def _lines(self):
        return [json.loads(line) for _, line in list(self._process.log) if line[0] == '{']

    def messages(self, topic):
        """Return the received messages of a topic."""
        return [line['message'] for line in self._lines() if line.get('topic') == topic]

    def hashes(self):
        """Return the announced type hash of each topic."""
        return {line['hash_of']: line['hash'] for line in self._lines() if 'hash_of' in line}


@pytest.fixture
def start_cyclone(node, tmp_path, portrait):
    """Return a function that starts a process which sends the portrait, raw or jpeg."""
    path = tmp_path / 'portrait.png'
    # small enough for the 208 KiB socket buffers of most machines
    cv2.imwrite(str(path), cv2.resize(portrait, (320, 240)))
    # the peer must not be a second camera
    node.peer.stop_publishing()
    with process_group() as group:

        def start(kind):
            environment = {'CYCLONEDDS_URI': CONFIGURATION}
            arguments = [str(node.domain), str(path), kind]
            return CyclonePeer(
                group.start('support.cyclone_peer', *arguments, environment=environment)
            )

        yield start


def by_stamp(messages):
    """Return messages as text, which shows all fields, by the stamp of their image."""
    return {
        (one['header']['stamp']['sec'], one['header']['stamp']['nanosec']): json.dumps(one)
        for one in messages
    }


@pytest.mark.parametrize(('kind', 'transport'), [('raw', 'raw'), ('jpeg', 'compressed')])
def test_cyclone_sends_images_and_reads_the_same_messages(
    node, peer, start_cyclone, kind, transport
):
    node.setup(image_transport=transport)
    peer.stop_publishing()
    cyclone = start_cyclone(kind)
    for topic, messages in (('emotion', peer.emotions), ('faces', peer.arrays)):

        def common(topic=topic, messages=messages):
            theirs = by_stamp(cyclone.messages(topic))
            ours = by_stamp(plain(message) for message in messages)
            stamps = sorted(theirs.keys() & ours.keys())
            return (stamps, theirs, ours) if len(stamps) >= 5 else None

        stamps, theirs, ours = peer.until(common, 30, 'five messages that both received')
        assert [theirs[stamp] for stamp in stamps] == [ours[stamp] for stamp in stamps]
    first = cyclone.messages('emotion')[0]
    assert first['label'] == 'happiness'
    assert first['face_id'] >= 1
    assert sum(first['probabilities']) == pytest.approx(1, abs=1e-5)
    assert {one['header']['frame_id'] for one in cyclone.messages('faces')} == {'cyclone'}


def test_all_agree_on_the_type_hashes(node, peer, start_cyclone):
    """
    Three ways to the same hashes.

    rosbags computes them from the .msg files; the node announces what rosidl computed, which rclpy
    and Cyclone DDS read in other processes.
    """
    cyclone = start_cyclone('raw')
    types = MessageTypes()
    for topic, kind in (('/emotion', EMOTION), ('/emotion/faces', EMOTIONS_OF_IMAGE)):
        computed = types.define(kind)[1]
        (info,) = peer.node.get_publishers_info_by_topic(topic)
        announced = info.topic_type_hash
        assert f'RIHS{announced.version:02d}_{announced.value.hex()}' == computed
        read = peer.until(
            lambda name=f'rt{topic}': cyclone.hashes().get(name), 20, 'the hash in Cyclone DDS'
        )
        assert read == computed
