"""Begin and end with ROS: the same for every program of this package, in every ROS 2 release."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import rclpy
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from emotion_perception.ros.log_folder import NO_LOG_FILES, why_no_log_files
from emotion_perception.ros.shared_memory import remove_orphans


class StartError(RuntimeError):
    """A program that cannot begin as asked; the message is one line that says why."""


@contextmanager
def ros_context(args: list[str] | None = None, catch_signals: bool = True) -> Iterator[None]:
    """
    Initialize ROS, and shut it down at the end. Ctrl-C and an outside shutdown end it quietly.

    Where ROS cannot keep log files it runs without: that alone would keep it from starting. What killed
    processes left in shared memory is removed: a supervisor that starts a node anew and anew would fill it.

    Args:
        args: of the command line.
        catch_signals: let ROS shut down on SIGINT and SIGTERM; else that is left to the caller.

    Raises:
        StartError: if ROS does not understand `args`.

    """
    # `with rclpy.init()` says the same, but only since Kilted
    chosen = SignalHandlerOptions.ALL if catch_signals else SignalHandlerOptions.NO
    args = sys.argv if args is None else args
    trouble = '' if NO_LOG_FILES[1] in args else why_no_log_files()
    if trouble:
        # where the console is on that full disk as well nothing can be said
        with suppress(OSError):
            print(f'no log files are kept: {trouble}', file=sys.stderr)
        args = [*args, *NO_LOG_FILES]
    remove_orphans()
    try:
        rclpy.init(args=args, signal_handler_options=chosen)
    except RuntimeError as error:
        # all that rcl refuses comes as such; the places in its sources say nothing to a user
        said = re.sub(r',?\s+at /\S+', '', str(error).removeprefix('failed to initialize rcl: '))
        raise StartError(' '.join(said.split())) from None
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


def run_node(make_node: Callable[[], Node], args: list[str] | None = None, name: str = '') -> None:
    """
    Make a node and spin it until it is told to stop.

    Args:
        make_node: makes it.
        args: of the command line.
        name: of the program, for the one line that says why it cannot begin; it ends with 1 then.

    """
    try:
        with ros_context(args):
            node = make_node()
            try:
                rclpy.spin(node)
            finally:
                node.destroy_node()
    except (StartError, InvalidParameterTypeException, InvalidParameterValueException) as error:
        sys.exit(f'{name}: {" ".join(str(error).split())}')
