"""What a further output of the node does."""

from collections.abc import Collection
from typing import Any, Protocol

from rclpy.node import Node

from emotion_perception.messages import EmotionArray


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
