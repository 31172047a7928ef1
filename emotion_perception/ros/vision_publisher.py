"""All faces of an image as vision_msgs/Detection2DArray, for whatever draws or tracks detections."""

from collections.abc import Collection

from rclpy.node import Node
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from emotion_perception.emotions import EMOTIONS
from emotion_perception.ros.conversions import Emotion, EmotionArray

TOPIC = 'emotion/detections'


def to_detection(emotion: Emotion) -> Detection2D:
    """
    Return one face as a detection.

    The first hypothesis is label and confidence as `emotion` gives them, `uncertain` too; the others
    follow with their smoothed probabilities, the most probable first. Whoever takes the first, or the
    first of the highest score, so takes what the node says.
    """
    box = BoundingBox2D(size_x=float(emotion.box.width), size_y=float(emotion.box.height))
    box.center.position.x = emotion.box.x_offset + emotion.box.width / 2
    box.center.position.y = emotion.box.y_offset + emotion.box.height / 2
    others = sorted(
        (-float(share), label)
        for label, share in zip(EMOTIONS, emotion.smoothed_probabilities, strict=True)
        if label != emotion.label
    )
    said = [
        (emotion.label, float(emotion.confidence)),
        *((label, -share) for share, label in others),
    ]
    return Detection2D(
        header=emotion.header,
        id=str(emotion.face_id) if emotion.face_id else '',
        bbox=box,
        results=[
            ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id=label, score=score))
            for label, score in said
        ],
    )


class DetectionOutput:
    """Publishes one Detection2DArray for each processed image."""

    messages = (Detection2DArray,)

    def __init__(self, node: Node):
        """Create the publisher."""
        self._node = node
        self._publisher = node.create_publisher(Detection2DArray, TOPIC, 10)

    def publish(self, array: EmotionArray, followed: Collection[int]) -> None:
        """Publish all faces of one image; none where nobody is there."""
        detections = [to_detection(emotion) for emotion in array.faces]
        self._publisher.publish(Detection2DArray(header=array.header, detections=detections))

    def forget(self) -> None:
        """Do nothing: each message stands for one image."""

    def destroy(self) -> None:
        """Take the topic back."""
        self._node.destroy_publisher(self._publisher)


OUTPUT = DetectionOutput
