# SPDX-License-Identifier: Apache-2.0
"""All faces of an image as vision_msgs/Detection2DArray, for tools that use detections."""

from rclpy.node import Node
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)

from emotion_perception.emotions import EMOTIONS
from emotion_perception.ros.conversions import Emotion
from emotion_perception.ros.processed_image import ProcessedImage
from emotion_perception.ros.publishers import ExtraPublisher

TOPIC = 'emotion/detections'


def to_detection(emotion: Emotion) -> Detection2D:
    """
    Return one face as a detection.

    The first hypothesis is label (also `uncertain`) and confidence of `emotion`; the others follow
    with their smoothed probabilities, in falling order. So a subscriber that takes the first, or
    the first of the highest score, gets the node's label.
    """
    box = BoundingBox2D(size_x=float(emotion.box.width), size_y=float(emotion.box.height))
    box.center.position.x = emotion.box.x_offset + emotion.box.width / 2
    box.center.position.y = emotion.box.y_offset + emotion.box.height / 2
    probabilities = zip(EMOTIONS, map(float, emotion.smoothed_probabilities), strict=True)
    others = [(label, score) for label, score in probabilities if label != emotion.label]
    others.sort(key=lambda pair: (-pair[1], pair[0]))
    hypotheses = [(emotion.label, float(emotion.confidence)), *others]
    return Detection2D(
        header=emotion.header,
        id=str(emotion.face_id) if emotion.face_id else '',
        bbox=box,
        results=[
            ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id=label, score=score))
            for label, score in hypotheses
        ],
    )


class VisionPublisher(ExtraPublisher):
    """Publishes one Detection2DArray for each processed image."""

    message_types = (Detection2DArray,)

    def __init__(self, node: Node, id_prefix: str):
        """Create the publisher."""
        super().__init__(node, id_prefix)
        self._publisher = node.create_publisher(Detection2DArray, TOPIC, 10)

    def publish(self, processed: ProcessedImage) -> None:
        """Publish the faces of one image; an empty array where it shows none."""
        array = processed.array
        detections = [to_detection(emotion) for emotion in array.faces]
        self._publisher.publish(Detection2DArray(header=array.header, detections=detections))
