# SPDX-License-Identifier: Apache-2.0
"""Publishes people who do what a script says, on the emotion node's topics, without a camera."""

import math
import signal
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node
from std_msgs.msg import Header

from emotion_perception.camera import Camera
from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.errors import SourceError
from emotion_perception.ros.conversions import to_emotion_array
from emotion_perception.ros.fake_script import MAX_PEOPLE, TAIL_S, Step, Visit, duration_s, visits
from emotion_perception.ros.node_main import NodeStartError, checked_namespace, ros_context
from emotion_perception.ros.processed_image import ProcessedImage
from emotion_perception.ros.publishers import EmotionPublishers
from emotion_perception.tracking import SmoothedExpression, TrackingSettings
from emotion_perception.types import FROM_FACE_SIZE, Box, FaceEmotion, HeadPose, Position

IMAGE_SHAPE = 480, 640
_SHOWN, _NOISE = 0.85, 0.05
"""Probability of the expression that is shown, and standard deviation of the noise."""

_LARGEST_PX, _SMALLER_PX = 96, 8
_SWAY_PX, _SWAY_S = 4, 3.0

_CAMERA = Camera.from_field_of_view(IMAGE_SHAPE[::-1], math.radians(60))
_NEAREST_M = 0.8
"""Distance along the optical axis of a face of `_LARGEST_PX`."""

_AWAY_RAD = math.radians(31)
"""Yaw of a head that does not look at the camera; expressions of heads turned so far are read."""


class _FakeFace:
    """The face of one visit, and its smoothed expression."""

    def __init__(self, face_id: int, visit: Visit):
        self.face_id, self.visit = face_id, visit
        self._expression = SmoothedExpression()
        self._seen_s = visit.start_s
        self._chance = np.random.default_rng(face_id)

    def face(self, time_s: float) -> FaceEmotion:
        """Return the face at a time of the script, in seconds."""
        box = self._box(time_s)
        probabilities = self._probabilities(_latest(self.visit.labels, time_s))
        self._expression.update(probabilities, time_s - self._seen_s, TrackingSettings())
        self._seen_s = time_s
        smoothed = self._expression.probabilities
        assert smoothed is not None
        return FaceEmotion(
            face_id=self.face_id,
            box=box,
            detection_score=0.9,
            probabilities=probabilities,
            smoothed_probabilities=smoothed.copy(),
            label=self._expression.label,
            confidence=self._expression.confidence,
            tracked_for_s=time_s - self.visit.start_s,
            head_pose=self._head_pose(time_s),
            head_pose_age_s=0.0,
            position=_position(box),
        )

    def _head_pose(self, time_s: float) -> HeadPose:
        yaw = 0.0 if _latest(self.visit.looking, time_s) else _AWAY_RAD
        return HeadPose(yaw, pitch=0.0, roll=0.0, eyes_open=1.0, mouth_open=0.0)

    def _probabilities(self, label: str) -> np.ndarray:
        count = len(EMOTIONS)
        shown = np.full(count, (1 - _SHOWN) / (count - 1))
        if label == UNCERTAIN:
            shown[:] = 1 / count
        else:
            shown[EMOTIONS.index(label)] = _SHOWN
        shown = np.clip(shown + self._chance.normal(0, _NOISE, count), 0.001, None)
        return (shown / shown.sum()).astype(np.float32)

    def _box(self, time_s: float) -> Box:
        """Return a box that sways; person 1 is at the left and nearest."""
        number = self.visit.person
        side = _LARGEST_PX - _SMALLER_PX * number
        sway = _SWAY_PX * math.sin(2 * math.pi * time_s / _SWAY_S)
        height, width = IMAGE_SHAPE
        x = width * (number - 0.5) / MAX_PEOPLE + sway - side / 2
        return Box(round(max(x, 0)), (height - side) // 2, side, side)


def _position(box: Box) -> Position:
    """Return where a person with this box stands."""
    center = box.x + box.width / 2, box.y + box.height / 2
    place = _CAMERA.position(center, _NEAREST_M * _LARGEST_PX / box.width)
    assert place is not None
    return Position(*place, FROM_FACE_SIZE)


def _latest(values: Sequence[tuple[float, Any]], time_s: float) -> Any:
    return values[max(bisect_right(values, time_s, key=lambda value: value[0]) - 1, 0)][1]


class FakePeople:
    """
    The faces of a script at each time.

    Attributes:
        duration_s: of the script, in seconds.

    """

    def __init__(self, steps: Sequence[Step]):
        """
        Start before the first image.

        Raises:
            SourceError: if the script does not make sense, with the reason.

        """
        self.duration_s = duration_s(steps)
        self._visits = visits(steps)
        self._faces: dict[int, _FakeFace] = {}

    def faces(self, time_s: float, repetition: int = 0) -> list[FaceEmotion]:
        """
        Return the faces at a time.

        Args:
            time_s: since the beginning of the script, in seconds; at least that of the last call.
            repetition: how often the script has ended; each visit of each has a new id, as a
                tracker would give.

        """
        shown = []
        for number, visit in enumerate(self._visits, 1 + repetition * len(self._visits)):
            if not visit.start_s <= time_s < visit.end_s:
                self._faces.pop(number, None)
                continue
            face = self._faces.setdefault(number, _FakeFace(number, visit))
            shown.append(face.face(time_s))
        return shown


class FakeNode(Node):
    """
    Publishes the people of a script.

    Attributes:
        ended: whether the script is over; never where it is repeated.

    """

    def __init__(self, steps: Sequence[Step], rate_hz: float, loop: bool, **options: Any):
        """Start the script; `loop` begins again `TAIL_S` after its end."""
        super().__init__('fake_people', **options)
        self.ended = False
        self._people, self._loop = FakePeople(steps), loop
        self._steps = sorted(steps, key=lambda step: step.at_s)
        self._waiting: list[Step] = []
        self._repetition = -1
        self._images = 0
        self._topics = EmotionPublishers(self, annotated_image='none')
        self._started_s = time.monotonic()
        self.create_timer(1 / rate_hz, self._publish)

    def _publish(self) -> None:
        elapsed_s = time.monotonic() - self._started_s
        repetition, time_s = divmod(elapsed_s, self._people.duration_s + TAIL_S)
        if not self._loop and elapsed_s >= self._people.duration_s:
            self.ended = True
            return
        if repetition != self._repetition:
            self._repetition, self._waiting = int(repetition), list(self._steps)
        while self._waiting and self._waiting[0].at_s <= time_s:
            step = self._waiting.pop(0)
            self.get_logger().info(f'{step.at_s:g} s: person {step.person} {step.word}')
        faces = self._people.faces(time_s, self._repetition)
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id='camera')
        array = to_emotion_array(faces, header, IMAGE_SHAPE)
        self._images += 1
        array.images_received, array.age = self._images, 0.0
        nothing = np.zeros(IMAGE_SHAPE, np.uint8)
        self._topics.publish(
            ProcessedImage(array, faces, {face.face_id for face in faces}, nothing)
        )

    def destroy_node(self) -> None:
        """Publish that everybody has left before the node ends."""
        self._topics.end_tracks()
        self._topics.destroy()
        super().destroy_node()


def play(steps: Sequence[Step], rate_hz: float, loop: bool, namespace: str = '') -> None:
    """
    Play a script until its end or Ctrl-C, which ends it without an error.

    Args:
        steps: of the script.
        rate_hz: images a second.
        loop: repeat the script.
        namespace: of the topics.

    Raises:
        SourceError: if the script or the namespace does not make sense, or ROS does not start.

    """
    visits(steps)
    # rclpy's own handlers shut ROS down before the last events are published
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        namespace = checked_namespace(namespace)
        with ros_context([], catch_signals=False):
            node = FakeNode(steps, rate_hz, loop, namespace=namespace)
            end = 'Ctrl-C ends it' if loop else f'it ends after {duration_s(steps):g} s'
            node.get_logger().info(f'publishing {node.resolve_topic_name("emotion/faces")}; {end}')
            while rclpy.ok() and not node.ended and not stopped.is_set():
                rclpy.spin_once(node, timeout_sec=0.1)
            node.destroy_node()
    except NodeStartError as error:
        raise SourceError(str(error)) from None
