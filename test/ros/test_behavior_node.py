# SPDX-License-Identifier: Apache-2.0
"""The example behavior reacts once to each new label of each face."""

from builtin_interfaces.msg import Duration
from std_msgs.msg import String

from emotion_msgs.msg import Emotion

HELLO = 'Hello! Good to see you.'


def test_what_it_says(start, peer):
    start('behavior_node')
    said = []
    peer.node.create_subscription(String, 'say', lambda message: said.append(message.data), 10)
    faces = peer.node.create_publisher(Emotion, 'emotion', 10)
    # the peer itself subscribes to `emotion`
    peer.until(
        lambda: peer.node.count_publishers('say') and faces.get_subscription_count() > 1,
        what='the behavior',
    )
    peer.spin(0.3)
    for face_id, label, tracked_s in (
        (1, 'uncertain', 2),
        (1, 'neutral', 2),
        (3, 'happiness', 0),
        (1, 'happiness', 2),
        (1, 'happiness', 3),
        (1, 'uncertain', 3),
        (1, 'sadness', 4),
        (1, 'anger', 5),
        (2, 'happiness', 2),
    ):
        faces.publish(Emotion(face_id=face_id, label=label, tracked_for=Duration(sec=tracked_s)))
        peer.spin(0.02)
    peer.until(lambda: len(said) >= 4, what='the last response')
    peer.spin(0.1)
    assert said == [
        HELLO,
        'Is there something I can do for you?',
        'I will give you some room.',
        HELLO,
    ]
    peer.node.destroy_publisher(faces)
