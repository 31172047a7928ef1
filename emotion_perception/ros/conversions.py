# SPDX-License-Identifier: Apache-2.0
"""ROS messages to images and back, faces to emotion_msgs; needs the messages, not rclpy."""

import array
import math
from collections import Counter
from collections.abc import Iterable

import numpy as np
from builtin_interfaces.msg import Duration, Time
from sensor_msgs.msg import CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from emotion_perception.imaging.codecs import decode_compressed
from emotion_perception.imaging.encodings import to_bgr
from emotion_perception.imaging.levels import Levels
from emotion_perception.types import FaceEmotion, head_values

try:
    from emotion_msgs.msg import Emotion, EmotionArray
    from emotion_msgs.msg import PersonEvent as PersonEvent
    from emotion_msgs.srv import ClassifyFaces as ClassifyFaces
except ImportError as error:
    raise ImportError(
        'emotion_msgs is not built or not sourced: in a workspace run '
        '`ln -s emotion_perception/emotion_msgs src/emotion_msgs && colcon build && '
        '. install/setup.bash`, in a clone `make setup` and `source env.sh`'
    ) from error


def image_to_bgr(
    message: Image | CompressedImage,
    levels: Levels | None = None,
    repairs: Counter[str] | None = None,
) -> np.ndarray:
    """
    Return the image in a message as BGR, uint8 [H, W, 3].

    Args:
        message: the image.
        levels: scale of 16-bit images, kept from image to image; None takes that of this image.
        repairs: counts images that could be decoded although a part was missing, by kind.

    Raises:
        ImageError: if it cannot be decoded.

    """
    if isinstance(message, CompressedImage):
        return decode_compressed(message.data, levels or Levels(), repairs)
    return to_bgr(
        message.data,
        message.encoding,
        message.height,
        message.width,
        message.step,
        bool(message.is_bigendian),
        levels or Levels(),
    )


def bgr_to_image(image: np.ndarray, header: Header) -> Image:
    """Return a BGR image, uint8 [H, W, 3], as a message in bgr8."""
    data = array.array('B')
    data.frombytes(np.ascontiguousarray(image).data.cast('B'))
    message = Image(header=header, encoding='bgr8', step=3 * image.shape[1])
    message.height, message.width = image.shape[:2]
    message.data = data
    return message


def seconds(stamp: Time | Duration) -> float:
    """Return a time or duration message in seconds."""
    return stamp.sec + stamp.nanosec * 1e-9


def time_message(nanoseconds: int) -> Time:
    """Return a time in nanoseconds since the epoch as a message."""
    return Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def duration_message(value_s: float) -> Duration:
    """Return seconds, at least 0, as a message."""
    nanoseconds = max(round(value_s * 1e9), 0)
    return Duration(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def age_s(stamp: Time, now_s: float) -> float:
    """Return the age of an image in seconds; NaN where its stamp is zero or lies in the future."""
    age = now_s - seconds(stamp)
    return age if (stamp.sec or stamp.nanosec) and age >= 0 else math.nan


def to_emotion(face: FaceEmotion, header: Header) -> Emotion:
    """Return one face as a message; `header` is that of its image."""
    box = RegionOfInterest(
        x_offset=face.box.x, y_offset=face.box.y, width=face.box.width, height=face.box.height
    )
    return Emotion(
        header=header,
        face_id=face.face_id,
        box=box,
        detection_score=face.detection_score,
        label=face.label,
        confidence=face.confidence,
        probabilities=face.probabilities,
        smoothed_probabilities=face.smoothed_probabilities,
        tracked_for=duration_message(face.tracked_for_s),
        reading_age=duration_message(face.reading_age_s),
        head_pose_age=duration_message(0.0 if face.head_pose is None else face.head_pose_age_s),
        **head_values(face.head_pose),
    )


def to_emotion_array(
    faces: Iterable[FaceEmotion], header: Header, image_shape: tuple[int, ...]
) -> EmotionArray:
    """Return all faces of one image as a message; the caller adds times and counts."""
    return EmotionArray(
        header=header,
        faces=[to_emotion(face, header) for face in faces],
        image_height=image_shape[0],
        image_width=image_shape[1],
        age=math.nan,
    )
