# SPDX-License-Identifier: Apache-2.0
"""Start and stop nodes the same way in every program of this package and every ROS 2 release."""

import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import (
    InvalidNamespaceException,
    InvalidNodeNameException,
    InvalidParameterTypeException,
    InvalidParameterValueException,
)
from rclpy.executors import ExternalShutdownException
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.validate_namespace import validate_namespace
from rclpy.validate_node_name import validate_node_name

_WAKE_EVERY_S = 0.5
"""
A node wakes so often to see whether ROS shuts down. On a signal rclpy wakes it first and shuts ROS
down then: a node that looks in between would wait for its next message, perhaps for ever.
"""

Transition = Callable[[Any, LifecycleState], TransitionCallbackReturn]


class NodeStartError(RuntimeError):
    """ROS cannot start with these arguments or in this environment; the message is one line."""


def checked_namespace(text: str) -> str:
    """
    Return a namespace from the command line with a slash in front and none at the end.

    Raises:
        NodeStartError: if it is none.

    """
    namespace = f'/{text.strip("/")}'
    try:
        validate_namespace(namespace)
    except InvalidNamespaceException:
        raise NodeStartError(
            f'{namespace!r} is not a namespace: use letters, digits and _, and / between the parts'
        ) from None
    return namespace


def checked_node_name(text: str) -> str:
    """
    Return the name of a node from the command line.

    Raises:
        NodeStartError: if it is none.

    """
    try:
        validate_node_name(text)
    except InvalidNodeNameException:
        raise NodeStartError(
            f'{text!r} is not the name of a node: use letters, digits and _'
        ) from None
    return text


class SafeLifecycleNode(LifecycleNode):
    """
    A lifecycle node that reports an impossible transition as an error, as in ROS 2 Kilted.

    In Jazzy the exception leaves `rclpy.spin` and ends the node (ros2/rclpy#1209).

    Attributes:
        transition_error: exception of the latest failed transition; see `log_exceptions`.

    """

    transition_error = ''

    def _LifecycleNodeMixin__change_state(self, transition_id: int) -> TransitionCallbackReturn:
        try:
            return super()._LifecycleNodeMixin__change_state(transition_id)  # type: ignore[misc]
        except rclpy_implementation.RCLError as error:
            self.get_logger().error(f'transition {transition_id} is not possible: {error}')
            return TransitionCallbackReturn.ERROR


def log_exceptions(transition: Transition) -> Transition:
    """Decorate a transition of a `SafeLifecycleNode`: log its exception, which rclpy does not."""

    @wraps(transition)
    def wrapper(node: Any, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception as error:
            node.transition_error = f'{type(error).__name__}: {error}'
            node.get_logger().error(
                f'{transition.__name__} failed: {node.transition_error}\n{traceback.format_exc()}'
            )
            raise

    return wrapper


def _start_error(error: RuntimeError) -> NodeStartError:
    """Return what rcl reports on one line, without the places in its own sources."""
    text = re.sub(r',?\s+at /\S+', '', str(error).removeprefix('failed to initialize rcl: '))
    text = ' '.join(text.split())
    if 'failed to initialize logging' in text:
        text += '; set ROS_LOG_DIR to a writable folder'
    return NodeStartError(text)


def _leave_out_message_generator() -> None:
    """
    Keep ROS's generator of message classes, which only builds need, out of this process.

    It is imported with the first message and parses a grammar then, which takes a fifth of a
    second and up to 14 MB. rosidl_generator_py does without it where its import fails.
    """
    modules: dict[str, Any] = sys.modules
    modules.setdefault('rosidl_generator_py.generate_py_impl', None)


@contextmanager
def ros_context(args: list[str] | None = None, catch_signals: bool = True) -> Iterator[None]:
    """
    Initialize ROS and shut it down at the end. Ctrl-C and an external shutdown end it quietly.

    Args:
        args: command line; None is `sys.argv`.
        catch_signals: shut ROS down on SIGINT and SIGTERM; otherwise the caller handles them.

    Raises:
        NodeStartError: if ROS cannot start with `args` or in this environment.

    """
    if catch_signals and threading.current_thread() is threading.main_thread():
        # rclpy's handlers call these ones too; a parent may have had them ignored
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _leave_out_message_generator()
    # `with rclpy.init()` does the same, but only since Kilted
    signals = SignalHandlerOptions.ALL if catch_signals else SignalHandlerOptions.NO
    try:
        rclpy.init(args=args, signal_handler_options=signals)
    except RuntimeError as error:
        raise _start_error(error) from None
    try:
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        # a callback that publishes while ROS shuts down fails; that is no error
        if rclpy.ok():
            raise
    finally:
        rclpy.try_shutdown()


def run_node(make_node: Callable[[], Node], args: list[str] | None = None, name: str = '') -> None:
    """
    Make a node and spin it until ROS shuts down.

    Args:
        make_node: returns the node.
        args: command line; None is `sys.argv`.
        name: of the program; if it cannot start it exits with 1 and one line, name and reason.

    """
    try:
        with ros_context(args):
            node = make_node()
            try:
                steady = Clock(clock_type=ClockType.STEADY_TIME)
                node.create_timer(_WAKE_EVERY_S, lambda: None, clock=steady)
                rclpy.spin(node)
            finally:
                node.destroy_node()
    except (
        NodeStartError,
        InvalidParameterTypeException,
        InvalidParameterValueException,
    ) as error:
        sys.exit(f'{name}: {" ".join(str(error).split())}')
    except KeyboardInterrupt:
        pass  # before ROS had started
