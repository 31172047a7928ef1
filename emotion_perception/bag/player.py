# SPDX-License-Identifier: Apache-2.0
"""The ROS node that publishes a recording's images and records the emotions that it receives."""

import threading
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


class BagClock:
    """The present time in a recording that is played, in nanoseconds."""

    def __init__(self, rate: float = 0.0):
        """
        Stop the clock before the first image.

        Args:
            rate: how many times faster than recorded the clock runs; with 0 it only moves
                with `advance`.

        """
        self._rate = rate
        self._start_s, self._start_ns, self._reached_ns = 0.0, 0, 0

    def advance(self, stamp_ns: int) -> None:
        """Start at this time, or move forward to it; a time in the past changes nothing."""
        if not self._start_ns:
            self._start_s, self._start_ns = time.monotonic(), stamp_ns
        self._reached_ns = max(self._reached_ns, stamp_ns)

    def now_ns(self) -> int:
        """Return the present time; 0 before the start."""
        if not self._start_ns or not self._rate:
            return self._reached_ns
        elapsed_s = (time.monotonic() - self._start_s) * self._rate
        return max(self._reached_ns, self._start_ns + round(elapsed_s * 1e9))

    def seconds_until(self, stamp_ns: int) -> float:
        """Return the real seconds until a time; negative where it has passed."""
        if not self._start_ns or not self._rate:
            return 0.0
        due_s = self._start_s + (stamp_ns - self._start_ns) / 1e9 / self._rate
        return due_s - time.monotonic()


class Player(Node):
    """
    Publishes images, and writes the received emotions into a recording.

    Attributes:
        pending: monotonic time at which each image without a result was sent, by its stamp in
            nanoseconds.
        round_trips_s: time from sending an image to receiving its result, for each image with one.

    """

    def __init__(
        self,
        msgtype: str,
        to: str,
        namespace: str,
        publish_clock: bool,
        clock: BagClock,
        new: NewBag,
        types: MessageTypes,
        stopped: threading.Event,
    ):
        """
        Create publishers and subscriptions.

        Args:
            msgtype: of the images.
            to: topic of the published images; empty for the node's default.
            namespace: of the received emotions.
            publish_clock: publish /clock.
            clock: gives the time of the received messages and of /clock.
            new: recording for the received messages.
            types: definitions.
            stopped: when set, `spin` raises KeyboardInterrupt.

        """
        super().__init__('bag_player')
        image_type: type = CompressedImage if msgtype == COMPRESSED else Image
        to = to or ('image/compressed' if msgtype == COMPRESSED else 'image')
        self._images: Publisher = self.create_publisher(image_type, to, qos_profile_sensor_data)
        self._clock_topic = self.create_publisher(Clock, '/clock', 10) if publish_clock else None
        self._clock_sent_s = 0.0
        self._bag_clock, self._new, self._types, self._stopped = clock, new, types, stopped
        self.pending: dict[int, float] = {}
        self.round_trips_s: list[float] = []
        emotion, self._faces_topic = emotion_topics(namespace)
        self._record(emotion, EMOTION, Emotion)
        self._record(self._faces_topic, EMOTIONS_OF_IMAGE, EmotionArray)

    def _record(self, name: str, msgtype: str, message_class: type) -> None:
        topic = self._new.add_topic(name, msgtype, self._types.define(msgtype))
        self.create_subscription(
            message_class, name, lambda data: self._receive(topic, data), _QOS, raw=True
        )

    @property
    def node_is_active(self) -> bool:
        """Whether some node subscribes to the images and publishes emotions."""
        publishers = self.count_publishers(self._faces_topic)
        return bool(publishers and self._images.get_subscription_count())

    @property
    def image_topic(self) -> str:
        """Full name of the topic of the published images."""
        return self._images.topic_name

    def send(self, data: bytes, stamp_ns: int) -> None:
        """Publish a serialized image; its result will have the same stamp."""
        self.pending[stamp_ns] = time.monotonic()
        self._images.publish(data)

    def spin(self, limit_s: float, until_complete: bool = False) -> None:
        """
        Receive messages and publish /clock.

        Args:
            limit_s: for how long, in seconds.
            until_complete: return as soon as every sent image has its result.

        Raises:
            KeyboardInterrupt: if `stopped` is set.

        """
        deadline = time.monotonic() + limit_s
        while (left_s := deadline - (now_s := time.monotonic())) > 0:
            if self._stopped.is_set():
                raise KeyboardInterrupt
            if until_complete and not self.pending:
                return
            if self._clock_topic and now_s - self._clock_sent_s >= _CLOCK_PERIOD_S:
                self._clock_topic.publish(Clock(clock=time_message(self._bag_clock.now_ns())))
                self._clock_sent_s = now_s
            rclpy.spin_once(self, timeout_sec=min(left_s, _CLOCK_PERIOD_S))

    def _receive(self, topic: Connection, data: bytes) -> None:
        self._new.write(topic, self._bag_clock.now_ns(), bytes(data))
        if topic.msgtype != EMOTIONS_OF_IMAGE:
            return
        stamp = self._types.decode(data, EMOTIONS_OF_IMAGE).header.stamp
        stamp_ns = stamp.sec * 10**9 + stamp.nanosec
        if stamp_ns not in self.pending:
            return
        for earlier in list(self.pending):  # the node has dropped the images before this one
            sent_s = self.pending.pop(earlier)
            if earlier == stamp_ns:
                self.round_trips_s.append(time.monotonic() - sent_s)
                return
