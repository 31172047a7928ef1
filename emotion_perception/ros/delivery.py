# SPDX-License-Identifier: Apache-2.0
"""Last messages before a publisher is destroyed."""

import contextlib

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher

_WAIT_S = 0.2


def wait_for_delivery(node: Node, publisher: Publisher) -> None:
    """Wait until the subscribers have received everything, for `_WAIT_S` at most."""
    if node.context.ok():
        # not every middleware can tell
        with contextlib.suppress(RuntimeError):
            publisher.wait_for_all_acked(Duration(seconds=_WAIT_S))
