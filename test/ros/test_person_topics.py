# SPDX-License-Identifier: Apache-2.0
"""`emotion/events` and `emotion/nearest` of the emotion node."""

import numpy as np
import pytest
from std_msgs.msg import Header

from emotion_msgs.msg import Emotion, PersonEvent
from emotion_perception.person_events import KINDS
from emotion_perception.ros.conversions import bgr_to_image, seconds


class Received:
    """What a peer receives on the two topics."""

    def __init__(self, peer):
        """Subscribe."""
        self.events, self.nearest = [], []
        self._node = peer.node
        self._subscriptions = [
            peer.node.create_subscription(PersonEvent, 'emotion/events', self._on_event, 50),
            peer.node.create_subscription(Emotion, 'emotion/nearest', self.nearest.append, 50),
        ]
        peer.until(
            lambda: all(peer.node.count_publishers(s.topic_name) for s in self._subscriptions),
            what='the publishers',
        )
        peer.spin(0.3)

    def _on_event(self, event):
        # whether a face looks at the camera depends on its pose, which is not tested here
        if 'looks' not in event.kind:
            self.events.append(event)

    @property
    def log(self):
        """Id, kind and labels of each event."""
        return [
            (event.face_id, event.kind, event.from_label, event.to_label) for event in self.events
        ]

    def destroy(self):
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)


@pytest.fixture
def received(node, peer):
    """Return what is received while the node is active."""
    received = Received(peer)
    yield received
    received.destroy()


def send_until(peer, message, condition):
    """Send an image again and again until a condition is true; return the arrays of all."""
    arrays = []

    def send():
        arrays.append(peer.process(message))
        peer.spin(0.03)
        return condition()

    peer.until(send, 20)
    return arrays


def test_the_kinds_are_those_of_the_message():
    values = [getattr(PersonEvent, name) for name in dir(PersonEvent) if name.isupper()]
    assert sorted(value for value in values if isinstance(value, str)) == sorted(KINDS)


def test_somebody_comes_and_goes(peer, received, portrait, portrait_message):
    arrays = send_until(peer, portrait_message, lambda: len(received.events) >= 2)
    (face_id,) = {face.face_id for array in arrays for face in array.faces}
    assert received.log == [
        (face_id, 'appeared', '', ''),
        (face_id, 'expression_changed', 'uncertain', 'happiness'),
    ]
    appeared, smiles = received.events
    of_image = peer.array_of(appeared.header)
    assert appeared.header.frame_id == 'eye'
    assert of_image.faces[0].confidence == appeared.confidence
    assert appeared.confidence > 0.8
    for event in (appeared, smiles):
        assert event.seen_for.sec + event.seen_for.nanosec * 1e-9 >= 0.3
    # no event repeats, and nobody is nearer
    send_until(peer, portrait_message, lambda: len(peer.arrays) > len(arrays) + 10)
    assert len(received.events) == 2
    peer.until(lambda: len(received.nearest) >= len(peer.arrays), what='the last nearest face')
    # as text, because unknown positions are NaN
    assert str(received.nearest) == str([array.faces[0] for array in peer.arrays])
    nobody = bgr_to_image(np.full_like(portrait, 90), Header(frame_id='eye'))
    send_until(peer, nobody, lambda: len(received.events) > 2)
    assert received.log[2:] == [(face_id, 'left', '', '')]
    assert peer.array_of(received.events[2].header).faces == []
    assert received.nearest[-1].header.stamp != received.events[2].header.stamp


@pytest.mark.parametrize('end', ['deactivated', 'silent'])
def test_everybody_leaves(peer, received, portrait_message, end):
    send_until(peer, portrait_message, lambda: len(received.events) >= 2)
    if end == 'deactivated':
        assert peer.transition('deactivate')
    peer.until(lambda: len(received.events) > 2, what='the last event')
    assert [event.kind for event in received.events[2:]] == ['left']
    left, last = received.events[2], peer.arrays[-1]
    assert (left.face_id, left.header.frame_id) == (received.events[0].face_id, 'eye')
    silent_s = seconds(left.header.stamp) - seconds(last.header.stamp)
    assert silent_s > (0 if end == 'deactivated' else 3)


def test_the_nearest_of_two(peer, received, portrait):
    wide = np.zeros_like(portrait)
    near, far = portrait[:400, 100:420], portrait[:400:2, 100:420:2]
    wide[:400, :320], wide[:200, 400:560] = near, far
    message = bgr_to_image(wide, Header(frame_id='eye'))
    arrays = send_until(peer, message, lambda: len(received.events) >= 4)
    both = [array for array in arrays if len(array.faces) == 2]
    assert both
    peer.until(lambda: len(received.nearest) >= len(peer.arrays), what='the last nearest face')
    of_image = {str(face.header.stamp): face for face in received.nearest}
    for array in both:
        assert of_image[str(array.header.stamp)].box.width > 1.5 * min(
            face.box.width for face in array.faces
        )
    assert {event.face_id for event in received.events} == {f.face_id for f in both[0].faces}
