# SPDX-License-Identifier: Apache-2.0
"""Frames for each face whose position is known, on /tf."""

import math

import numpy as np
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.node import Node
from tf2_msgs.msg import TFMessage

from emotion_perception.head_pose import head_axes
from emotion_perception.ros.conversions import Emotion
from emotion_perception.ros.processed_image import ProcessedImage
from emotion_perception.ros.publishers import ExtraPublisher


def to_quaternion(rotation: np.ndarray) -> Quaternion:
    """Return a rotation, float [3, 3], as a quaternion whose w is 0 or more."""
    # row and column of the largest component decide which of four formulas divides by it
    xx, yy, zz = np.diag(rotation).tolist()
    squares = np.array([1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz, 1 + xx + yy + zz])
    differences, sums = rotation - rotation.T, rotation + rotation.T
    products = np.array(
        [
            [squares[0], sums[0, 1], sums[0, 2], differences[2, 1]],
            [sums[0, 1], squares[1], sums[1, 2], differences[0, 2]],
            [sums[0, 2], sums[1, 2], squares[2], differences[1, 0]],
            [differences[2, 1], differences[0, 2], differences[1, 0], squares[3]],
        ]
    )
    row = products[int(squares.argmax())]
    x, y, z, w = (row / np.linalg.norm(row) * (1 if row[3] >= 0 else -1)).tolist()
    return Quaternion(x=x, y=y, z=z, w=w)


_GAZE_AXES = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
"""Columns: x to the person's right, y down and z forward, in the axes of the face."""


def to_transforms(
    emotion: Emotion, rotate_deg: int, id_prefix: str = ''
) -> list[TransformStamped]:
    """
    Return the frames of a face in the camera's optical frame; none where they are not known.

    The frame ``face_<id>`` has x forward, y to the person's left and z up, ``gaze_<id>`` has z
    forward, x to the person's right and y down, as REP-155 asks. Both follow the head: where the
    eyes look is not known.

    Args:
        emotion: the face.
        rotate_deg: the node's parameter `rotate`, of the image in which the angles hold.
        id_prefix: put before the id in the names.

    """
    place = emotion.position.x, emotion.position.y, emotion.position.z
    angles = emotion.head_yaw, emotion.head_pitch, emotion.head_roll
    if not all(map(math.isfinite, (*place, *angles))):
        return []
    axes = head_axes(np.array(place), *angles, rotate_deg)
    return [
        TransformStamped(
            header=emotion.header,
            child_frame_id=f'{kind}_{id_prefix}{emotion.face_id}',
            transform=Transform(
                translation=Vector3(x=place[0], y=place[1], z=place[2]),
                rotation=to_quaternion(rotation),
            ),
        )
        for kind, rotation in (('face', axes), ('gaze', axes @ _GAZE_AXES))
    ]


class TfPublisher(ExtraPublisher):
    """Publishes one TFMessage for each image that shows a face whose position is known."""

    message_types = (TFMessage,)

    def __init__(self, node: Node, id_prefix: str):
        """Create the publisher."""
        super().__init__(node, id_prefix)
        # as REP-155 asks, where the faces have the ids that it asks for
        self._id_prefix = id_prefix if node.get_parameter('hri_msgs').value else ''
        self._rotate_deg = node.get_parameter('rotate').value
        self._publisher = node.create_publisher(TFMessage, '/tf', 100)

    def publish(self, processed: ProcessedImage) -> None:
        """Publish the frames of the faces of one image."""
        frames = [
            frame
            for emotion in processed.array.faces
            for frame in to_transforms(emotion, self._rotate_deg, self._id_prefix)
        ]
        if frames:
            self._publisher.publish(TFMessage(transforms=frames))
