"""A camera before which people come and go; the number of each picture is in its frame_id."""

from pathlib import Path
from typing import Any

import cv2
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emotion_perception.detection import make_detector
from emotion_perception.ros.conversions import bgr_to_image
from emotion_perception.ros.node_main import run_node
from stress.soak.scenes import Painter, find_heads
from stress.soak.visits import Programme


class VisitorsCamera(Node):
    """Publishes `image` at a steady rate from when somebody listens."""

    def __init__(self, **options: Any) -> None:
        """Find the heads, and begin."""
        super().__init__('visitors_camera', **options)
        cv2.setNumThreads(1)
        self._programme = Programme(
            seed=self._parameter('seed', 0),
            frames=self._parameter('frames', 1200),
            rate_hz=self._parameter('rate_hz', 30.0),
            round_s=self._parameter('round_s', 40.0),
        )
        media = self._parameter('media', '')
        heads = find_heads(Path(media) if media else None, make_detector())
        self._painter = Painter(self._programme, heads)
        self._index = 0
        self._publisher = self.create_publisher(Image, 'image', qos_profile_sensor_data)
        self.create_timer(1 / self._programme.rate_hz, self._publish)
        self.get_logger().info(f'showing {len(heads)} heads')

    def _parameter(self, name: str, default: Any) -> Any:
        return self.declare_parameter(name, default).value

    def _publish(self) -> None:
        if not self._publisher.get_subscription_count():
            return
        stamp = self.get_clock().now().to_msg()
        header = Header(stamp=stamp, frame_id=str(self._index))
        self._publisher.publish(bgr_to_image(self._painter.picture(self._index), header))
        self._index += 1


if __name__ == '__main__':
    run_node(VisitorsCamera)
