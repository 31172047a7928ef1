# SPDX-License-Identifier: Apache-2.0
"""
A bond with Nav2's lifecycle manager, which then notices when this node is gone.

The protocol is that of the package bond: two sides publish a heartbeat with the same id on one
topic, each with an instance id of its own. Silence for longer than the timeout, or the other's
farewell, breaks the bond for good. Topic, period and timeout are those of Nav2's own nodes.
"""

import time
import uuid

from bond.msg import Status
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from emotion_perception.ros.delivery import wait_for_delivery

PERIOD_S, TIMEOUT_S = 0.1, 4.0


class Bond:
    """One bond, from its creation until it breaks or is destroyed."""

    message_types = (Status,)

    def __init__(self, node: Node):
        """Publish heartbeats from now on, also before the other side answers."""
        self._node = node
        self._own, self._other = str(uuid.uuid4()), ''
        self._heard_s = 0.0
        self._publisher = node.create_publisher(Status, 'bond', 5)
        self._subscription = node.create_subscription(Status, 'bond', self._receive, 100)
        # a clock that also runs while simulated time stands still
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(PERIOD_S, self._beat, clock=clock)
        self._broken = False

    def destroy(self) -> None:
        """Say farewell, so that the other side does not take this for a crash."""
        if not self._broken and self._node.context.ok():
            self._send(active=False)
            if self._other:
                wait_for_delivery(self._node, self._publisher)
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_publisher(self._publisher)
        # a cycle: the node would stay in memory until the next garbage collection
        del self._timer, self._subscription

    def _beat(self) -> None:
        if self._other and time.monotonic() - self._heard_s > TIMEOUT_S:
            self._break(f'was not heard of for {TIMEOUT_S:g} s')
        elif not self._broken:
            self._send(active=True)

    def _receive(self, message: Status) -> None:
        if self._broken or message.id != self._node.get_name() or message.instance_id == self._own:
            return
        if self._other not in ('', message.instance_id):
            return
        if not self._other:
            self._other = message.instance_id
            self._node.get_logger().info('bond: formed')
        self._heard_s = time.monotonic()
        if not message.active:
            self._break('said farewell')

    def _break(self, reason: str) -> None:
        """Confirm the end of the bond and send no more; the node itself goes on."""
        self._node.get_logger().warning(f'bond: broken, the other side {reason}')
        self._send(active=False)
        self._broken = True
        self._timer.cancel()

    def _send(self, active: bool) -> None:
        message = Status(
            id=self._node.get_name(),
            instance_id=self._own,
            active=active,
            heartbeat_timeout=TIMEOUT_S,
            heartbeat_period=PERIOD_S,
        )
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
