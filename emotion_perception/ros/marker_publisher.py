# SPDX-License-Identifier: Apache-2.0
"""Faces whose position is known as markers, for RViz and Foxglove."""

import math

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Vector3
from rclpy.node import Node
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from emotion_perception.head_pose import head_axes
from emotion_perception.ros.conversions import Emotion
from emotion_perception.ros.processed_image import ProcessedImage
from emotion_perception.ros.publishers import ExtraPublisher
from emotion_perception.visualization import COLORS

TOPIC = 'emotion/markers'
_LIFETIME = Duration(nanosec=500_000_000)
"""After which RViz removes a face that is not published again."""
_HEAD_M, _ARROW_M, _TEXT_M = 0.2, 0.35, 0.08
"""Diameter of a head, length of the arrow from it, height of the letters."""


def to_markers(emotion: Emotion, rotate_deg: int, marker_id: int) -> list[Marker]:
    """
    Return a head in the color of the label, the label above it and an arrow where it is directed.

    There is no arrow where the direction is not known, and nothing where the position is not.

    Args:
        emotion: the face.
        rotate_deg: the node's parameter `rotate`, of the image in which the angles hold.
        marker_id: tells the markers of the faces of an image apart.

    """
    place = np.array([emotion.position.x, emotion.position.y, emotion.position.z])
    if not np.isfinite(place).all():
        return []
    blue, green, red = (value / 255 for value in COLORS[emotion.label])
    color = ColorRGBA(r=red, g=green, b=blue, a=0.9)

    def marker(namespace: str, kind: int, **fields) -> Marker:
        return Marker(
            header=emotion.header,
            ns=namespace,
            id=marker_id,
            type=kind,
            color=color,
            lifetime=_LIFETIME,
            **fields,
        )

    side = Vector3(x=_HEAD_M, y=_HEAD_M, z=_HEAD_M)
    text = f'{emotion.label} {min(emotion.confidence, 0.99):.0%}\n{emotion.distance:.1f} m'
    markers = [
        marker('head', Marker.SPHERE, pose=Pose(position=_point(place)), scale=side),
        marker(
            'label',
            Marker.TEXT_VIEW_FACING,
            # the optical frame's y points down
            pose=Pose(position=_point(place - (0, _HEAD_M, 0))),
            scale=Vector3(z=_TEXT_M),
            text=text,
        ),
    ]
    angles = emotion.head_yaw, emotion.head_pitch, emotion.head_roll
    if all(map(math.isfinite, angles)):
        forward = head_axes(place, *angles, rotate_deg)[:, 0]
        markers.append(
            marker(
                'direction',
                Marker.ARROW,
                points=[_point(place), _point(place + _ARROW_M * forward)],
                # diameters of shaft and tip, length of the tip
                scale=Vector3(x=0.03, y=0.06, z=0.08),
            )
        )
    return markers


def _point(place: np.ndarray) -> Point:
    x, y, z = place.tolist()
    return Point(x=x, y=y, z=z)


class MarkerPublisher(ExtraPublisher):
    """Publishes one MarkerArray for each image that shows a face whose position is known."""

    message_types = (MarkerArray,)

    def __init__(self, node: Node, id_prefix: str):
        """Create the publisher."""
        super().__init__(node, id_prefix)
        self._rotate_deg = node.get_parameter('rotate').value
        self._publisher = node.create_publisher(MarkerArray, TOPIC, 10)

    def publish(self, processed: ProcessedImage) -> None:
        """Publish the markers of the faces of one image."""
        markers = [
            marker
            for number, emotion in enumerate(processed.array.faces, 1)
            # without tracking all faces have the id 0
            for marker in to_markers(emotion, self._rotate_deg, emotion.face_id or number)
        ]
        if markers:
            self._publisher.publish(MarkerArray(markers=markers))
