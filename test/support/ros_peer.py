# SPDX-License-Identifier: Apache-2.0
"""What another process can do with the emotion node: send images, receive, call its services."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import ParameterDescriptor
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from emotion_msgs.msg import Emotion, EmotionArray
from emotion_msgs.srv import ClassifyFaces
from emotion_perception.imaging.sources import portrait_path
from emotion_perception.ros.conversions import bgr_to_image, seconds, time_message
from support.spinning_node import SpinningNode

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE,
    'activate': Transition.TRANSITION_ACTIVATE,
    'deactivate': Transition.TRANSITION_DEACTIVATE,
    'cleanup': Transition.TRANSITION_CLEANUP,
}


@dataclass(frozen=True)
class Status:
    """
    One diagnostic status of the emotion node.

    Attributes:
        level: `OK`, `WARN` or `ERROR`.
        message: its text.
        values: text of each key.

    """

    level: bytes
    message: str
    values: dict[str, str]

    def matches(self, level: bytes | None, values: dict[str, Any]) -> bool:
        """Return whether it has this level, if one is given, and these values."""
        return level in (None, self.level) and all(
            self.values.get(key) == str(value) for key, value in values.items()
        )


@cache
def portrait_image(width: int = 640, height: int = 480) -> np.ndarray:
    """Return the NASA portrait, BGR uint8 [height, width, 3]: one face that shows happiness."""
    image = cv2.imread(str(portrait_path()))
    assert image is not None
    image = np.ascontiguousarray(cv2.resize(image, (width, width))[:height])
    image.flags.writeable = False
    return image


class RosPeer(SpinningNode):
    """
    A ROS node beside the emotion node; everything that it receives is kept until `clear`.

    Attributes:
        emotions: messages of `emotion`.
        arrays: messages of `emotion/faces`.
        latencies_s: stamp to receipt of each message in `arrays`, in seconds.
        annotated: messages of `emotion/image`, while `annotated_image` is subscribed.
        statuses: the emotion node's statuses on `/diagnostics`.

    """

    def __init__(self, domain: int | None = None, node_name: str = 'emotion_perception'):
        """
        Subscribe to the emotion node's topics.

        Args:
            domain: ROS domain; None is that of the environment.
            node_name: of the emotion node, whose services are called.

        """
        super().__init__(domain)
        self._node_name = node_name
        self.emotions: list[Emotion] = []
        self.arrays: list[EmotionArray] = []
        self.latencies_s: list[float] = []
        self.annotated: list[Image] = []
        self.statuses: list[Status] = []
        self.node.create_subscription(Emotion, 'emotion', lambda m: self.emotions.append(m), 50)
        self.node.create_subscription(EmotionArray, 'emotion/faces', self._on_faces, 500)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 50)
        self._publishers: dict[type, Publisher] = {}
        self._clients: dict[str, Any] = {}

    def _on_faces(self, message: EmotionArray) -> None:
        self.latencies_s.append(self.now_s() - seconds(message.header.stamp))
        self.arrays.append(message)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            self.statuses.append(Status(status.level, status.message, values))

    def clear(self) -> None:
        """Forget everything that was received."""
        for received in (
            self.emotions, self.arrays, self.latencies_s, self.annotated, self.statuses,
        ):  # fmt: skip
            received.clear()

    def wait_for_status(
        self,
        level: bytes | None = None,
        timeout_s: float = 10.0,
        where: Callable[[Status], bool] = lambda status: True,
        **values: Any,
    ) -> Status:
        """
        Return the next status of the emotion node that has the given level and values.

        Args:
            level: `OK`, `WARN` or `ERROR`; None takes any.
            timeout_s: longest time to wait.
            where: a further condition.
            values: keys and values that it must have, such as ``images_failed=3``.

        Raises:
            TimeoutError: if none comes.

        """
        self.statuses.clear()

        def found() -> Status | None:
            return next((s for s in self.statuses if s.matches(level, values) and where(s)), None)

        try:
            return self.until(found, timeout_s)
        except TimeoutError:
            last = self.statuses[-1] if self.statuses else 'no diagnostics'
            raise TimeoutError(
                f'waited {timeout_s:g} s for {level!r} {values}; last {last}'
            ) from None

    # services

    def call(self, kind: Any, name: str, request: Any, timeout_s: float = 10.0) -> Any:
        """
        Call a service of the emotion node and return its response.

        Raises:
            TimeoutError: if there is no such service, or no response.

        """
        known = name in self._clients
        client = self._client(kind, name)
        self.until(client.service_is_ready, timeout_s, f'the service {name}')
        if not known:
            # once the node answers on another service it has found this client too
            self.state(timeout_s)
        return self._response(client, request, timeout_s, name)

    def _client(self, kind: Any, name: str) -> Any:
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, f'/{self._node_name}/{name}')
        return self._clients[name]

    def _response(self, client: Any, request: Any, timeout_s: float, name: str) -> Any:
        future = client.call_async(request)
        try:
            self.until(future.done, timeout_s, f'a response of {name}')
        finally:
            if not future.done():
                client.remove_pending_request(future)
        return future.result()

    def state(self, timeout_s: float = 10.0) -> str:
        """
        Return the emotion node's lifecycle state.

        A service that has found its client may answer before it has found where to, and DDS
        drops such a response: the question, which changes nothing, is asked again.

        Raises:
            TimeoutError: if there is no response to any.

        """
        client = self._client(GetState, 'get_state')
        self.until(client.service_is_ready, timeout_s, 'the service get_state')
        deadline_s = time.monotonic() + timeout_s
        while True:
            left_s = deadline_s - time.monotonic()
            try:
                response = self._response(
                    client, GetState.Request(), max(min(left_s, 2.0), 0.1), 'get_state'
                )
            except TimeoutError:
                if left_s <= 2.0:
                    raise
            else:
                return response.current_state.label

    def transition(self, name: str | int, timeout_s: float = 20.0) -> bool:
        """Request a transition by name or number; return whether it succeeded."""
        number = name if isinstance(name, int) else TRANSITIONS[name]
        request = ChangeState.Request(transition=Transition(id=number))
        return self.call(ChangeState, 'change_state', request, timeout_s).success

    def set_parameters(self, **values: Any) -> list[tuple[bool, str]]:
        """Set parameters; return for each whether it was accepted, and the reason if not."""
        messages = [Parameter(name, value=v).to_parameter_msg() for name, v in values.items()]
        request = SetParameters.Request(parameters=messages)
        results = self.call(SetParameters, 'set_parameters', request).results
        return [(result.successful, result.reason) for result in results]

    def set_parameter(self, name: str, value: Any) -> tuple[bool, str]:
        """Set one parameter; return whether it was accepted, and the reason if not."""
        return self.set_parameters(**{name: value})[0]

    def describe_parameters(self, names: Sequence[str]) -> list[ParameterDescriptor]:
        """Return the descriptors of parameters."""
        request = DescribeParameters.Request(names=names)
        return self.call(DescribeParameters, 'describe_parameters', request).descriptors

    def classify(self, image: Image) -> ClassifyFaces.Response:
        """Call ~/classify."""
        return self.call(ClassifyFaces, 'classify', ClassifyFaces.Request(image=image))

    # images

    def publisher(self, kind: type = Image) -> Publisher:
        """Return the publisher of Image or CompressedImage, made when it is first used."""
        if kind not in self._publishers:
            topic = {Image: 'image', CompressedImage: 'image/compressed'}[kind]
            self._publishers[kind] = self.node.create_publisher(
                kind, topic, qos_profile_sensor_data
            )
        return self._publishers[kind]

    def stop_publishing(self) -> None:
        """Destroy the publishers of images, so that another camera is the only one."""
        for publisher in self._publishers.values():
            self.node.destroy_publisher(publisher)
        self._publishers.clear()

    def wait_for_node(
        self, kind: type = Image, timeout_s: float = 20.0, settle_s: float = 0.2
    ) -> None:
        """
        Wait until the emotion node reads images and its topics are connected.

        Args:
            kind: Image or CompressedImage.
            timeout_s: longest time to wait.
            settle_s: further time for a node that has just started to find the peer.

        Raises:
            TimeoutError: if it does not read images in time.

        """
        publisher = self.publisher(kind)
        self.until(
            lambda: (
                publisher.get_subscription_count()
                and self.node.count_publishers('emotion')
                and self.node.count_publishers('emotion/faces')
            ),
            timeout_s,
            'the emotion node to subscribe',
        )
        # whether the node has found our subscriptions cannot be seen from here
        self.spin(settle_s)

    def send(self, message: Image | CompressedImage | bytes) -> None:
        """Publish one image, or any bytes in place of a raw one."""
        kind = CompressedImage if isinstance(message, CompressedImage) else Image
        self.publisher(kind).publish(message)

    def process(self, message: Image | CompressedImage, timeout_s: float = 10.0) -> EmotionArray:
        """Publish one image, stamped now, and return the EmotionArray of it."""
        message.header.stamp = time_message(self.node.get_clock().now().nanoseconds)
        self.send(message)
        return self.until(
            lambda: self.array_of(message.header), timeout_s, 'the faces of an image'
        )

    def array_of(self, header: Header) -> EmotionArray | None:
        """Return the received EmotionArray of an image; None if there is none yet."""
        return next((a for a in reversed(self.arrays) if a.header.stamp == header.stamp), None)

    @contextmanager
    def annotated_image(self, timeout_s: float = 10.0) -> Iterator[Subscription]:
        """Subscribe to `emotion/image`, into `annotated`, and wait until it is connected."""
        subscription = self.node.create_subscription(
            Image, 'emotion/image', lambda m: self.annotated.append(m), qos_profile_sensor_data
        )
        try:
            self.until(
                lambda: self.node.count_publishers('emotion/image'), timeout_s, 'emotion/image'
            )
            self.spin(0.3)
            yield subscription
        finally:
            self.node.destroy_subscription(subscription)


@contextmanager
def ros_peer(domain: int | None = None) -> Iterator[RosPeer]:
    """Give a `RosPeer` and close it at the end."""
    peer = RosPeer(domain)
    try:
        yield peer
    finally:
        peer.close()


def portrait_message(width: int = 640, height: int = 480) -> Image:
    """Return the NASA portrait as a message in bgr8 with frame_id `eye`."""
    return bgr_to_image(portrait_image(width, height), Header(frame_id='eye'))
