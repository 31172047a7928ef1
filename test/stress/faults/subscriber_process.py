# SPDX-License-Identifier: Apache-2.0
"""
Subscribers in a process of their own: many, or some that never read.

python -m stress.faults.subscriber_process --ros-args -p subscribers:=200
"""

import time

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import UInt32MultiArray

from emotion_msgs.msg import EmotionArray
from emotion_perception.ros.node_main import ros_context

QOS = QoSProfile(depth=100)


class Subscribers(Node):
    """Publishes on `received` how many messages each of its subscribers has received."""

    def __init__(self) -> None:
        """Subscribe `subscribers` times to faces and, with `images`, to the annotated image."""
        super().__init__('subscribers')
        self.reads = bool(self.declare_parameter('reads', True).value)
        self._received = [0] * int(self.declare_parameter('subscribers', 1).value)
        for index in range(len(self._received)):
            self.create_subscription(
                EmotionArray, 'emotion/faces', lambda _, k=index: self._count(k), QOS
            )
        if self.declare_parameter('images', False).value:
            self.create_subscription(Image, 'emotion/image', lambda _: None, QOS)
        self._publisher = self.create_publisher(UInt32MultiArray, 'received', QOS)
        self.create_timer(0.25, self._publish)
        self.get_logger().info('subscribed')

    def _count(self, index: int) -> None:
        self._received[index] += 1

    def _publish(self) -> None:
        self._publisher.publish(UInt32MultiArray(data=self._received))


def main() -> None:
    """Subscribe, and read or not, until SIGINT."""
    with ros_context():
        node = Subscribers()
        try:
            while rclpy.ok():
                if node.reads:
                    rclpy.spin_once(node, timeout_sec=0.1)
                else:
                    time.sleep(0.1)
        finally:
            node.destroy_node()


if __name__ == '__main__':
    main()
