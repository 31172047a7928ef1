"""What the node says of itself on /diagnostics, once a second."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from emotion_perception.ros.frame_statistics import FrameStatistics


@dataclass(frozen=True)
class NodeStatus:
    """
    What the node knows of itself.

    Attributes:
        state: its lifecycle state.
        trouble: why it cannot work at all; empty where it can.
        topic: of the images; empty while none are read.
        publishers: how many publish there.
        silence_s: time since the last image, or since activation before the first; 0 while none are read.
        stalled_after_s: silence of the camera, in seconds, that counts as an error.
        details: further values to show, such as the model in use.

    """

    state: str
    trouble: str = ''
    topic: str = ''
    publishers: int = 0
    silence_s: float = 0.0
    stalled_after_s: float = math.inf
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def stalled(self) -> bool:
        """Whether the camera is silent for too long."""
        return self.silence_s > self.stalled_after_s


class DiagnosticsPublisher:
    """Publishes the node's status and logs what begins to go wrong."""

    def __init__(self, node: Node, look: Callable[[], tuple[NodeStatus, FrameStatistics]]):
        """
        Begin; by a clock that runs on where simulated time stands still.

        Args:
            node: that is told of.
            look: returns its situation and its counts.

        """
        self._node, self._look = node, look
        self._mixed = False
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        node.create_timer(1.0, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _publish(self) -> None:
        situation, statistics = self._look()
        self._log(situation, statistics)
        name = self._node.get_fully_qualified_name()
        message = DiagnosticArray(status=[make_status(name, situation, statistics)])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _log(self, situation: NodeStatus, statistics: FrameStatistics) -> None:
        if statistics.add_silence(situation.stalled):
            self._node.get_logger().warning(
                f'no image on {situation.topic} for {situation.silence_s:.1f} s'
            )
        mixed = situation.publishers > 1
        if mixed and not self._mixed:
            self._node.get_logger().warning(_mixed_up(situation))
        self._mixed = mixed


def _mixed_up(situation: NodeStatus) -> str:
    return (
        f'{situation.publishers} publishers on {situation.topic}: faces of several cameras '
        'cannot be told apart; run a node for each camera'
    )


def _judge(situation: NodeStatus, statistics: FrameStatistics) -> tuple[bytes, str]:
    """Return level and message."""
    if situation.trouble:
        return DiagnosticStatus.ERROR, situation.trouble
    if situation.state != 'active':
        return DiagnosticStatus.OK, f'{situation.state}; no images are read'
    if situation.stalled:
        return (
            DiagnosticStatus.ERROR,
            f'no image for {situation.silence_s:.1f} s; is the camera running and the topic right?',
        )
    if statistics.last_failure:
        return (
            DiagnosticStatus.WARN,
            f'the last image could not be used: {statistics.last_failure}',
        )
    if situation.publishers > 1:
        return DiagnosticStatus.WARN, _mixed_up(situation)
    return DiagnosticStatus.OK, f'processing {statistics.rate_hz():.1f} images a second'


def make_status(name: str, situation: NodeStatus, statistics: FrameStatistics) -> DiagnosticStatus:
    """Return the status of the node called `name`."""
    level, message = _judge(situation, statistics)
    processing, age = statistics.percentiles_ms('processing'), statistics.percentiles_ms('age')
    received, skipped = statistics.arrivals()
    values = {
        'state': situation.state,
        'images received': received,
        'images processed': statistics.processed,
        'images skipped for a newer one': skipped,
        'images that could not be used': sum(statistics.failed.values()),
        **{f'could not be used: {kind}': count for kind, count in statistics.failed.items()},
        'image': statistics.format or 'none yet',
        'times size or encoding changed': statistics.format_changes,
        'times stamps jumped back': statistics.jumps_back,
        'times the camera stalled': statistics.stalls,
        'publishers of the image topic': situation.publishers,
        'faces seen': statistics.faces,
        'rate (Hz)': f'{statistics.rate_hz():.2f}',
        'processing p50 (ms)': _number(processing[0]),
        'processing p99 (ms)': _number(processing[1]),
        'age at publication p50 (ms)': _number(age[0]),
        'age at publication p99 (ms)': _number(age[1]),
        **situation.details,
    }
    return DiagnosticStatus(
        level=level,
        name=f'{name}: perception',
        message=message,
        hardware_id='',
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )


def _number(value: float) -> str:
    return 'none yet' if math.isnan(value) else f'{value:.2f}'
