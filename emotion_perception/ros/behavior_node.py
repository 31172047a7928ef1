# SPDX-License-Identifier: Apache-2.0
"""An example behavior: it reacts to expressions, and says nothing while the label is uncertain."""

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from std_msgs.msg import String

from emotion_msgs.msg import Emotion
from emotion_perception.ros.node_main import run_node

RESPONSES = {
    Emotion.LABEL_HAPPINESS: 'Hello! Good to see you.',
    Emotion.LABEL_SADNESS: 'Is there something I can do for you?',
    Emotion.LABEL_ANGER: 'I will give you some room.',
}
"""What to say to each expression; to the others, nothing."""


class BehaviorNode(Node):
    """Subscribes to `emotion` and publishes on `say`, once for each new label of each face."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameter `settle_s`, create publisher and subscription."""
        super().__init__('behavior', **options)
        descriptor = ParameterDescriptor(
            description='A face is ignored for this many seconds after it appeared.',
            floating_point_range=[FloatingPointRange(from_value=0.0, to_value=60.0)],
            dynamic_typing=True,  # a whole number is a number too
        )
        value: Any = self.declare_parameter('settle_s', 0.5, descriptor).value
        if type(value) not in (int, float) or not 0 <= value <= 60:
            raise InvalidParameterValueException('settle_s', value, 'a number in 0..60 is needed')
        self._settle_s = float(value)
        self._last_labels: dict[int, str] = {}
        self._say = self.create_publisher(String, 'say', 10)
        self.create_subscription(Emotion, 'emotion', self._on_emotion, 10)

    def _on_emotion(self, emotion: Emotion) -> None:
        tracked_s = emotion.tracked_for.sec + emotion.tracked_for.nanosec * 1e-9
        if tracked_s < self._settle_s or emotion.label == Emotion.LABEL_UNCERTAIN:
            return
        if self._last_labels.get(emotion.face_id) == emotion.label:
            return
        self._last_labels[emotion.face_id] = emotion.label
        if len(self._last_labels) > 100:
            # face ids count up, and an old one never returns
            self._last_labels.pop(min(self._last_labels))
        response = RESPONSES.get(emotion.label)
        if response:
            self.get_logger().info(f'face {emotion.face_id} shows {emotion.label}: {response}')
            self._say.publish(String(data=response))


def main(args: list[str] | None = None) -> None:
    """Run the node until it is stopped."""
    run_node(BehaviorNode, args, 'behavior')


if __name__ == '__main__':
    main()
