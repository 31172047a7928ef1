# SPDX-License-Identifier: Apache-2.0
"""The node's topics: faces, people, the annotated image, other packages' messages on request."""

import uuid
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from rclpy.exceptions import NoTypeSupportImportedException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.type_support import check_is_valid_msg_type
from sensor_msgs.msg import Image

from emotion_perception.anonymization import FaceBlurrer
from emotion_perception.ros.conversions import Emotion, EmotionArray, bgr_to_image
from emotion_perception.ros.person_publisher import PersonPublisher
from emotion_perception.ros.processed_image import ProcessedImage
from emotion_perception.ros.rate_limit import RateLimit
from emotion_perception.visualization import annotate


class ExtraPublisher:
    """
    Publishes the content of `emotion/faces` as another package's messages.

    Attributes:
        message_types: the types that it publishes.

    """

    message_types: tuple[Any, ...] = ()
    _publisher: Publisher

    def __init__(self, node: Node, id_prefix: str):
        """
        Start without a publisher: each subclass creates its own.

        Args:
            node: publishes.
            id_prefix: before each `face_id` makes an id as REP-155 requires it, unique among nodes
                and runs.

        """
        self._node, self._id_prefix = node, id_prefix

    def publish(self, processed: ProcessedImage) -> None:
        """Publish the faces of one image."""
        raise NotImplementedError

    def end_tracks(self) -> None:
        """Publish that no face is tracked any more; by default nothing: messages expire."""

    def destroy(self) -> None:
        """Destroy the publishers."""
        self._node.destroy_publisher(self._publisher)


ANNOTATED_IMAGE_RATE_HZ = 10.0
"""People look at `emotion/image`; drawing and sending each image would take time from faces."""


class EmotionPublishers:
    """
    Publishes `emotion`, `emotion/faces`, `emotion/image`, people, and what others add.

    Attributes:
        annotated_limit: how often `emotion/image` is published.

    """

    def __init__(
        self,
        node: Node,
        annotated_image: str = 'full',
        blurrer: FaceBlurrer | None = None,
        extra: Iterable[type[ExtraPublisher]] = (),
        rotate: int = 0,
    ):
        """
        Create the publishers.

        Args:
            node: publishes.
            annotated_image: full, blurred, or none, which means that there is no `emotion/image`.
            blurrer: hides the faces where `annotated_image` is blurred.
            extra: further publishers.
            rotate: clockwise rotation after which the images are upright, in degrees.

        """
        assert blurrer is not None or annotated_image != 'blurred'
        self._node, self._rotate = node, rotate
        self.annotated_limit = RateLimit(ANNOTATED_IMAGE_RATE_HZ)
        self._blurrer = blurrer if annotated_image == 'blurred' else None
        self._emotion = node.create_publisher(Emotion, 'emotion', 10)
        self._faces = node.create_publisher(EmotionArray, 'emotion/faces', 10)
        self._annotated = (
            None if annotated_image == 'none' else node.create_publisher(Image, 'emotion/image', 1)
        )
        # a name in a topic may not start with a digit
        id_prefix = f'f{uuid.uuid4().hex[:4]}_'
        self._extra: list[ExtraPublisher | PersonPublisher] = [
            PersonPublisher(node),
            *(make(node, id_prefix) for make in extra),
        ]

    def publish(self, processed: ProcessedImage) -> None:
        """Publish each face, all of them, what people did, and the same in other messages."""
        for emotion in processed.array.faces:
            self._emotion.publish(emotion)
        self._faces.publish(processed.array)
        for publisher in self._extra:
            publisher.publish(processed)

    def end_tracks(self) -> None:
        """Publish that no face is tracked any more."""
        for publisher in self._extra:
            publisher.end_tracks()

    def publish_annotated(self, processed: ProcessedImage) -> None:
        """Draw and publish the image if there is a subscriber and it is time for one."""
        if self._annotated is None or not self.annotated_limit.due:
            return
        if not self._annotated.get_subscription_count():
            return
        self.annotated_limit.count()
        image, faces = processed.image, list(processed.faces)
        if self._blurrer is not None:
            image = self._blurrer.blur(image, faces)
        drawn = annotate(image, faces, self._rotate)
        self._annotated.publish(bgr_to_image(drawn, processed.array.header))

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in (self._emotion, self._faces, self._annotated):
            if publisher is not None:
                self._node.destroy_publisher(publisher)
        for extra in self._extra:
            extra.destroy()


EXTRA_PUBLISHERS = {
    'vision_msgs': ('vision_publisher', 'VisionPublisher'),
    'hri_msgs': ('hri_publisher', 'HriPublisher'),
    'tf2_msgs': ('tf_publisher', 'TfPublisher'),
    'visualization_msgs': ('marker_publisher', 'MarkerPublisher'),
}
"""Package, which is also the parameter's name -> module in this folder, class in it."""

_NEEDS = (
    (('hri_msgs',), 'tracking', 'REP-155 wants an id for each face'),
    (('hri_msgs', 'hri_landmarks'), 'head_pose', 'one network finds both'),
    (('tf2_msgs',), 'tracking', 'each frame is named by the id of its face'),
    (('tf2_msgs',), 'head_pose', 'the frames show where heads are directed'),
)
"""Parameters that together need another one, and why the last of them does."""


def extra_publishers(values: dict[str, Any]) -> list[type[ExtraPublisher]]:
    """
    Return the extra publishers that parameter values ask for.

    Raises:
        ImportError: if a package is not installed or does not load, with what to do.
        ValueError: if one does not fit the other parameters.

    """
    for wanted, needed, reason in _NEEDS:
        if all(values[name] for name in wanted) and not values[needed]:
            raise ValueError(
                f'{wanted[-1]} is true, and {needed} is not: {reason}; '
                f'set {needed} to true, or {wanted[-1]} to false'
            )
    return [
        load_optional(package, *where)
        for package, where in EXTRA_PUBLISHERS.items()
        if values[package]
    ]


def load_optional(package: str, module: str, name: str) -> Any:
    """
    Return a class that uses the messages of a package that may not be installed.

    Args:
        package: also the name of the parameter that asks for it.
        module: in this folder.
        name: of the class; it has `message_types`.

    Raises:
        ImportError: if the package is not installed or does not load, with what to do.

    """
    try:
        found = getattr(import_module(f'emotion_perception.ros.{module}'), name)
        for message_type in found.message_types:
            check_is_valid_msg_type(message_type)
    except (ImportError, NoTypeSupportImportedException) as error:
        raise ImportError(
            f'{package} is true, and the package {package} cannot be loaded ({error}); '
            f'apt install ros-$ROS_DISTRO-{package.replace("_", "-")} and source ROS again, '
            f'or set {package} to false'
        ) from None
    return found
