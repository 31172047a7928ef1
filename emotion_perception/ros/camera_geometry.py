# SPDX-License-Identifier: Apache-2.0
"""What says where faces are: the camera's calibration, and depth images registered to its own."""

import math
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image

from emotion_perception.camera import Camera, is_same_view
from emotion_perception.errors import ImageError
from emotion_perception.imaging.depth import to_depth
from emotion_perception.ros.conversions import camera_info_topic, seconds, to_camera

_KEPT_DEPTHS = 4
_MAX_STAMP_DIFFERENCE_S = 0.05
"""Between an image and a depth image of the same moment; one and a half periods at 30 Hz."""


class CameraGeometry:
    """
    Subscribes to `camera_info` beside the images, and to a depth image where one is given.

    A `camera_info` that is remapped itself is read there. May be asked from another thread.
    """

    def __init__(
        self,
        node: Node,
        depth_topic: str = '',
        rectified: bool = False,
        field_of_view_deg: float = 0.0,
    ):
        """
        Subscribe.

        Args:
            node: subscribes.
            depth_topic: of a depth image that is registered to the image; empty for none.
            rectified: whether the images are rectified.
            field_of_view_deg: along the longer side of the image; used while there is no
                calibration, 0 if it is not known.

        Raises:
            ValueError: if a topic's name is not valid.

        """
        self._node, self._rectified = node, rectified
        self._field_of_view_rad = math.radians(field_of_view_deg)
        self._lock = threading.Lock()
        self._calibration: tuple = ()
        self._camera: Camera | None = None
        self._problem = ''
        self._depth_problem = ''
        self._depths: deque[Image] = deque(maxlen=_KEPT_DEPTHS)
        self.topic = _camera_info_topic(node)
        self._subscriptions: list[Subscription] = []
        self._subscribe(CameraInfo, self.topic, self._on_info)
        if depth_topic:
            self._subscribe(Image, depth_topic, self._on_depth)

    def _subscribe(self, kind: Any, topic: str, callback: Callable) -> None:
        try:
            self._subscriptions.append(
                self._node.create_subscription(kind, topic, callback, qos_profile_sensor_data)
            )
        except (InvalidTopicNameException, RuntimeError) as error:
            self.destroy()
            reason = ' '.join(str(error).split())
            raise ValueError(f'{topic} cannot be subscribed to: {reason}') from None

    def destroy(self) -> None:
        """Stop reading."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _on_info(self, message: CameraInfo) -> None:
        roi = message.roi
        calibration = (
            (message.width, message.height, message.distortion_model),
            (roi.x_offset, roi.y_offset, roi.width, roi.height),
            *(tuple(values) for values in (message.k, message.d, message.p)),
        )
        with self._lock:
            if calibration == self._calibration:
                return
            self._calibration = calibration
            try:
                self._camera, problem = to_camera(message, self._rectified), ''
            except ValueError as error:
                self._camera, problem = None, str(error)
        self._report(problem)

    def _on_depth(self, message: Image) -> None:
        with self._lock:
            self._depths.append(message)

    def _report(self, problem: str) -> None:
        """Log a problem once, until there is none or another."""
        if problem and problem != self._problem:
            self._node.get_logger().warning(f'the calibration is not used: {problem}')
        self._problem = problem

    def camera(self, shape: tuple[int, ...]) -> Camera | None:
        """Return the camera of images of a shape, height first; None if it is not known."""
        size = shape[1], shape[0]
        with self._lock:
            camera = self._camera
        if camera is not None:
            try:
                camera = camera.resized(size)
            except ValueError as error:
                self._report(str(error))
            else:
                self._report('')
                return camera
        if not self._field_of_view_rad:
            return None
        return Camera.from_field_of_view(size, self._field_of_view_rad)

    def depth(self, stamp: Time, shape: tuple[int, ...]) -> np.ndarray | None:
        """
        Return the depth image of the moment of an image, or None if there is none that fits.

        Args:
            stamp: of the image.
            shape: of the image, height first.

        """
        with self._lock:
            kept = list(self._depths)
        wanted_s = seconds(stamp)
        nearest = min(kept, key=lambda m: abs(seconds(m.header.stamp) - wanted_s), default=None)
        if nearest is None:
            return None
        if abs(seconds(nearest.header.stamp) - wanted_s) > _MAX_STAMP_DIFFERENCE_S:
            return None
        try:
            depth = to_depth(
                nearest.data,
                nearest.encoding,
                nearest.height,
                nearest.width,
                nearest.step,
                bool(nearest.is_bigendian),
            )
            if not is_same_view(depth.shape[::-1], (shape[1], shape[0])):
                raise ImageError(
                    'depth size',
                    f'it has {depth.shape[1]}x{depth.shape[0]} pixels and the image '
                    f'{shape[1]}x{shape[0]}; it must be registered to the image',
                )
        except ImageError as error:
            if str(error) != self._depth_problem:
                self._node.get_logger().warning(f'the depth image is not used: {error}')
            self._depth_problem = str(error)
            return None
        self._depth_problem = ''
        return depth

    def status(self) -> dict[str, str]:
        """Return what diagnostics say of it."""
        with self._lock:
            known = 'calibration' if self._camera and not self._problem else ''
            if not known and self._field_of_view_rad:
                known = 'field of view'
            text = self._problem or ('' if known else f'no message on {self.topic}')
        return {'camera_geometry': known or 'unknown', 'camera_geometry_problem': text}


def _camera_info_topic(node: Node) -> str:
    """Return where `camera_info` is remapped to, or else the topic beside the images."""
    own = node.resolve_topic_name('camera_info')
    if own != node.resolve_topic_name('camera_info', only_expand=True):
        return own
    try:
        return camera_info_topic(node.resolve_topic_name('image'))
    except RuntimeError as error:
        # a name that is valid in ROS may be too long for DDS
        raise ValueError(f'image cannot be subscribed to: {error}') from None
