# SPDX-License-Identifier: Apache-2.0
"""Data that passes from one step of the pipeline to the next."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Detection:
    """
    A face found in one image.

    Attributes:
        box: x, y, width, height in pixels; may reach outside the image.
        score: of the detector, 0..1.
        landmarks: float32 [3, 2] pixels: the eye at the image's left, the eye at its right (for an
            upright face), the center of the mouth; None if the detector finds no landmarks.

    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray | None = None


class Box(NamedTuple):
    """A box in whole pixels, clipped to the image."""

    x: int
    y: int
    width: int
    height: int

    @property
    def area(self) -> int:
        """Width times height in pixels."""
        return self.width * self.height


LOOKING_RAD = math.radians(10), math.radians(30)
"""A head turned by the first angle looks at the camera, one turned by the second does not."""

MAX_TURN_RAD, MAX_PITCH_RAD = math.radians(32), math.radians(27)
"""
Expressions of heads turned further than this from the camera, or up or down, are not trusted. On
faces turned by known angles the classifier is as good as on frontal ones to 30 degrees to the side
and 15 down, and often sure and wrong at 45, which is read as about 38 and 32: `make bench` part
`head_pose`.
"""


@dataclass(frozen=True)
class HeadPose:
    """
    Direction of a head, and what its eyes and mouth do, in one image.

    The angles are yaw, pitch and roll as in REP 103, of a head with x forward, y to the person's
    left and z up, relative to the line from the head to the camera: all are 0 if the head faces
    the camera, upright in the image, wherever in the image it is.

    Attributes:
        yaw: positive if the head is turned to the person's left, the right of the image; radians.
        pitch: positive if it looks down; radians.
        roll: positive if it is tilted to the person's right shoulder, counterclockwise in the
            image; radians.
        eyes_open: 0 closed to 1 open; NaN if the eyes are too small to tell.
        mouth_open: 0 closed to 1 wide open.
        depth: distance along the optical axis, in distances of the outer eye corners; right only
            if the camera is known.
        landmarks: float32 [70, 2], pixels of the image: the 68 points of dlib's shape predictor
            and the pupils, in the order of hri_msgs/FacialLandmarks; NaN for the pupils of eyes
            that are too small. None where they were not asked for.

    """

    yaw: float
    pitch: float
    roll: float
    eyes_open: float
    mouth_open: float
    depth: float = math.nan
    landmarks: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def turn(self) -> float:
        """Angle between the direction of the head and the direction to the camera, 0..pi."""
        return math.acos(math.cos(self.yaw) * math.cos(self.pitch))

    @property
    def turn_ratio(self) -> float:
        """How far the head is turned, as a share of what expressions are trusted for."""
        return max(self.turn / MAX_TURN_RAD, abs(self.pitch) / MAX_PITCH_RAD)

    @property
    def looking_at_camera(self) -> float:
        """How much the head is directed at the camera, 0..1; where the eyes look is not known."""
        near, far = LOOKING_RAD
        return min(max((far - self.turn) / (far - near), 0.0), 1.0)


def head_values(pose: HeadPose | None) -> dict[str, float]:
    """Return a pose by the names of the fields of an Emotion message; NaN where it is unknown."""
    unknown = math.nan
    return {
        'head_yaw': pose.yaw if pose else unknown,
        'head_pitch': pose.pitch if pose else unknown,
        'head_roll': pose.roll if pose else unknown,
        'eyes_open': pose.eyes_open if pose else unknown,
        'mouth_open': pose.mouth_open if pose else unknown,
        'looking_at_camera': pose.looking_at_camera if pose else unknown,
    }


FROM_FACE_SIZE, FROM_DEPTH = 'face_size', 'depth'


@dataclass(frozen=True)
class Position:
    """
    Where a face is, in the camera's optical frame.

    Attributes:
        x: to the right of the image as it came, in meters.
        y: down.
        z: away from the camera.
        source: `FROM_FACE_SIZE`, which takes each face to be as large as that of a mean adult, or
            `FROM_DEPTH`, from a depth image.

    """

    x: float
    y: float
    z: float
    source: str

    @property
    def distance(self) -> float:
        """From the camera, in meters."""
        return math.hypot(self.x, self.y, self.z)


@dataclass(frozen=True)
class FaceEmotion:
    """
    The expression that one face shows in one image.

    Attributes:
        face_id: from 1, the same while the face is tracked; 0 without tracking.
        box: of the face.
        detection_score: of the detector, 0..1.
        probabilities: float32 [7] in the order of EMOTIONS, of one image alone; sum 1.
        smoothed_probabilities: the same, filtered over the track.
        label: the smoothed expression with hysteresis, or ``'uncertain'``.
        confidence: smoothed probability of the label, or of the most probable expression while
            uncertain; 0..1.
        tracked_for_s: seconds since the face was first seen.
        reading_age_s: seconds since the image that `probabilities` are of; 0 if it is this one.
        head_pose: in the image of `head_pose_age_s` ago; None if it was not read yet.
        head_pose_age_s: seconds since that image; 0 if it is this one, NaN without a pose.
        position: None where it is not known.

    """

    face_id: int
    box: Box
    detection_score: float
    probabilities: np.ndarray
    smoothed_probabilities: np.ndarray
    label: str
    confidence: float
    tracked_for_s: float
    reading_age_s: float = 0.0
    head_pose: HeadPose | None = None
    head_pose_age_s: float = math.nan
    position: Position | None = None

    @property
    def looking_at_camera(self) -> float:
        """How much the head is directed at the camera, 0..1; NaN without a pose."""
        return math.nan if self.head_pose is None else self.head_pose.looking_at_camera

    @property
    def distance(self) -> float:
        """Distance from the camera in meters; NaN where the position is not known."""
        return math.nan if self.position is None else self.position.distance
