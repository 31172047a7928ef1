# SPDX-License-Identifier: Apache-2.0
"""The node's status on /diagnostics, once a second."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from emotion_perception.ros.frame_statistics import FrameStatistics

_OLD_MS = 1000.0
"""Age of an image, before or after now, above which the clocks of camera and robot differ."""
_TURNED_FACES = 5
"""Number of turned faces from which the parameter `rotate` is suggested."""


@dataclass(frozen=True)
class NodeStatus:
    """
    State of the node and its camera.

    Attributes:
        state: lifecycle state; `disabled` while an active node reads no images on request.
        error: why the node cannot work; empty where it can.
        topic: of the images; empty while none are read.
        publishers: number of publishers of that topic.
        silence_s: time since the last image, before the first since activation; 0 while inactive.
        stalled_after_s: silence in seconds after which the camera counts as stalled.
        mismatch: why images that are published are not read; empty if they are, or none are.
        namesakes: number of other nodes with the same full name.
        details: further keys and values, such as the model in use.

    """

    state: str
    error: str = ''
    topic: str = ''
    publishers: int = 0
    silence_s: float = 0.0
    stalled_after_s: float = math.inf
    mismatch: str = ''
    namesakes: int = 0
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def stalled(self) -> bool:
        """Whether the camera is silent for too long."""
        return self.silence_s > self.stalled_after_s


class DiagnosticsPublisher:
    """Publishes the node's status and logs when the camera stalls or gets a second publisher."""

    def __init__(self, node: Node, get_status: Callable[[], tuple[NodeStatus, FrameStatistics]]):
        """Start, on a clock that also runs while simulated time stands still."""
        self._node, self._get_status = node, get_status
        self._several_publishers = False
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        node.create_timer(1.0, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _publish(self) -> None:
        status, statistics = self._get_status()
        self._log(status, statistics)
        name = self._node.get_fully_qualified_name()
        message = DiagnosticArray(status=[to_diagnostic_status(name, status, statistics)])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _log(self, status: NodeStatus, statistics: FrameStatistics) -> None:
        if statistics.update_stalled(status.stalled):
            self._node.get_logger().warning(
                f'no image on {status.topic} for {status.silence_s:.1f} s'
            )
        several = status.publishers > 1
        if several and not self._several_publishers:
            self._node.get_logger().warning(_several_publishers_text(status))
        self._several_publishers = several


def _several_publishers_text(status: NodeStatus) -> str:
    return (
        f'{status.publishers} publishers on {status.topic}: the faces of several cameras '
        'get mixed up; run one node per camera (one that was killed counts for some 20 s more)'
    )


def level_and_message(status: NodeStatus, statistics: FrameStatistics) -> tuple[bytes, str]:
    """Return level and message of the diagnostic status."""
    if status.error:
        return DiagnosticStatus.ERROR, status.error
    if status.state != 'active':
        return DiagnosticStatus.OK, f'{status.state}; no images are read'
    if status.stalled:
        reason = status.mismatch or f'is the camera running, and is {status.topic} its topic?'
        return DiagnosticStatus.ERROR, f'no image for {status.silence_s:.1f} s; {reason}'
    if statistics.last_failure:
        return DiagnosticStatus.WARN, f'the last image failed: {statistics.last_failure}'
    if status.publishers > 1:
        return DiagnosticStatus.WARN, _several_publishers_text(status)
    if status.namesakes:
        return (
            DiagnosticStatus.WARN,
            f'{status.namesakes + 1} nodes have this name: give each a namespace or name of its '
            'own, or stop the others',
        )
    if statistics.keeps_jumping:
        return (
            DiagnosticStatus.WARN,
            'the stamps of the images keep jumping back, and each time all faces get new ids: is '
            'there one camera, and one clock?',
        )
    if abs(age_ms := statistics.percentiles_ms('age')[0]) > _OLD_MS:
        when = 'old' if age_ms > 0 else 'ahead'
        return (
            DiagnosticStatus.WARN,
            f'the images are {abs(age_ms) / 1000:.0f} s {when}: synchronize the clocks of camera '
            'and robot (chrony), or play the recording with its clock',
        )
    if advice := _rotation_advice(status.details):
        return DiagnosticStatus.WARN, advice
    return DiagnosticStatus.OK, f'processing {statistics.rate_hz():.1f} images per second'


def _rotation_advice(details: dict[str, Any]) -> str:
    """Return which value of `rotate` to set if nearly all faces are found turned, else nothing."""
    counts = {turn: details.get(f'faces_turned_{turn}_deg', 0) for turn in (0, 90, 180, 270)}
    turn = max(counts, key=lambda turn: counts[turn])
    if not turn or counts[turn] < _TURNED_FACES or counts[turn] < 0.8 * sum(counts.values()):
        return ''
    rotate = (details.get('rotate', 0) - turn) % 360
    return (
        f'faces were turned by {turn} degrees {counts[turn]} of {sum(counts.values())} times: if '
        f'the camera hangs like that, set the parameter rotate to {rotate}'
    )


def _to_snake_case(kind: str) -> str:
    words = re.sub(r'(?<=[a-z])(?=[A-Z])', '_', kind)
    return re.sub(r'\W+', '_', words).lower()


def to_diagnostic_status(
    name: str, status: NodeStatus, statistics: FrameStatistics
) -> DiagnosticStatus:
    """
    Return the diagnostic status of the node called `name`.

    Numbers that are not measured yet are ``nan``; `image_format` is empty before the first image.
    """
    level, message = level_and_message(status, statistics)
    processing, age = statistics.percentiles_ms('processing'), statistics.percentiles_ms('age')
    received, dropped = statistics.arrivals()
    failed, repaired = dict(statistics.failed), dict(statistics.repaired)
    values = {
        'state': status.state,
        'images_received': received,
        'images_processed': statistics.processed,
        'images_dropped': dropped,
        'images_failed': sum(failed.values()),
        **{f'images_failed_{_to_snake_case(kind)}': count for kind, count in failed.items()},
        'images_repaired': sum(repaired.values()),
        **{f'images_repaired_{_to_snake_case(kind)}': n for kind, n in repaired.items()},
        'image_format': statistics.format,
        'image_levels': statistics.levels,
        'format_changes': statistics.format_changes,
        'stamp_jumps_back': statistics.jumps_back,
        'camera_stalls': statistics.stalls,
        'image_topic': status.topic,
        'image_publishers': status.publishers,
        'faces_processed': statistics.faces,
        'rate_hz': f'{statistics.rate_hz():.2f}',
        'processing_p50_ms': f'{processing[0]:.2f}',
        'processing_p99_ms': f'{processing[1]:.2f}',
        'age_p50_ms': f'{age[0]:.2f}',
        'age_p99_ms': f'{age[1]:.2f}',
        **status.details,
    }
    return DiagnosticStatus(
        level=level,
        name=f'{name}: perception',
        message=message,
        hardware_id='',
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
