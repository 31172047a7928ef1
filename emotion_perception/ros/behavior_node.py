"""An example behavior: greets, consoles or backs off, and stays silent when the robot is not sure."""

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.node import Node
from std_msgs.msg import String

from emotion_msgs.msg import Emotion
from emotion_perception.ros.node_main import run_node

RESPONSES = {
    Emotion.LABEL_HAPPINESS: 'Hello! Good to see you.',
    Emotion.LABEL_SADNESS: 'Is there something I can do for you?',
    Emotion.LABEL_ANGER: 'I will give you some room.',
}
"""What to say to each expression; to the others, and to `uncertain`, nothing."""


class BehaviorNode(Node):
    """Subscribes to `emotion`, publishes what to say on `say`; once for each change of each face."""

    def __init__(self, **options: Any) -> None:
        """Begin to listen."""
        super().__init__('behavior', **options)
        bounds = ParameterDescriptor(
            floating_point_range=[FloatingPointRange(from_value=0.0, to_value=60.0)]
        )
        self._settle_s = float(self.declare_parameter('settle_s', 0.5, bounds).value)
        self._said: dict[int, str] = {}
        self._say = self.create_publisher(String, 'say', 10)
        self.create_subscription(Emotion, 'emotion', self._react, 10)

    def _react(self, emotion: Emotion) -> None:
        # a face that has only just appeared may be passing by; an uncertain one says nothing to go by
        seen_s = emotion.tracked_for.sec + emotion.tracked_for.nanosec * 1e-9
        if seen_s < self._settle_s or emotion.label == Emotion.LABEL_UNCERTAIN:
            return
        if self._said.get(emotion.face_id) == emotion.label:
            return
        self._said[emotion.face_id] = emotion.label
        if len(self._said) > 100:
            self._said.pop(min(self._said))
        response = RESPONSES.get(emotion.label)
        if response:
            self.get_logger().info(f'face {emotion.face_id} shows {emotion.label}: {response}')
            self._say.publish(String(data=response))


def main(args: list[str] | None = None) -> None:
    """Run the behavior until it is told to stop."""
    run_node(BehaviorNode, args, 'behavior')


if __name__ == '__main__':
    main()
