"""The node over Fast DDS and a process with nothing but Cyclone DDS: both ways, every field, every hash."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from rclpy.topic_endpoint_info import TopicEndpointInfo

from emotion_perception.bag.message_types import EMOTION, EMOTIONS_OF_IMAGE, MessageTypes
from emotion_perception.doctor.ros_setup import PROFILE, TYPE_HASHES

pytest.importorskip('cyclonedds', reason='PyPI package cyclonedds is not installed')

ROOT = Path(__file__).parents[2]
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
"""This machine alone, as ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST; an image in a few datagrams."""


class Cyclone:
    """The process and what it printed."""

    def __init__(self, log, picture, kind):
        """Start it with a picture to send; it prints to the file `log`."""
        self._log = log
        script = Path(__file__).with_name('cyclone_peer.py')
        command = [sys.executable, '-u', str(script), os.environ['ROS_DOMAIN_ID'], picture, kind]
        environment = os.environ | {'CYCLONEDDS_URI': CONFIGURATION}
        self.process = subprocess.Popen(command, stdout=log.open('w'), env=environment)

    def _lines(self):
        whole = self._log.read_text().rpartition('\n')[0]
        return [json.loads(line) for line in whole.splitlines()]

    def heard(self, topic):
        """Return the messages of a topic, as they came."""
        return [line['message'] for line in self._lines() if line.get('topic') == topic]

    def hashes(self):
        """Return the hash of the type of each topic that somebody publishes."""
        return {line['hash_of']: line['hash'] for line in self._lines() if 'hash_of' in line}


@pytest.fixture
def cyclone(tmp_path, portrait, monkeypatch):
    """Start the process that sends the portrait, raw or jpeg."""
    for variable in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        monkeypatch.setenv(variable, str(ROOT / 'config' / PROFILE))
    picture = tmp_path / 'portrait.png'
    # what fits into the 208 KiB that most machines give to a socket
    cv2.imwrite(str(picture), cv2.resize(portrait, (320, 240)))
    started = []

    def start_cyclone(kind):
        started.append(Cyclone(tmp_path / 'cyclone.log', str(picture), kind))
        return started[-1]

    yield start_cyclone
    for one in started:
        one.process.send_signal(signal.SIGINT)
        assert one.process.wait(10) == 0


def plain(value):
    """Return a message of rclpy as dicts, lists and numbers."""
    if hasattr(value, 'get_fields_and_field_types'):
        return {name: plain(getattr(value, name)) for name in value.get_fields_and_field_types()}
    if isinstance(value, str | int | float):
        return value
    return [plain(item) for item in value] if hasattr(value, '__iter__') else value.item()


def by_stamp(messages):
    """Return messages, as text that is equal where every field is, by the stamp of their image."""
    return {
        (one['header']['stamp']['sec'], one['header']['stamp']['nanosec']): json.dumps(one)
        for one in messages
    }


@pytest.mark.parametrize(('kind', 'transport'), [('raw', 'raw'), ('jpeg', 'compressed')])
def test_what_cyclone_sends_is_answered_and_read_alike(start, peer, cyclone, kind, transport):
    start('ros.emotion_node', autostart='true', image_transport=transport)
    sender = cyclone(kind)
    for topic, heard in (('emotion', peer.emotions), ('faces', peer.arrays)):

        def both(topic=topic, heard=heard):
            theirs = by_stamp(sender.heard(topic))
            ours = by_stamp(plain(message) for message in heard)
            return (theirs, ours) if len(theirs.keys() & ours.keys()) >= 5 else None

        theirs, ours = peer.until(both, 30, 'five answers that both heard')
        common = sorted(theirs.keys() & ours.keys())
        assert [theirs[stamp] for stamp in common] == [ours[stamp] for stamp in common]
    first = sender.heard('emotion')[0]
    assert first['label'] == 'happiness'
    assert first['face_id'] >= 1
    assert sum(first['probabilities']) == pytest.approx(1, abs=1e-5)
    assert {one['header']['frame_id'] for one in sender.heard('faces')} == {'cyclone'}


def published_hash(info: TopicEndpointInfo) -> str:
    """Return the hash in what rclpy knows of a publisher, as text."""
    return f'RIHS{info.topic_type_hash.version:02d}_{info.topic_type_hash.value.hex()}'


def test_all_agree_on_the_type_hashes(start, peer, cyclone):
    """
    Four ways to the same hashes, of the node as it runs.

    rosbags computes them from the .msg files; the node announces what rosidl computed; rclpy and
    Cyclone DDS, in other processes, each read that; the doctor has them written down.
    """
    start('ros.emotion_node', autostart='true')
    stranger = cyclone('raw')
    types = MessageTypes()
    for topic, kind in (('/emotion', EMOTION), ('/emotion/faces', EMOTIONS_OF_IMAGE)):
        computed = types.define(kind)[1]
        info = peer.until(
            lambda topic=topic: peer.node.get_publishers_info_by_topic(topic), 20, 'the publisher'
        )
        assert published_hash(info[0]) == computed
        assert (
            peer.until(
                lambda topic=topic: stranger.hashes().get(f'rt{topic}'),
                20,
                'the hash over the wire',
            )
            == computed
        )
        assert TYPE_HASHES[kind] == computed
