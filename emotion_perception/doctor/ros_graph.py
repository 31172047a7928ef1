"""The running system: the node, its state and what it says of itself; the camera and its images."""

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

from emotion_perception.doctor.camera_images import judge_images
from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING, CheckResult

_KINDS = {'sensor_msgs/msg/Image': Image, 'sensor_msgs/msg/CompressedImage': CompressedImage}
_ANSWERS = 'emotion_msgs/msg/EmotionArray'
_NAME = 'emotion_perception'
_DISCOVERY_S = 3.0
_DIAGNOSTICS_S = 2.5
_START = 'ros2 launch emotion_perception emotion_perception.launch.py image_topic:=<topic of the camera>'


class Robot:
    """Looks at what runs in this ROS domain."""

    def __init__(self, node: Node):
        """Begin to listen to diagnostics on `node`."""
        self._node = node
        self._statuses: dict[str, DiagnosticStatus] = {}
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 50)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._statuses |= {status.name: status for status in message.status}

    def _until(self, condition: Callable[[], Any], limit_s: float) -> Any:
        """Spin until `condition` returns something true or the time is over; return its last answer."""
        deadline = time.monotonic() + limit_s
        while not (answer := condition()) and time.monotonic() < deadline:
            rclpy.spin_once(self._node, timeout_sec=0.05)
        return answer

    # the node

    def _running(self) -> list[tuple[str, str]]:
        """Return name and namespace of each emotion node, also of one that was given another name."""
        named = set(self._node.get_node_names_and_namespaces())
        found = {pair for pair in named if pair[0] == _NAME}
        for topic, kinds in self._node.get_topic_names_and_types():
            if _ANSWERS in kinds:
                publishers = self._node.get_publishers_info_by_topic(topic)
                # a publisher may be known before its node's name is
                found |= {(p.node_name, p.node_namespace) for p in publishers} & named
        return sorted(found)

    def check_nodes(self) -> list[CheckResult]:
        """Return whether the node runs, its state, and what it says; one finding for each of several."""
        running = self._until(self._running, _DISCOVERY_S)
        if not running:
            return [CheckResult('node', WARNING, 'is not running in this ROS domain', _START)]
        return [self._check_node(name, namespace) for name, namespace in running]

    def _check_node(self, name: str, namespace: str) -> CheckResult:
        full = f'{namespace.rstrip("/")}/{name}'
        state = self._state_of(full)
        values: dict[str, Any] = {'node': full, 'state': state}
        if not state:
            text = f'{full} does not answer what state it is in'
            # a recording that is played, or a program of somebody else, has no states
            level = PROBLEM if name == _NAME else WARNING
            return CheckResult('node', level, text, 'start it again', values)
        status = self._until(lambda: self._statuses.get(f'{full}: perception'), _DIAGNOSTICS_S)
        if status is None:
            text = f'{full} is {state}, and says nothing on /diagnostics'
            return CheckResult('node', WARNING, text, 'start it again', values)
        values |= {'message': status.message, **{pair.key: pair.value for pair in status.values}}
        text = f'{full} is {state}: {status.message}'
        if status.level == DiagnosticStatus.ERROR:
            do = 'mend what it says; ' + (
                'then configure and activate it'
                if state != 'active'
                else 'the check of the camera says more'
            )
            return CheckResult('node', PROBLEM, text, do, values)
        if state != 'active':
            steps = {'unconfigured': ['configure', 'activate'], 'inactive': ['activate']}
            do = ' && '.join(f'ros2 lifecycle set {full} {step}' for step in steps.get(state, ()))
            return CheckResult('node', WARNING, text, do or 'start it again', values)
        if status.level == DiagnosticStatus.WARN:
            return CheckResult('node', WARNING, text, 'see docs/node.md', values)
        return CheckResult('node', OK, text, '', values)

    def _state_of(self, full: str) -> str:
        client: Client = self._node.create_client(GetState, f'{full}/get_state')
        try:
            if not self._until(client.service_is_ready, 2.0):
                return ''
            future = client.call_async(GetState.Request())
            self._until(future.done, 3.0)
            answer = future.result() if future.done() else None
            return answer.current_state.label if answer is not None else ''
        finally:
            self._node.destroy_client(client)

    # the camera

    def _image_topics(self) -> dict[str, str]:
        """Return the type of each image topic that somebody publishes, without the node's own pictures."""
        own = self._running()
        found = {}
        for topic, kinds in self._node.get_topic_names_and_types():
            publishers = self._node.get_publishers_info_by_topic(topic)
            others = [p for p in publishers if (p.node_name, p.node_namespace) not in own]
            if others and kinds[0] in _KINDS:
                found[topic] = kinds[0]
        return found

    def _topics_of_nodes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, namespace in self._running():
            try:
                pairs = self._node.get_subscriber_names_and_types_by_node(name, namespace)
            except RuntimeError:
                # it has just gone
                continue
            found |= {topic: kinds[0] for topic, kinds in pairs if kinds[0] in _KINDS}
        return found

    def check_camera(self, topic: str, seconds: float) -> CheckResult:
        """
        Listen to the images.

        Args:
            topic: of the images; empty takes the one that the node reads, or the only one there is.
            seconds: how long to listen.

        """
        if not topic:
            topics = self._topics_of_nodes() or self._until(self._image_topics, _DISCOVERY_S)
            if not topics:
                do = 'start the camera driver, or name its topic: --image-topic'
                return CheckResult('camera', WARNING, 'nobody publishes images', do)
            if len(topics) > 1:
                text = f'images on {", ".join(sorted(topics))}'
                return CheckResult('camera', WARNING, text, 'choose one: --image-topic')
            topic = next(iter(topics))
        topic = topic if topic.startswith('/') else f'/{topic}'
        try:
            validate_full_topic_name(topic)
        except InvalidTopicNameException as error:
            text = f'{topic!r} cannot be the name of a topic: {str(error).splitlines()[0]}'
            return CheckResult('camera', PROBLEM, text, 'name another: --image-topic')
        return self._listen(topic, seconds)

    def _listen(self, topic: str, seconds: float) -> CheckResult:
        publishers = self._until(
            lambda: self._node.get_publishers_info_by_topic(topic), _DISCOVERY_S
        )
        values: dict[str, Any] = {'topic': topic, 'publishers': len(publishers)}
        if not publishers:
            there = ', '.join(sorted(self._image_topics())) or 'none'
            return CheckResult(
                'camera', PROBLEM, f'nobody publishes {topic}',
                f'start the camera driver, or choose one of the image topics that are there ({there}), '
                'with image_topic:= of the launch file', values,
            )  # fmt: skip
        kind = publishers[0].topic_type
        if kind not in _KINDS:
            text = f'{topic} is of type {kind}, not {" or ".join(_KINDS)}'
            return CheckResult('camera', PROBLEM, text, 'name another: --image-topic', values)
        arrivals: list[tuple[float, float]] = []
        last: list[Any] = [None]

        def note(message: Any) -> None:
            stamp = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
            arrivals.append((time.monotonic(), time.time() - stamp if stamp else math.nan))
            last[0] = message

        subscription = self._node.create_subscription(
            _KINDS[kind], topic, note, qos_profile_sensor_data
        )
        deadline = time.monotonic() + seconds
        self._until(lambda: time.monotonic() >= deadline, seconds)
        self._node.destroy_subscription(subscription)
        return judge_images(topic, last[0], arrivals, seconds, values)
