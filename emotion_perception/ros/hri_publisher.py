# SPDX-License-Identifier: Apache-2.0
"""The faces as in REP-155 (ROS4HRI): a list of ids, and topics for each face."""

import math

import numpy as np
from hri_msgs.msg import (
    Expression,
    FacialLandmarks,
    IdsList,
    NormalizedPointOfInterest2D,
    NormalizedRegionOfInterest2D,
)
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emotion_perception.emotions import HRI_WORDS, UNCERTAIN
from emotion_perception.ros.conversions import Emotion, to_face_image
from emotion_perception.ros.processed_image import ProcessedImage
from emotion_perception.ros.publishers import ExtraPublisher
from emotion_perception.types import HeadPose

FACES = '/humans/faces'
"""Namespace of REP-155, independent of the node's own."""


def to_expression(emotion: Emotion) -> Expression:
    """
    Return the expression of one face in the words of hri_msgs.

    hri_msgs has no word for `uncertain`: `expression` is empty then, with confidence 0. Valence
    and arousal are not estimated: NaN, since 0 would mean neutral.
    """
    certain = emotion.label != UNCERTAIN
    return Expression(
        header=emotion.header,
        expression=HRI_WORDS[emotion.label] if certain else '',
        confidence=emotion.confidence if certain else 0.0,
        valence=math.nan,
        arousal=math.nan,
    )


def to_roi(emotion: Emotion, width: int, height: int) -> NormalizedRegionOfInterest2D:
    """
    Return the box of a face as fractions of the image size; c is the detection score.

    Args:
        emotion: the face.
        width: of the image, in pixels.
        height: of the image, in pixels.

    """
    box = emotion.box
    return NormalizedRegionOfInterest2D(
        header=emotion.header,
        xmin=box.x_offset / width,
        ymin=box.y_offset / height,
        xmax=(box.x_offset + box.width) / width,
        ymax=(box.y_offset + box.height) / height,
        c=emotion.detection_score,
    )


def to_landmarks(pose: HeadPose, header: Header, width: int, height: int) -> FacialLandmarks:
    """
    Return the landmarks of a face as fractions of the image size.

    The network gives no confidence of single points: `c` is 1, and 0 for points outside the image,
    which are moved to its border, and for pupils that are not known, which are 0 too.

    Args:
        pose: with landmarks.
        header: of the image.
        width: of the image, in pixels.
        height: of the image, in pixels.

    """
    assert pose.landmarks is not None
    points = np.nan_to_num(pose.landmarks / (width, height), nan=-1.0)
    known = np.all((points >= 0) & (points <= 1), axis=1)
    return FacialLandmarks(
        header=header,
        landmarks=[
            NormalizedPointOfInterest2D(x=x, y=y, c=float(c))
            for (x, y), c in zip(points.clip(0, 1).tolist(), known, strict=True)
        ],
        width=width,
        height=height,
    )


class FaceTopics:
    """The topics of one face, for as long as it is tracked."""

    def __init__(self, node: Node, name: str, images: bool, landmarks: bool):
        """
        Create the publishers.

        Args:
            node: publishes.
            name: of the face; the topics are under `FACES`/`name`.
            images: publish `cropped` and `aligned` too.
            landmarks: publish `landmarks` too.

        """
        self._node = node
        types: dict[str, type] = {'expression': Expression, 'roi': NormalizedRegionOfInterest2D}
        if images:
            types |= {'cropped': Image, 'aligned': Image}
        if landmarks:
            types['landmarks'] = FacialLandmarks
        # created and destroyed while the executor waits, which must not wait for their events
        no_events = PublisherEventCallbacks(use_default_callbacks=False)
        self._publishers: dict[str, Publisher] = {
            topic: node.create_publisher(
                message_type, f'{FACES}/{name}/{topic}', 10, event_callbacks=no_events
            )
            for topic, message_type in types.items()
        }

    def publish(
        self, emotion: Emotion, pose: HeadPose | None, image: np.ndarray, rotate_deg: int
    ) -> None:
        """
        Publish what is known of the face.

        Args:
            emotion: the face.
            pose: of its head in this image; None if it was not read in it.
            image: in which it was found, BGR uint8 [H, W, 3].
            rotate_deg: the node's parameter `rotate`.

        """
        height, width = image.shape[:2]
        self._publishers['roi'].publish(to_roi(emotion, width, height))
        self._publishers['expression'].publish(to_expression(emotion))
        roll_deg = math.degrees(emotion.head_roll) if math.isfinite(emotion.head_roll) else 0.0
        for topic, angle_deg in (('cropped', 0.0), ('aligned', -roll_deg - rotate_deg)):
            publisher = self._publishers.get(topic)
            if publisher is not None and publisher.get_subscription_count():
                publisher.publish(to_face_image(emotion, image, angle_deg))
        if (
            'landmarks' in self._publishers
            and pose is not None
            and pose.landmarks is not None
            and self._publishers['landmarks'].get_subscription_count()
        ):
            message = to_landmarks(pose, emotion.header, width, height)
            self._publishers['landmarks'].publish(message)

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)


class HriPublisher(ExtraPublisher):
    """
    Publishes `tracked`, and `expression` and `roi` of each face.

    On request also `cropped` and `aligned`, and `landmarks` in the images in which they were read.
    """

    message_types = (Expression, FacialLandmarks, IdsList, NormalizedRegionOfInterest2D)

    def __init__(self, node: Node, id_prefix: str):
        """Create the publisher of the ids; those of a face are created with the face."""
        super().__init__(node, id_prefix)
        self._images = node.get_parameter('hri_images').value
        self._landmarks = node.get_parameter('hri_landmarks').value
        self._rotate_deg = node.get_parameter('rotate').value
        self._publisher = node.create_publisher(IdsList, f'{FACES}/tracked', 10)
        self._faces: dict[int, FaceTopics] = {}

    def _name(self, face_id: int) -> str:
        return f'{self._id_prefix}{face_id}'

    def publish(self, processed: ProcessedImage) -> None:
        """Publish the ids of the tracked faces, and the topics of those in the image."""
        array = processed.array
        for face_id in self._faces.keys() - set(processed.tracked_ids):
            self._faces.pop(face_id).destroy()
        for emotion in array.faces:
            if emotion.face_id not in self._faces:
                name = self._name(emotion.face_id)
                self._faces[emotion.face_id] = FaceTopics(
                    self._node, name, self._images, self._landmarks
                )
        self._publish_ids(array.header)
        for emotion, face in zip(array.faces, processed.faces, strict=True):
            pose = face.head_pose if face.head_pose_age_s == 0 else None
            self._faces[emotion.face_id].publish(emotion, pose, processed.image, self._rotate_deg)

    def _publish_ids(self, header: Header) -> None:
        ids = [self._name(face_id) for face_id in sorted(self._faces)]
        self._publisher.publish(IdsList(header=header, ids=ids))

    def _destroy_faces(self) -> None:
        for topics in self._faces.values():
            topics.destroy()
        self._faces = {}

    def end_tracks(self) -> None:
        """Destroy the faces' topics and publish an empty list."""
        self._destroy_faces()
        if self._node.context.ok():
            self._publish_ids(Header(stamp=self._node.get_clock().now().to_msg()))

    def destroy(self) -> None:
        """Destroy all publishers."""
        self._destroy_faces()
        super().destroy()
