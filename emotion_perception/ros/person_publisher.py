# SPDX-License-Identifier: Apache-2.0
"""What people do as `emotion/events`, and the nearest face as `emotion/nearest`."""

import threading

from rclpy.node import Node
from std_msgs.msg import Header

from emotion_perception import person_events
from emotion_perception.person_events import PersonEvents, nearest_face
from emotion_perception.ros.conversions import (
    Emotion,
    PersonEvent,
    duration_message,
)
from emotion_perception.ros.delivery import wait_for_delivery
from emotion_perception.ros.processed_image import ProcessedImage
from emotion_perception.ros.stamps import now_s

_CHECK_SILENCE_S = 0.5


class PersonPublisher:
    """Publishes `emotion/events`, and `emotion/nearest` for each image that shows a face."""

    message_types = (PersonEvent, Emotion)

    def __init__(self, node: Node):
        """Create the publishers, and a timer that notices that no image comes."""
        self._node = node
        self._events = PersonEvents()
        self._nearest_id = 0
        self._frame_id = ''
        # images are published by a thread of their own
        self._lock = threading.Lock()
        self._event_publisher = node.create_publisher(PersonEvent, 'emotion/events', 10)
        self._nearest_publisher = node.create_publisher(Emotion, 'emotion/nearest', 10)
        self._timer = node.create_timer(_CHECK_SILENCE_S, self._check_silence)

    def publish(self, processed: ProcessedImage) -> None:
        """Publish what people did, and the nearest face of the image."""
        array = processed.array
        with self._lock:
            self._frame_id = array.header.frame_id
            events = self._events.update(array.faces, now_s(self._node), processed.tracked_ids)
            self._publish_events(events, array.header)
        nearest = nearest_face(array.faces, self._nearest_id)
        if nearest is not None:
            self._nearest_id = nearest.face_id
            self._nearest_publisher.publish(nearest)

    def end_tracks(self) -> None:
        """Publish that everybody has left, since no further images are read."""
        with self._lock:
            events = self._events.leave_all(now_s(self._node))
            if self._node.context.ok():
                self._publish_events(events, self._header_now())

    def destroy(self) -> None:
        """Destroy publishers and timer, when subscribers know who has left."""
        wait_for_delivery(self._node, self._event_publisher)
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._event_publisher)
        self._node.destroy_publisher(self._nearest_publisher)

    def _check_silence(self) -> None:
        with self._lock:
            events = self._events.check_silence(now_s(self._node))
            self._publish_events(events, self._header_now())

    def _header_now(self) -> Header:
        return Header(stamp=self._node.get_clock().now().to_msg(), frame_id=self._frame_id)

    def _publish_events(self, events: list[person_events.PersonEvent], header: Header) -> None:
        for event in events:
            self._event_publisher.publish(
                PersonEvent(
                    header=header,
                    face_id=event.person.id,
                    kind=event.kind,
                    from_label=event.before,
                    to_label=event.now,
                    confidence=event.person.confidence,
                    seen_for=duration_message(event.person.seen_for_s),
                )
            )
