# SPDX-License-Identifier: Apache-2.0
"""A node in the test's process that is spun while the test waits."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

Result = TypeVar('Result')


class SpinningNode:
    """
    A node with its own context and executor.

    Attributes:
        node: the rclpy node.

    """

    def __init__(self, domain: int | None = None):
        """Create the node in a ROS domain; None is that of the environment."""
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node(f'peer_{random.randint(0, 10**6)}', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def close(self) -> None:
        """Destroy the node and leave ROS."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def now_s(self) -> float:
        """Return the ROS time in seconds."""
        return self.node.get_clock().now().nanoseconds * 1e-9

    def add_node(self, node: Node) -> None:
        """Spin another node of this process too."""
        self._executor.add_node(node)

    def remove_node(self, node: Node) -> None:
        """Stop spinning a node."""
        self._executor.remove_node(node)

    def spin_until(self, condition: Callable[[], Result], timeout_s: float) -> Result:
        """Spin until `condition` is true or the time is over; return its last result."""
        deadline = time.monotonic() + timeout_s
        while not (result := condition()) and time.monotonic() < deadline:
            self._executor.spin_once(0.02)
        return result

    def until(
        self, condition: Callable[[], Result], timeout_s: float = 10.0, what: str = ''
    ) -> Result:
        """
        Spin until `condition` returns something true, and return that.

        Raises:
            TimeoutError: if it does not within `timeout_s`.

        """
        if not (result := self.spin_until(condition, timeout_s)):
            raise TimeoutError(f'waited {timeout_s:g} s for {what or condition}')
        return result

    def spin(self, seconds: float) -> None:
        """Spin for some time."""
        self.spin_until(lambda: False, seconds)
