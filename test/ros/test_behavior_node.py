"""The example behavior, told of faces by another process."""

import pytest
from builtin_interfaces.msg import Duration
from std_msgs.msg import String

from emotion_msgs.msg import Emotion


@pytest.fixture
def say(start, peer):
    """Tell the behavior of a face and return what it says to that."""
    start('ros.behavior_node')
    heard = []
    peer.node.create_subscription(String, 'say', lambda message: heard.append(message.data), 10)
    faces = peer.node.create_publisher(Emotion, 'emotion', 10)
    peer.until(
        lambda: peer.node.count_publishers('say') and faces.get_subscription_count() > 1,
        what='the behavior',
    )
    peer.spin(0.3)

    def tell(label, face_id=1, seen_s=2):
        heard.clear()
        faces.publish(Emotion(face_id=face_id, label=label, tracked_for=Duration(sec=seen_s)))
        peer.spin(0.5)
        return list(heard)

    return tell


def test_greets_consoles_and_backs_off_once_each(say):
    assert say('happiness') == ['Hello! Good to see you.']
    assert say('happiness') == []
    assert say('sadness') == ['Is there something I can do for you?']
    assert say('anger') == ['I will give you some room.']
    assert say('happiness', face_id=2) == ['Hello! Good to see you.']


def test_says_nothing_on_uncertain_or_to_passers_by(say):
    assert say('uncertain') == []
    assert say('neutral') == []
    assert say('happiness', face_id=3, seen_s=0) == []
