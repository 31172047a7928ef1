# SPDX-License-Identifier: Apache-2.0
"""A camera for demonstrations and tests: publishes a device, a video or a moving still image."""

import sys
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emotion_perception.errors import SourceError
from emotion_perception.geometry import ROTATIONS, rotate_image
from emotion_perception.imaging.sources import PORTRAIT, open_source
from emotion_perception.ros.conversions import bgr_to_image
from emotion_perception.ros.node_main import run_node

_MAX_RATE_HZ, _MAX_PX = 1000, 20_000


class CameraNode(Node):
    """
    Publishes `image` at a fixed rate, stamped before the frame is read.

    Parameters: `source` (see `imaging.sources.open_source`), `width`, `height`, `rate_hz`,
    `frame_id`, `rotate`, clockwise in degrees, and `frames`, the number of images to send, each
    while there is a subscriber; 0 is no limit.
    """

    def __init__(self, **options: Any) -> None:
        """
        Open the source and start to publish.

        Raises:
            SourceError: if it cannot be opened, or a parameter is out of range.

        """
        super().__init__('camera', **options)
        # the number of a device is an integer on the command line
        descriptor = ParameterDescriptor(dynamic_typing=True)
        source = str(self.declare_parameter('source', PORTRAIT, descriptor).value)
        size = self._integer('width', 640, 1), self._integer('height', 480, 1)
        rate_hz = self._number('rate_hz', 30.0)
        if not 0 < rate_hz <= _MAX_RATE_HZ:
            raise SourceError(
                f'rate_hz must be above 0 and at most {_MAX_RATE_HZ}, not {rate_hz:g}'
            )
        self._frame_id = str(self.declare_parameter('frame_id', 'camera').value)
        self._frames = self._integer('frames', 0, 0, 2**31)
        self._rotate_deg = self._integer('rotate', 0, 0, 270)
        if self._rotate_deg not in ROTATIONS:
            raise SourceError(f'rotate must be 0, 90, 180 or 270, not {self._rotate_deg}')
        self._sent = 0
        self._source = open_source(source, size, rate_hz)
        self._publisher = self.create_publisher(Image, 'image', qos_profile_sensor_data)
        self.create_timer(1 / rate_hz, self._publish)
        self.get_logger().info(f'publishing {source} at {rate_hz:g} Hz')

    def _integer(self, name: str, default: int, low: int, high: int = _MAX_PX) -> int:
        value: int = self.declare_parameter(name, default).value
        if not low <= value <= high:
            raise SourceError(f'{name} must be in {low}..{high}, not {value}')
        return value

    def _number(self, name: str, default: float) -> float:
        """Declare a number that may be given without a decimal point."""
        descriptor = ParameterDescriptor(dynamic_typing=True)
        value: Any = self.declare_parameter(name, default, descriptor).value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise SourceError(f'{name} must be a number, not {value!r}')
        return float(value)

    def _publish(self) -> None:
        if self._frames:
            # wait for a subscriber, so that it can count on receiving each image
            if self._sent >= self._frames or not self._publisher.get_subscription_count():
                return
            self._sent += 1
        stamp = self.get_clock().now().to_msg()
        known = len(self._source.problems)
        frame = self._source.read()
        for problem in self._source.problems[known:]:
            self.get_logger().warning(problem)
        if frame is None:
            raise SourceError('the camera or video gives no more frames')
        header = Header(stamp=stamp, frame_id=self._frame_id)
        self._publisher.publish(bgr_to_image(rotate_image(frame, self._rotate_deg), header))


def main(args: list[str] | None = None) -> None:
    """Run the node until it is stopped or its source ends."""
    try:
        run_node(CameraNode, args, 'camera')
    except SourceError as error:
        sys.exit(f'camera: {error}')


if __name__ == '__main__':
    main()
