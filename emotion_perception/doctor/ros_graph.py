# SPDX-License-Identifier: Apache-2.0
"""Checks of the running node, its state and diagnostics, and of the camera's topic."""

import math
import time
from collections.abc import Callable
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import GetState
from rclpy.client import Client
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.validate_full_topic_name import validate_full_topic_name
from sensor_msgs.msg import CompressedImage, Image

from emotion_perception.doctor.camera_images import check_images
from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING, CheckResult

_IMAGE_TYPES = {'sensor_msgs/msg/Image': Image, 'sensor_msgs/msg/CompressedImage': CompressedImage}
_OUTPUT_TYPE = 'emotion_msgs/msg/EmotionArray'
_NODE = 'emotion_perception'
_DISCOVERY_S = 3.0
_DIAGNOSTICS_S = 2.5
_SERVICE_S = 3.0
_LAUNCH = 'ros2 launch emotion_perception emotion_perception.launch.py image_topic:=<topic>'
_STEPS = {'unconfigured': ('configure', 'activate'), 'inactive': ('activate',)}


class RosGraph:
    """The nodes and topics of this ROS domain."""

    def __init__(self, node: Node):
        """Listen to diagnostics with `node`."""
        self._node = node
        self._statuses: dict[str, DiagnosticStatus] = {}
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 50)

    def check_nodes(self) -> list[CheckResult]:
        """Check the state and diagnostics of each running emotion node."""
        nodes = self._spin_until(self._emotion_nodes, _DISCOVERY_S)
        if not nodes:
            return [CheckResult('node', WARNING, 'is not running in this ROS domain', _LAUNCH)]
        return [self._check_node(name, namespace) for name, namespace in nodes]

    def check_camera(self, topic: str, seconds: float) -> CheckResult:
        """
        Listen to the camera and check its images.

        Args:
            topic: of the images; empty takes that of the node, or the only image topic.
            seconds: how long to listen.

        """
        if not topic:
            topics = self._subscribed_topics() or self._spin_until(
                self._image_topics, _DISCOVERY_S
            )
            if not topics:
                advice = 'start the camera driver, or name its topic: --image-topic'
                return CheckResult('camera', WARNING, 'nothing publishes images', advice)
            if len(topics) > 1:
                text = f'images on {", ".join(sorted(topics))}'
                return CheckResult('camera', WARNING, text, 'choose one: --image-topic')
            (topic,) = topics
        topic = topic if topic.startswith('/') else f'/{topic}'
        try:
            validate_full_topic_name(topic)
        except InvalidTopicNameException as error:
            text = f'{topic!r} is not a topic name: {str(error).splitlines()[0]}'
            return CheckResult('camera', PROBLEM, text, 'choose another: --image-topic')
        return self._check_topic(topic, seconds)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._statuses |= {status.name: status for status in message.status}

    def _spin_until(self, condition: Callable[[], Any], timeout_s: float) -> Any:
        """Spin until `condition` is true or the time is over; return its last result."""
        deadline = time.monotonic() + timeout_s
        while not (result := condition()) and time.monotonic() < deadline:
            rclpy.spin_once(self._node, timeout_sec=0.05)
        return result

    def _emotion_nodes(self) -> list[tuple[str, str]]:
        """Return name and namespace of each emotion node, also of renamed ones."""
        known = set(self._node.get_node_names_and_namespaces())
        found = {pair for pair in known if pair[0] == _NODE}
        for topic, types in self._node.get_topic_names_and_types():
            if _OUTPUT_TYPE in types:
                publishers = self._node.get_publishers_info_by_topic(topic)
                # a publisher can be discovered before the name of its node
                found |= {(p.node_name, p.node_namespace) for p in publishers} & known
        return sorted(found)

    def _check_node(self, name: str, namespace: str) -> CheckResult:
        full_name = f'{namespace.rstrip("/")}/{name}'
        state = self._lifecycle_state(full_name)
        values: dict[str, Any] = {'node': full_name, 'state': state}
        if not state:
            text = f'{full_name} does not report its lifecycle state'
            # a bag player, or another program that publishes emotions, has no lifecycle
            status = PROBLEM if name == _NODE else WARNING
            return CheckResult('node', status, text, 'restart it', values)
        diagnostics = self._spin_until(
            lambda: self._statuses.get(f'{full_name}: perception'), _DIAGNOSTICS_S
        )
        if diagnostics is None:
            text = f'{full_name} is {state}, and sends no diagnostics'
            return CheckResult('node', WARNING, text, 'restart it', values)
        values |= {pair.key: pair.value for pair in diagnostics.values}
        values |= {'state': state, 'message': diagnostics.message}
        text = f'{full_name} is {state}: {diagnostics.message}'
        steps = ' && '.join(
            f'ros2 lifecycle set {full_name} {step}' for step in _STEPS.get(state, ())
        )
        if diagnostics.level == DiagnosticStatus.ERROR:
            advice = f'fix that, then {steps}' if steps else 'see the check of the camera'
            return CheckResult('node', PROBLEM, text, advice, values)
        if state != 'active':
            return CheckResult('node', WARNING, text, steps or 'restart it', values)
        if diagnostics.level == DiagnosticStatus.WARN:
            return CheckResult('node', WARNING, text, 'see docs/node.md', values)
        return CheckResult('node', OK, text, '', values)

    def _lifecycle_state(self, full_name: str) -> str:
        """Return the lifecycle state of a node; empty if it does not report one."""
        client: Client = self._node.create_client(GetState, f'{full_name}/get_state')
        try:
            if not self._spin_until(client.service_is_ready, _SERVICE_S):
                return ''
            future = client.call_async(GetState.Request())
            self._spin_until(future.done, _SERVICE_S)
            response = future.result() if future.done() else None
            return response.current_state.label if response is not None else ''
        finally:
            self._node.destroy_client(client)

    def _image_topics(self) -> set[str]:
        """Return the topics on which something other than an emotion node publishes images."""
        own = self._emotion_nodes()
        return {
            topic
            for topic, types in self._node.get_topic_names_and_types()
            if types[0] in _IMAGE_TYPES
            and any(
                (p.node_name, p.node_namespace) not in own
                for p in self._node.get_publishers_info_by_topic(topic)
            )
        }

    def _subscribed_topics(self) -> set[str]:
        """Return the image topics that the emotion nodes subscribe to."""
        found: set[str] = set()
        for name, namespace in self._emotion_nodes():
            try:
                pairs = self._node.get_subscriber_names_and_types_by_node(name, namespace)
            except RuntimeError:
                continue  # it has just ended
            found |= {topic for topic, types in pairs if types[0] in _IMAGE_TYPES}
        return found

    def _other_type_read(self, topic: str, kind: str) -> str:
        """Return what to do if an emotion node reads another type from a topic, else nothing."""
        own = self._emotion_nodes()
        for reader in self._node.get_subscriptions_info_by_topic(topic):
            if (reader.node_name, reader.node_namespace) in own and reader.topic_type != kind:
                return f'set image_transport of {reader.node_name} to auto'
        return ''

    def _check_topic(self, topic: str, seconds: float) -> CheckResult:
        publishers = self._spin_until(
            lambda: self._node.get_publishers_info_by_topic(topic), _DISCOVERY_S
        )
        values: dict[str, Any] = {'topic': topic, 'publishers': len(publishers)}
        if not publishers:
            topics = ', '.join(sorted(self._image_topics())) or 'none'
            advice = (
                f'start the camera driver, or choose one of the image topics ({topics}) with '
                'image_topic:= of the launch file'
            )
            return CheckResult('camera', PROBLEM, f'nothing publishes {topic}', advice, values)
        kind = publishers[0].topic_type
        if advice := self._other_type_read(topic, kind):
            text = f'{topic} is published as {kind}, and the node reads another type from it'
            return CheckResult('camera', PROBLEM, text, advice, values)
        if kind not in _IMAGE_TYPES:
            text = f'{topic} is of type {kind}, not {" or ".join(_IMAGE_TYPES)}'
            return CheckResult('camera', PROBLEM, text, 'choose another: --image-topic', values)
        arrivals: list[tuple[float, float]] = []
        images: list[Any] = [None]

        def on_image(message: Any) -> None:
            stamp = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
            arrivals.append((time.monotonic(), time.time() - stamp if stamp else math.nan))
            images[:] = [message]

        subscription = self._node.create_subscription(
            _IMAGE_TYPES[kind], topic, on_image, qos_profile_sensor_data
        )
        self._spin_until(lambda: False, seconds)
        self._node.destroy_subscription(subscription)
        return check_images(topic, images[-1], arrivals, seconds, values)
