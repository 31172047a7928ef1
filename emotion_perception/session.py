"""Begin and end with ROS: the same for every program of this package, in every ROS 2 release."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node


@contextmanager
def ros_session(args: list[str] | None = None) -> Iterator[None]:
    """Initialise ROS, and shut it down at the end. Ctrl-C and an outside shutdown end it quietly."""
    # `with rclpy.init()` says the same, but only since Kilted
    rclpy.init(args=args)
    try:
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


def run_node(make_node: Callable[[], Node], args: list[str] | None = None) -> None:
    """Make a node and spin it until it is told to stop."""
    with ros_session(args):
        node = make_node()
        try:
            rclpy.spin(node)
        finally:
            node.destroy_node()
