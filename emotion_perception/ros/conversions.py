# SPDX-License-Identifier: Apache-2.0
"""ROS messages to images and back, faces to emotion_msgs; needs the messages, not rclpy."""

import array
import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from emotion_perception.camera import Camera
from emotion_perception.geometry import crop_square
from emotion_perception.imaging.codecs import decode_compressed
from emotion_perception.imaging.encodings import to_bgr
from emotion_perception.imaging.levels import Levels
from emotion_perception.types import Box, FaceEmotion, HeadPose, Position, head_values

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

UNKNOWN_POSITION = Position(math.nan, math.nan, math.nan, source='')

FACE_IMAGE_PX = 128
"""Side of the image of a face: the default of REP-155's parameters width and height."""

DISTORTION_MODELS = ('plumb_bob', 'rational_polynomial', 'equidistant')
"""Values of `sensor_msgs/CameraInfo.distortion_model` (sensor_msgs/distortion_models.hpp)."""

_SHORTEST_FOCAL, _LONGEST_FOCAL = 0.03, 60.0
"""
Focal lengths of real lenses in widths of the image: angles of view of 173 and 1 degrees, of a
fisheye lens more.
"""


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


def to_face_image(emotion: Emotion, image: np.ndarray, angle_deg: float = 0.0) -> Image:
    """
    Return the square around a face, `FACE_IMAGE_PX` wide; black outside the image.

    Args:
        emotion: the face.
        image: in which it was found, BGR uint8 [H, W, 3].
        angle_deg: clockwise rotation of the face, which stands upright in the result.

    """
    box = emotion.box
    center = box.x_offset + box.width / 2, box.y_offset + box.height / 2
    crop = crop_square(image, center, max(box.width, box.height, 1), FACE_IMAGE_PX, angle_deg)
    return bgr_to_image(crop.pixels, emotion.header)


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
    position = face.position or UNKNOWN_POSITION
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
        position=Point(x=position.x, y=position.y, z=position.z),
        distance=face.distance,
        distance_source=position.source,
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


def to_camera(message: CameraInfo, rectified: bool = False) -> Camera:
    """
    Return the camera that a message describes.

    Args:
        message: the calibration, of the full image or of a region of it, with or without binning.
        rectified: whether the images are rectified, so that `p` holds for them, not `k` and `d`.

    Raises:
        ValueError: if it is not calibrated, or has a distortion model that is not known.

    """
    k, model = message.k, message.distortion_model
    if rectified:
        k = (*message.p[0:3], *message.p[4:7], *message.p[8:11])
    distortion = [] if rectified else [float(value) for value in message.d]
    name = 'p' if rectified else 'k'
    if not all(map(math.isfinite, [*map(float, k), *distortion])):
        raise ValueError(f'camera_info has a number in {name} or d that is not finite')
    if k[0] == 0 or k[4] == 0:
        raise ValueError(f'camera_info has no calibration ({name} is zero)')
    if any(distortion) and model not in DISTORTION_MODELS:
        raise ValueError(
            f'camera_info has the distortion model {model[:40]!r}; known are '
            + ', '.join(DISTORTION_MODELS)
        )
    fisheye = model == 'equidistant'
    if any(distortion) and len(distortion) not in ((4,) if fisheye else (4, 5, 8, 12, 14)):
        raise ValueError(f'camera_info has {len(distortion)} distortion coefficients')
    roi = message.roi
    whole = not roi.width or not roi.height
    size = (message.width, message.height) if whole else (roi.width, roi.height)
    if not all(size):
        raise ValueError('camera_info has no image size')
    _check_calibration(k, (message.width or size[0], message.height or size[1]))
    left, top = (0, 0) if whole else (roi.x_offset, roi.y_offset)
    # the calibration counts from the center of the first pixel
    return Camera(
        size,
        focal_px=(float(k[0]), float(k[4])),
        center_px=(float(k[2]) + 0.5 - left, float(k[5]) + 0.5 - top),
        distortion=tuple(distortion) if any(distortion) else (),
        fisheye=fisheye,
    )


def _check_calibration(k: Sequence[float], size: tuple[int, int]) -> None:
    """Raise ValueError if no lens has this focal length or principal point, as in a template."""
    for focal, center, side, axis in zip(k[0:5:4], k[2:6:3], size, 'xy', strict=True):
        if not _SHORTEST_FOCAL * side <= focal <= _LONGEST_FOCAL * side:
            raise ValueError(
                f'camera_info has a focal length f{axis} of {focal:g} px for {side} px: '
                'calibrate the camera'
            )
        if not -side <= center <= 2 * side:
            raise ValueError(
                f'camera_info has its center c{axis} at {center:g} px of {side} px: '
                'calibrate the camera'
            )


def camera_info_topic(image_topic: str) -> str:
    """Return the topic of the calibration beside an image topic, as image_transport does."""
    base = image_topic.removesuffix('/compressed')
    return f'{base.rpartition("/")[0]}/camera_info'


def from_emotion(message: Emotion) -> FaceEmotion:
    """Return the face of a message, for what draws or blurs faces."""
    box, place = message.box, message.position
    pose = position = None
    if math.isfinite(place.z):
        position = Position(place.x, place.y, place.z, message.distance_source)
    if math.isfinite(message.head_yaw):
        pose = HeadPose(
            yaw=message.head_yaw,
            pitch=message.head_pitch,
            roll=message.head_roll,
            eyes_open=message.eyes_open,
            mouth_open=message.mouth_open,
        )
    return FaceEmotion(
        face_id=message.face_id,
        box=Box(box.x_offset, box.y_offset, box.width, box.height),
        detection_score=message.detection_score,
        probabilities=np.asarray(message.probabilities, np.float32),
        smoothed_probabilities=np.asarray(message.smoothed_probabilities, np.float32),
        label=message.label,
        confidence=message.confidence,
        tracked_for_s=seconds(message.tracked_for),
        reading_age_s=seconds(message.reading_age),
        head_pose=pose,
        head_pose_age_s=seconds(message.head_pose_age) if pose else math.nan,
        position=position,
    )
