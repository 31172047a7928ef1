"""The node's topics: faces in emotion_msgs, the annotated image, and other packages' messages on request."""

from collections.abc import Collection, Iterable
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from rclpy.exceptions import NoTypeSupportImportedException
from rclpy.node import Node
from rclpy.type_support import check_is_valid_msg_type
from sensor_msgs.msg import Image

from emotion_perception.anonymization import FaceBlurrer
from emotion_perception.ros.conversions import Emotion, EmotionArray, bgr_to_image
from emotion_perception.types import FaceEmotion
from emotion_perception.visualization import annotate


class Output(Protocol):
    """Publishes in another format what `emotion/faces` says; made when the node is configured."""

    messages: tuple[Any, ...]
    """Types that it publishes."""

    def __init__(self, node: Node):
        """Create the publishers that are there from the beginning."""

    def publish(self, array: EmotionArray, followed: Collection[int]) -> None:
        """
        Publish what one image shows.

        Args:
            array: the same as on `emotion/faces`.
            followed: ids of all faces that are followed, whether this image shows them or not.

        """

    def forget(self) -> None:
        """Tell that no face is followed any more: no further images are read."""

    def destroy(self) -> None:
        """Take the topics back."""


class EmotionPublishers:
    """Publishes what one image shows on `emotion`, `emotion/faces` and `emotion/image`, and on what else is asked for."""

    def __init__(
        self,
        node: Node,
        annotated: str = 'full',
        veil: FaceBlurrer | None = None,
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


_MODULES = {'vision_msgs': 'vision_publisher', 'hri_msgs': 'hri_publisher'}
"""Package and parameter of one name -> module in this folder with the class `OUTPUT`."""


def find_outputs(present: dict[str, Any]) -> list[type[Output]]:
    """
    Return the kinds of output that parameter values ask for.

    Raises:
        ImportError: if a package is not there or does not load, with what to do.
        ValueError: if one cannot be had with the other parameters.

    """
    if present['hri_msgs'] and not present['tracking']:
        raise ValueError(
            'hri_msgs is true, and tracking is not: REP-155 wants an id for each face; '
            'set tracking to true, or hri_msgs to false'
        )
    return [_load(package) for package in _MODULES if present[package]]


def _load(package: str) -> type[Output]:
    try:
        output = import_module(f'emotion_perception.ros.{_MODULES[package]}').OUTPUT
        for kind in output.messages:
            check_is_valid_msg_type(kind)
    except (ImportError, NoTypeSupportImportedException) as error:
        raise ImportError(
            f'{package} is true, and the package {package} cannot be loaded ({error}); '
            f'apt install ros-$ROS_DISTRO-{package.replace("_", "-")} and source ROS again, '
            f'or set {package} to false'
        ) from None
    return output
