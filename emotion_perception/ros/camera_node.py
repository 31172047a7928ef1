"""A camera for demonstrations and tests: publishes a device, a video or a moving still as images."""

import sys
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emotion_perception.errors import SourceError
from emotion_perception.imaging.sources import PORTRAIT, open_source
from emotion_perception.ros.conversions import bgr_to_image
from emotion_perception.ros.node_main import run_node

_FASTEST_HZ, _LARGEST_PX = 1000, 20_000


class CameraNode(Node):
    """Publishes `image` at a steady rate, stamped when the picture was taken."""

    def __init__(self, **options: Any) -> None:
        """
        Open the source and begin.

        Raises:
            SourceError: if it cannot be opened.

        """
        super().__init__('camera', **options)
        source = str(self.declare_parameter('source', PORTRAIT).value)
        size = self._whole_number('width', 640, 1), self._whole_number('height', 480, 1)
        rate_hz = self._number('rate_hz', 30.0)
        if not 0 < rate_hz <= _FASTEST_HZ:
            raise SourceError(
                f'rate_hz must be above 0 and at most {_FASTEST_HZ}, not {rate_hz:g}'
            )
        self._frame_id = str(self.declare_parameter('frame_id', 'camera').value)
        self._left = self._whole_number('frames', 0, 0, 2**31) or -1
        self.sent = 0
        self._source = open_source(source, size, rate_hz)
        self._publisher = self.create_publisher(Image, 'image', qos_profile_sensor_data)
        self.create_timer(1 / rate_hz, self._publish)
        self.get_logger().info(f'showing {source} at {rate_hz:g} Hz')

    def _whole_number(self, name: str, default: int, low: int, high: int = _LARGEST_PX) -> int:
        value: int = self.declare_parameter(name, default).value
        if not low <= value <= high:
            raise SourceError(f'{name} must lie in {low}..{high}, not {value}')
        return value

    def _number(self, name: str, default: float) -> float:
        """Declare a number that may be given without a decimal point too."""
        given = ParameterDescriptor(dynamic_typing=True)
        value: Any = self.declare_parameter(name, default, given).value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise SourceError(f'{name} must be a number, not {value!r}')
        return float(value)

    def _publish(self) -> None:
        # with a given number of frames wait for a listener, so that each one can be counted
        if not self._left or (self._left > 0 and not self._publisher.get_subscription_count()):
            return
        stamp = self.get_clock().now().to_msg()
        frame = self._source.read()
        if frame is None:
            raise SourceError('the camera or video gives no more pictures')
        self._publisher.publish(bgr_to_image(frame, Header(stamp=stamp, frame_id=self._frame_id)))
        self.sent += 1
        self._left -= 1


def main(args: list[str] | None = None) -> None:
    """Run the camera until it is told to stop or has no more pictures."""
    try:
        run_node(CameraNode, args, 'camera')
    except SourceError as error:
        sys.exit(f'camera: {error}')


if __name__ == '__main__':
    main()
