"""The node that sends a recording's images and writes down what it hears, on the recording's own time."""

import time

import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rosbags.interfaces import Connection
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from emotion_perception.bag.message_types import (
    COMPRESSED,
    EMOTION,
    EMOTIONS_OF_IMAGE,
    MessageTypes,
    emotion_topics,
)
from emotion_perception.bag.writing import NewBag
from emotion_perception.ros.conversions import Emotion, EmotionArray, time_message

_CLOCK_PERIOD_S = 0.01
_QOS = QoSProfile(depth=1000)


class BagTime:
    """The present moment on a recording's time, in nanoseconds."""

    def __init__(self, rate: float = 0.0):
        """
        Stand still.

        Args:
            rate: how many times faster than recorded the time runs once it has begun; 0: it only
                moves with `reach`.

        """
        self._rate = rate
        self._begin_s, self._begin_ns, self._reached_ns = 0.0, 0, 0

    def reach(self, stamp_ns: int) -> None:
        """Begin at this moment, or go on to it if it lies ahead."""
        if not self._begin_ns:
            self._begin_s, self._begin_ns = time.monotonic(), stamp_ns
        self._reached_ns = max(self._reached_ns, stamp_ns)

    def now_ns(self) -> int:
        """Return the present moment; 0 before it begins."""
        if not self._begin_ns or not self._rate:
            return self._reached_ns
        elapsed_s = (time.monotonic() - self._begin_s) * self._rate
        return max(self._reached_ns, self._begin_ns + round(elapsed_s * 1e9))

    def left_s(self, stamp_ns: int) -> float:
        """Return how many real seconds are left until a moment; below 0 where it is over."""
        if not self._begin_ns or not self._rate:
            return 0.0
        due_s = self._begin_s + (stamp_ns - self._begin_ns) / 1e9 / self._rate
        return due_s - time.monotonic()


class Player(Node):
    """
    Publishes images, and writes the answers' bytes into a recording as they come.

    Attributes:
        unanswered: when each image that waits for its answer was sent, by its stamp in nanoseconds.
        round_trips_s: time from sending an image to its answer, for each that was answered.

    """

    def __init__(
        self, msgtype: str, to: str, namespace: str, clock: bool,
        bag_time: BagTime, new: NewBag, types: MessageTypes,
    ):  # fmt: skip
        """
        Create publishers and subscriptions.

        Args:
            msgtype: of the images.
            to: topic that they go to; empty is the node's own.
            namespace: of the answers.
            clock: publish /clock.
            bag_time: time of the answers, and of /clock.
            new: where they are written.
            types: definitions.

        """
        super().__init__('bag_player')
        kind: type = CompressedImage if msgtype == COMPRESSED else Image
        to = to or ('image/compressed' if msgtype == COMPRESSED else 'image')
        self._images: Publisher = self.create_publisher(kind, to, qos_profile_sensor_data)
        self._clock_topic = self.create_publisher(Clock, '/clock', 10) if clock else None
        self._clock_at = 0.0
        self._time, self._new, self._types = bag_time, new, types
        self.unanswered: dict[int, float] = {}
        self.round_trips_s: list[float] = []
        names = emotion_topics(namespace)
        for name, told, answer in zip(
            names, (EMOTION, EMOTIONS_OF_IMAGE), (Emotion, EmotionArray), strict=True
        ):
            topic = new.add_topic(name, told, types.define(told))
            self.create_subscription(
                answer, name, lambda data, topic=topic: self._note(topic, data), _QOS, raw=True
            )
        self._answers = names[1]

    @property
    def heard(self) -> bool:
        """Tell whether somebody reads the images and answers."""
        answers = self.count_publishers(self._answers)
        return bool(answers and self._images.get_subscription_count())

    @property
    def image_topic(self) -> str:
        """Full name of the topic that the images go to."""
        return self._images.topic_name

    def send(self, data: bytes, stamp_ns: int) -> None:
        """Publish one image's bytes; its stamp tells its answer."""
        self.unanswered[stamp_ns] = time.monotonic()
        self._images.publish(data)

    def take_in(self, limit_s: float) -> None:
        """Take in at most one answer, waiting up to `limit_s` and not above 10 ms; publish /clock."""
        now = time.monotonic()
        if self._clock_topic and now - self._clock_at >= _CLOCK_PERIOD_S:
            self._clock_topic.publish(Clock(clock=time_message(self._time.now_ns())))
            self._clock_at = now
        rclpy.spin_once(self, timeout_sec=max(min(limit_s, _CLOCK_PERIOD_S), 0.0))

    def _note(self, topic: Connection, data: bytes) -> None:
        self._new.write(topic, self._time.now_ns(), bytes(data))
        if topic.msgtype == EMOTIONS_OF_IMAGE:
            stamp = self._types.decode(data, EMOTIONS_OF_IMAGE).header.stamp
            self._strike_out(stamp.sec * 10**9 + stamp.nanosec)

    def _strike_out(self, stamp_ns: int) -> None:
        """Wait no longer for the answer to an image, nor to those before it: they were passed over."""
        if stamp_ns not in self.unanswered:
            return
        for earlier in list(self.unanswered):
            sent = self.unanswered.pop(earlier)
            if earlier == stamp_ns:
                self.round_trips_s.append(time.monotonic() - sent)
                return
