# SPDX-License-Identifier: Apache-2.0
"""`behavior.People` on a node with simulated time, and faces that a peer publishes."""

import pytest
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import RegionOfInterest

from emotion_msgs.msg import Emotion, EmotionArray
from emotion_perception.behavior import People
from emotion_perception.ros.conversions import time_message
from support.spinning_node import SpinningNode


class Behavior:
    """A behavior that writes down each call, on a node whose time the test sets."""

    def __init__(self, **settings):
        """Subscribe."""
        self.robot, self.camera = SpinningNode(), SpinningNode()
        self.robot.node.set_parameters([Parameter('use_sim_time', value=True)])
        self.calls = []
        self.people = People(
            self.robot.node,
            on_appear=lambda person: self.calls.append(('appear', person.id)),
            on_expression=lambda person, before, now: self.calls.append(
                ('expression', person.id, before, now)
            ),
            on_attention=lambda person: self.calls.append(('attention', person.id)),
            on_leave=lambda person: self.calls.append(('leave', person.id)),
            **settings,
        )
        self._clock = self.camera.node.create_publisher(Clock, '/clock', 10)
        self._faces = self.camera.node.create_publisher(EmotionArray, 'emotion/faces', 10)
        self._received = []
        self.robot.node.create_subscription(EmotionArray, 'emotion/faces', self._note, 10)
        self.robot.until(
            lambda: self._faces.get_subscription_count() == 2, what='the subscriptions'
        )
        self.robot.until(self._clock.get_subscription_count, what='the clock')

    def _note(self, message):
        self._received.append(message)

    def set_time(self, now_s):
        """Set the simulated time."""

        def reached():
            self._clock.publish(Clock(clock=time_message(round(now_s * 1e9))))
            return abs(self.robot.now_s() - now_s) < 1e-6

        self.robot.until(reached, what='the time')

    def show(self, now_s, *faces):
        """Let an image show faces: (id, label) or (id, label, width)."""
        self.set_time(now_s)
        before = len(self._received)
        self._faces.publish(EmotionArray(faces=[emotion(*face) for face in faces]))
        self.robot.until(lambda: len(self._received) > before, what='the faces')
        self.robot.spin(0.02)

    def close(self):
        """Leave ROS."""
        self.robot.close()
        self.camera.close()


def emotion(face_id, label, width=50):
    box = RegionOfInterest(width=width, height=width)
    return Emotion(face_id=face_id, label=label, confidence=0.75, box=box)


@pytest.fixture
def behavior(_environment):
    """Return a behavior with the default times."""
    behavior = Behavior()
    yield behavior
    behavior.close()


def test_calls_in_the_order_of_the_events(behavior):
    for now_s, *faces in (
        (100.0, (1, 'neutral')),
        (100.4, (1, 'neutral')),
        (102.0, (1, 'sadness'), (2, 'uncertain')),
        (102.4, (1, 'sadness'), (2, 'uncertain')),
        (103.0, (1, 'uncertain'), (2, 'uncertain')),
        (103.5, (2, 'uncertain')),
        (104.0, (2, 'uncertain')),
        (104.6, (2, 'uncertain')),
    ):
        behavior.show(now_s, *faces)
    assert behavior.calls == [
        ('appear', 1),
        ('expression', 1, 'uncertain', 'neutral'),
        ('expression', 1, 'neutral', 'sadness'),
        ('appear', 2),
        ('leave', 1),
    ]


def test_who_is_there(behavior):
    assert behavior.people.people() == []
    assert behavior.people.nearest() is None
    for now_s in (50.0, 50.5):
        behavior.show(now_s, (3, 'fear', 40), (8, 'anger', 70))
    behavior.set_time(52.0)
    near, far = behavior.people.people()
    assert behavior.people.nearest() == near
    assert (near.id, near.expression, near.confidence) == (8, 'anger', 0.75)
    assert (far.id, far.expression, far.box.width) == (3, 'fear', 40)
    assert near.seen_for_s == near.expression_for_s == pytest.approx(2.0)
    assert near.face.label == Emotion.LABEL_ANGER


def test_silence_and_a_clock_that_jumps_back(behavior):
    for now_s in (500.0, 500.5, 20.0, 20.5):
        # a recording that starts again keeps those who are still there
        behavior.show(now_s, (1, 'uncertain'))
    assert behavior.calls == [('appear', 1)]
    (person,) = behavior.people.people()
    assert person.seen_for_s == pytest.approx(1.0)
    behavior.set_time(23.0)
    behavior.robot.spin(0.1)
    assert behavior.calls == [('appear', 1)]
    # the timer runs with the simulated clock
    for now_s in (23.6, 24.2):
        behavior.set_time(now_s)
        behavior.robot.spin(0.05)
    behavior.robot.until(lambda: len(behavior.calls) > 1, what='the end')
    assert behavior.calls == [('appear', 1), ('leave', 1)]
    assert behavior.people.nearest() is None


def test_an_exception_in_a_call_is_logged_and_the_others_go_on(behavior, capfd):
    def fail(person):
        raise RuntimeError(f'no arm for {person.id}')

    behavior.people.on_appear = fail
    for now_s in (100.0, 100.4, 102.0, 102.4):
        behavior.show(now_s, (1, 'happiness'), (2, 'anger'))
    assert behavior.calls == [
        ('expression', 1, 'uncertain', 'happiness'),
        ('expression', 2, 'uncertain', 'anger'),
    ]
    log = capfd.readouterr().err
    for number in (1, 2):
        text = (
            f'a behavior failed when person {number} appeared: RuntimeError: no arm for {number}'
        )
        assert text in log
    assert 'Traceback' in log


def test_nothing_is_called_after_destroy(behavior):
    behavior.show(100.0, (1, 'happiness'))
    behavior.people.destroy()
    behavior.show(101.0, (1, 'happiness'))
    assert behavior.calls == []
