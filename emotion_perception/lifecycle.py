"""A lifecycle node that no impossible transition can end."""

from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn


class SteadyLifecycleNode(LifecycleNode):
    """
    Answers an impossible transition with an error, as Kilted's LifecycleNode does.

    Jazzy's rclpy lets the error out of `spin`, which ends the node (ros2/rclpy#1209).
    """

    def _LifecycleNodeMixin__change_state(self, transition_id: int) -> TransitionCallbackReturn:
        try:
            return super()._LifecycleNodeMixin__change_state(transition_id)  # type: ignore[misc]
        except rclpy_implementation.RCLError as error:
            self.get_logger().error(f'transition {transition_id} is impossible now: {error}')
            return TransitionCallbackReturn.ERROR
