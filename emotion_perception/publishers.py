"""The topics that tell of faces; made when the node is configured."""

from collections.abc import Collection, Iterable

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image

from emotion_perception.annotation import annotate
from emotion_perception.messages import Emotion, EmotionArray, bgr_to_image
from emotion_perception.outputs.interface import Output
from emotion_perception.pipeline import FaceEmotion
from emotion_perception.veil import Veil


class EmotionPublishers:
    """Publishes what one image shows on `emotion`, `emotion/faces` and `emotion/image`, and on what else is asked for."""

    def __init__(
        self,
        node: Node,
        annotated: str = 'full',
        veil: Veil | None = None,
        further: Iterable[type[Output]] = (),
    ):
        """
        Create the publishers.

        Args:
            node: that has them.
            annotated: full, blurred, or none: then there is no `emotion/image`.
            veil: hides the faces where `annotated` is blurred.
            further: kinds of output in other formats.

        """
        assert veil is not None or annotated != 'blurred'
        self._node, self._veil = node, veil if annotated == 'blurred' else None
        self._emotion = node.create_publisher(Emotion, 'emotion', 10)
        self._faces = node.create_publisher(EmotionArray, 'emotion/faces', 10)
        self._annotated = (
            None if annotated == 'none' else node.create_publisher(Image, 'emotion/image', 1)
        )
        self._further = [make(node) for make in further]

    def publish(self, array: EmotionArray, followed: Collection[int]) -> None:
        """
        Publish each face, then all of them, then the same in other formats.

        Args:
            array: what one image shows.
            followed: ids of all faces that are followed.

        """
        for emotion in array.faces:
            self._emotion.publish(emotion)
        self._faces.publish(array)
        for output in self._further:
            output.publish(array, followed)

    def forget(self) -> None:
        """Tell that no face is followed any more."""
        for output in self._further:
            output.forget()

    def publish_annotated(
        self, image: np.ndarray, faces: list[FaceEmotion], array: EmotionArray
    ) -> None:
        """Draw and publish the picture, BGR uint8 [H, W, 3], if somebody listens."""
        if self._annotated is None or not self._annotated.get_subscription_count():
            return
        if self._veil is not None:
            image = self._veil.hide(image, faces)
        self._annotated.publish(bgr_to_image(annotate(image, faces), array.header))

    def destroy(self) -> None:
        """Take the topics back."""
        for publisher in (self._emotion, self._faces, self._annotated):
            if publisher is not None:
                self._node.destroy_publisher(publisher)
        for output in self._further:
            output.destroy()
