"""Begin and end with ROS: the same for every program of this package, in every ROS 2 release."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions


@contextmanager
def ros_session(args: list[str] | None = None, catch_signals: bool = True) -> Iterator[None]:
    """
    Initialise ROS, and shut it down at the end. Ctrl-C and an outside shutdown end it quietly.

    Args:
        args: of the command line.
        catch_signals: let ROS shut down on SIGINT and SIGTERM; else that is left to the caller.

    """
    # `with rclpy.init()` says the same, but only since Kilted
    chosen = SignalHandlerOptions.ALL if catch_signals else SignalHandlerOptions.NO
    rclpy.init(args=args, signal_handler_options=chosen)
    try:
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        # a callback that was publishing when ROS shut down fails, and that is no fault
        if rclpy.ok():
            raise
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
