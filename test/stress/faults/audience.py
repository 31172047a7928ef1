"""
Subscribers in a process of their own: many, or such that never read.

python -m stress.faults.audience --ros-args -p subscribers:=200 -p participants:=4

Each participant joins the domain on its own, as a process of its own would.
"""

import json
import time
from collections import Counter

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import String

from emotion_msgs.msg import Emotion, EmotionArray
from emotion_perception.ros.node_main import ros_context

QOS = QoSProfile(depth=100)
TELL_EVERY_S = 0.25


class Audience(Node):
    """One participant with its subscribers; says on `audience` how many messages each of them has heard."""

    def __init__(self, number: int, context: rclpy.Context | None = None):
        """Join under this number."""
        super().__init__(f'audience{number}', context=context)
        self.participants = int(self.declare_parameter('participants', 1).value)
        self.reads = bool(self.declare_parameter('reads', True).value)
        subscribers = int(self.declare_parameter('subscribers', 1).value)
        self._heard: Counter[int] = Counter(dict.fromkeys(range(subscribers), 0))
        for index in self._heard:
            self.create_subscription(
                EmotionArray, 'emotion/faces', lambda _, k=index: self._note(k), QOS
            )
        if self.declare_parameter('pictures', False).value:
            self.create_subscription(Image, 'emotion/image', lambda _: None, QOS)
            self.create_subscription(Emotion, 'emotion', lambda _: None, QOS)
        self._told: Publisher[String] = self.create_publisher(String, 'audience', QOS)
        self.create_timer(TELL_EVERY_S, self._tell)

    def _note(self, index: int) -> None:
        self._heard[index] += 1

    def _tell(self) -> None:
        self._told.publish(String(data=json.dumps([self.get_name(), [*self._heard.values()]])))


def main() -> None:
    """Subscribe, and read or not, until told to stop."""
    with ros_context():
        members = [Audience(0)]
        for number in range(1, members[0].participants):
            context = rclpy.Context()
            rclpy.init(context=context)
            members.append(Audience(number, context))
        executors = []
        for member in members:
            executors.append(SingleThreadedExecutor(context=member.context))
            executors[-1].add_node(member)
        members[0].get_logger().info(f'{len(members)} listen')
        try:
            while rclpy.ok():
                for executor in executors if members[0].reads else ():
                    for _ in range(20):
                        executor.spin_once(0)
                time.sleep(0.002)
        finally:
            for member in members:
                member.destroy_node()
                rclpy.try_shutdown(context=member.context)


if __name__ == '__main__':
    main()
