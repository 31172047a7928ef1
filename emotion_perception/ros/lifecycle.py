"""A lifecycle node that no impossible transition can end, and that says why one failed."""

import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

Transition = Callable[[Any, LifecycleState], TransitionCallbackReturn]


class SafeLifecycleNode(LifecycleNode):
    """
    Answers an impossible transition with an error, as Kilted's LifecycleNode does.

    Jazzy's rclpy lets the error out of `spin`, which ends the node (ros2/rclpy#1209).
    """

    failure = ''
    """What the latest transition that broke said; see `told`."""

    def _LifecycleNodeMixin__change_state(self, transition_id: int) -> TransitionCallbackReturn:
        try:
            return super()._LifecycleNodeMixin__change_state(transition_id)  # type: ignore[misc]
        except rclpy_implementation.RCLError as error:
            self.get_logger().error(f'transition {transition_id} is impossible now: {error}')
            return TransitionCallbackReturn.ERROR


def told(transition: Transition) -> Transition:
    """Log what breaks a transition of a `SafeLifecycleNode`; rclpy would go to `on_error` without a word."""

    @wraps(transition)
    def telling(node: Any, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception as error:
            node.failure = f'{type(error).__name__}: {error}'
            node.get_logger().error(
                f'{transition.__name__} failed: {node.failure}\n{traceback.format_exc()}'
            )
            raise

    return telling
