# SPDX-License-Identifier: Apache-2.0
"""The subscription to a camera's images, raw or compressed, whichever the camera publishes."""

from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.subscription import Subscription
from rclpy.timer import Timer
from sensor_msgs.msg import CompressedImage, Image

AUTO, RAW, COMPRESSED = TRANSPORTS = ('auto', 'raw', 'compressed')
"""Values of the parameter `image_transport`."""

_QOS = QoSProfile(
    depth=1,
    reliability=qos_profile_sensor_data.reliability,
    durability=qos_profile_sensor_data.durability,
)
_CHECK_PERIOD_S = 0.5
_Choice = tuple[str, type]
"""A topic and its type."""


def _type_name(kind: type) -> str:
    return f'sensor_msgs/msg/{kind.__name__}'


class ImageSubscription:
    """
    Subscribes to `image`, or to the compressed topic of the same camera.

    As in image_transport, the compressed topic is the resolved name of `image` with `/compressed`
    appended, so that remapping `image` is enough. A topic that was remapped to a compressed one
    itself is read too. With `auto` the raw topic is read where it is published and the compressed
    one where only that is; it is looked for twice a second, so that the camera may start later.
    """

    def __init__(self, node: Node, transport: str, callback: Callable):
        """
        Subscribe.

        Args:
            node: subscribes.
            transport: one of `TRANSPORTS`.
            callback: called with each Image or CompressedImage.

        Raises:
            ValueError: if DDS refuses the topic's name, with the reason.

        """
        self._node, self._callback = node, callback
        try:
            self._base = node.resolve_topic_name('image')
        except RuntimeError as error:
            # a name that is valid in ROS may be too long for DDS
            raise ValueError(f'image cannot be subscribed to: {error}') from None
        raw, compressed = (self._base, Image), (f'{self._base}/compressed', CompressedImage)
        itself = self._base, CompressedImage
        self._choices: tuple[_Choice, ...] = {
            AUTO: (raw, compressed, itself), RAW: (raw,), COMPRESSED: (compressed, itself),
        }[transport]  # fmt: skip
        self._subscription: Subscription | None = None
        self._choice = self._published_choice() or self._choices[0]
        self._subscribe()
        # a clock that also runs while simulated time stands still
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer: Timer | None = node.create_timer(_CHECK_PERIOD_S, self._choose, clock=clock)

    @property
    def topic(self) -> str:
        """The full name of the topic that is read."""
        return self._subscription.topic_name if self._subscription else self._choice[0]

    def destroy(self) -> None:
        """Stop reading."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        # the timer's callback holds this object, and that the model
        self._timer = None
        self._unsubscribe()

    def mismatch(self) -> str:
        """Return why the published images are not read, and what to do; empty if they are."""
        if self._published_choice():
            return ''
        advice = {
            _type_name(kind): f'set image_transport to {AUTO} or {transport}'
            for transport, kind in ((RAW, Image), (COMPRESSED, CompressedImage))
        }
        for topic in (self._base, f'{self._base}/compressed'):
            for found in sorted(self._types(topic)):
                return (
                    f'{topic} is published as {found}, but {self.topic} is read as '
                    f'{_type_name(self._choice[1])}: '
                    + advice.get(found, 'these are no images; remap image to another topic')
                )
        return ''

    def _types(self, topic: str) -> set[str]:
        """Return the types that are published on a topic."""
        try:
            return {info.topic_type for info in self._node.get_publishers_info_by_topic(topic)}
        except RuntimeError:
            return set()  # the appended name is too long for DDS: nobody publishes it

    def _published_choice(self) -> _Choice | None:
        """Return the first choice that is published."""
        for topic, kind in self._choices:
            if _type_name(kind) in self._types(topic):
                return topic, kind
        return None

    def _choose(self) -> None:
        choice = self._published_choice()
        if choice and choice != self._choice:
            self._choice = choice
            try:
                self._subscribe()
            except ValueError as error:
                self._node.get_logger().error(str(error))

    def _subscribe(self) -> None:
        """Read the chosen topic in place of the one before."""
        # first: DDS does not take two types of one topic in one process
        self._unsubscribe()
        topic, kind = self._choice
        try:
            self._subscription = self._node.create_subscription(kind, topic, self._callback, _QOS)
        except RuntimeError as error:
            raise ValueError(f'{topic} cannot be subscribed to: {error}') from None
        self._node.get_logger().info(f'reading {self.topic} ({_type_name(kind)})')

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None
