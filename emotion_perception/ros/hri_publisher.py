"""The faces as REP-155 (ROS4HRI) has them: a list of ids, and topics of its own for each face."""

import math
import uuid
from collections.abc import Collection

from hri_msgs.msg import Expression, IdsList, NormalizedRegionOfInterest2D
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from std_msgs.msg import Header

from emotion_perception.emotions import HRI_WORDS, UNCERTAIN
from emotion_perception.ros.conversions import Emotion, EmotionArray

FACES = '/humans/faces'
"""Where REP-155 puts them, whatever the node's namespace."""


def to_expression(emotion: Emotion) -> Expression:
    """
    Return what one face shows in the words of hri_msgs.

    It has no word for `uncertain`: `expression` is empty then, with confidence 0, as where only valence
    and arousal are known. Those two are not estimated: NaN, since 0 would say neutral.
    """
    certain = emotion.label != UNCERTAIN
    return Expression(
        header=emotion.header,
        expression=HRI_WORDS[emotion.label] if certain else '',
        confidence=emotion.confidence if certain else 0.0,
        valence=math.nan,
        arousal=math.nan,
    )


def to_roi(emotion: Emotion, width: int, height: int) -> NormalizedRegionOfInterest2D:
    """Return where a face is, 0..1 of an image of that size; c is the detection score."""
    box = emotion.box
    return NormalizedRegionOfInterest2D(
        header=emotion.header,
        xmin=box.x_offset / width,
        ymin=box.y_offset / height,
        xmax=(box.x_offset + box.width) / width,
        ymax=(box.y_offset + box.height) / height,
        c=emotion.detection_score,
    )


class FaceTopics:
    """Expression and region of one face, for as long as it is followed."""

    def __init__(self, node: Node, name: str):
        """Create the publishers under `FACES`/`name`."""
        self._node = node
        # they come and go while the executor waits: nothing of them may be in what it waits for
        quiet = PublisherEventCallbacks(use_default_callbacks=False)
        self._expression = node.create_publisher(
            Expression, f'{FACES}/{name}/expression', 10, event_callbacks=quiet
        )
        self._roi = node.create_publisher(
            NormalizedRegionOfInterest2D, f'{FACES}/{name}/roi', 10, event_callbacks=quiet
        )

    def publish(self, emotion: Emotion, width: int, height: int) -> None:
        """Publish what an image of that size shows of the face."""
        self._roi.publish(to_roi(emotion, width, height))
        self._expression.publish(to_expression(emotion))

    def destroy(self) -> None:
        """Take the topics back."""
        self._node.destroy_publisher(self._expression)
        self._node.destroy_publisher(self._roi)


class HumansOutput:
    """
    Publishes `tracked`, and `expression` and `roi` of each face.

    REP-155 wants ids that are unique, also among nodes and between two runs: each starts with letters
    drawn when the node is configured, and ends with the `face_id` of `emotion`.
    """

    messages = (Expression, IdsList, NormalizedRegionOfInterest2D)

    def __init__(self, node: Node):
        """Create the publisher of the list; the faces' own ones come with the faces."""
        self._node = node
        # the name of a topic may not start with a digit
        self._prefix = f'f{uuid.uuid4().hex[:4]}'
        self._tracked = node.create_publisher(IdsList, f'{FACES}/tracked', 10)
        self._faces: dict[int, FaceTopics] = {}

    def _name(self, face_id: int) -> str:
        return f'{self._prefix}_{face_id}'

    def publish(self, array: EmotionArray, followed: Collection[int]) -> None:
        """Publish who is followed, and what the image shows of each."""
        for gone in self._faces.keys() - set(followed):
            self._faces.pop(gone).destroy()
        for emotion in array.faces:
            if emotion.face_id not in self._faces:
                self._faces[emotion.face_id] = FaceTopics(self._node, self._name(emotion.face_id))
        self._publish_ids(array.header)
        for emotion in array.faces:
            topics = self._faces[emotion.face_id]
            topics.publish(emotion, array.image_width, array.image_height)

    def _publish_ids(self, header: Header) -> None:
        ids = [self._name(face_id) for face_id in sorted(self._faces)]
        self._tracked.publish(IdsList(header=header, ids=ids))

    def forget(self) -> None:
        """Take the faces' topics back and publish an empty list."""
        for topics in self._faces.values():
            topics.destroy()
        self._faces = {}
        if self._node.context.ok():
            self._publish_ids(Header(stamp=self._node.get_clock().now().to_msg()))

    def destroy(self) -> None:
        """Take all topics back."""
        for topics in self._faces.values():
            topics.destroy()
        self._node.destroy_publisher(self._tracked)


OUTPUT = HumansOutput
