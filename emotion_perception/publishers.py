"""The three topics that tell of faces; made when the node is configured."""

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image

from emotion_perception.annotation import annotate
from emotion_perception.messages import Emotion, EmotionArray, bgr_to_image
from emotion_perception.pipeline import FaceEmotion


class EmotionPublishers:
    """Publishes what one image shows on `emotion`, `emotion/faces` and `emotion/image`."""

    def __init__(self, node: Node):
        """Create the publishers on `node`."""
        self._node = node
        self._emotion = node.create_publisher(Emotion, 'emotion', 10)
        self._faces = node.create_publisher(EmotionArray, 'emotion/faces', 10)
        self._annotated = node.create_publisher(Image, 'emotion/image', 1)

    def publish(self, array: EmotionArray) -> None:
        """Publish each face, then all of them."""
        for emotion in array.faces:
            self._emotion.publish(emotion)
        self._faces.publish(array)

    def publish_annotated(
        self, image: np.ndarray, faces: list[FaceEmotion], array: EmotionArray
    ) -> None:
        """Draw and publish the picture, BGR uint8 [H, W, 3], if somebody listens."""
        if self._annotated.get_subscription_count():
            self._annotated.publish(bgr_to_image(annotate(image, faces), array.header))

    def destroy(self) -> None:
        """Take the topics back."""
        for publisher in (self._emotion, self._faces, self._annotated):
            self._node.destroy_publisher(publisher)
