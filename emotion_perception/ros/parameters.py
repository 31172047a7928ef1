# SPDX-License-Identifier: Apache-2.0
"""The node's parameters as data: name, default, bounds, description, and when it may change."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from emotion_perception.detection import DETECTORS, MIN_FACE_PX, SEARCH_WIDTH_PX
from emotion_perception.detection.keyframes import DETECT_EVERY
from emotion_perception.geometry import ROTATIONS
from emotion_perception.ros.image_subscription import TRANSPORTS
from emotion_perception.ros.publishers import ANNOTATED_IMAGE_RATE_HZ
from emotion_perception.runtime.metadata import HEADS
from emotion_perception.tracking import TrackingSettings

ANNOTATED_IMAGES = ('full', 'blurred', 'none')
"""Not `off`, which YAML, and so every ROS parameter file, reads as false."""
_DEFAULTS = TrackingSettings()


@dataclass(frozen=True)
class ParameterSpec:
    """
    One parameter.

    Attributes:
        name: its name.
        default: value where none is given; also determines the type.
        description: text for `ros2 param describe` and the documentation.
        bounds: lowest and highest value of a number.
        choices: the accepted values.
        live: a change takes effect at once. Otherwise it takes effect on configure, and is refused
            while the node is configured.

    """

    name: str
    default: Any
    description: str
    bounds: tuple[float, float] | None = None
    choices: tuple[str | int, ...] = ()
    live: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """Return the ROS descriptor."""
        text = self.description
        if self.choices:
            text += f' One of {self._choices_text()}.'
        descriptor = ParameterDescriptor(name=self.name, description=text)
        if not self.live:
            descriptor.additional_constraints = 'Takes effect on configure.'
        if self.bounds and isinstance(self.default, float):
            # accept whole numbers too, which YAML and the command line read as integers
            descriptor.dynamic_typing = True
            low, high = self.bounds
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        elif self.bounds:
            low, high = map(int, self.bounds)
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        return descriptor

    def _choices_text(self) -> str:
        return ', '.join(map(str, self.choices))

    def refusal(self, value: Any) -> str:
        """
        Return why `value` is refused, empty if it is not.

        ROS itself checks type and range, but for the real numbers, which may be given as integers.
        """
        if self.choices and value not in self.choices:
            return f'{self.name} must be one of {self._choices_text()}, not {value!r}'
        if not isinstance(self.default, float):
            return ''
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f'{self.name} has the wrong type: it must be a number, not {value!r:.60}'
        low, high = self.bounds or (-math.inf, math.inf)
        if not low <= value <= high:
            return f'{self.name} is out of range: it must be in {low:g}..{high:g}, not {value}'
        return ''


PARAMETERS = (
    ParameterSpec('autostart', False, 'Configure and activate the node on start.'),
    ParameterSpec(
        'annotated_image',
        ANNOTATED_IMAGES[0],
        'Content of emotion/image: the whole image, the image with blurred faces, or none '
        '(the topic does not exist).',
        choices=ANNOTATED_IMAGES,
    ),
    ParameterSpec(
        'annotated_image_rate',
        ANNOTATED_IMAGE_RATE_HZ,
        'At most so many images a second on emotion/image; each takes time to draw and to send.',
        bounds=(2.0, 120.0),
        live=True,
    ),
    ParameterSpec(
        'vision_msgs',
        False,
        'Also publish the faces as vision_msgs/Detection2DArray on emotion/detections; '
        'needs the package vision_msgs.',
    ),
    ParameterSpec(
        'hri_msgs',
        False,
        'Also publish the faces as in REP-155, on /humans/faces/...; '
        'needs tracking and the package hri_msgs.',
    ),
    ParameterSpec(
        'hri_images',
        False,
        'With hri_msgs, also publish the image of each face, as cropped and as aligned.',
    ),
    ParameterSpec(
        'hri_landmarks',
        False,
        'With hri_msgs, also publish the 70 landmarks of each face, three times a second; '
        'needs head_pose.',
    ),
    ParameterSpec(
        'tf2_msgs',
        False,
        'Also publish the frames face_<id> and gaze_<id> on /tf for each face whose position and '
        'direction are known, with the ids of hri_msgs if that is true, else the face_id; '
        'needs tracking, head_pose and the package tf2_msgs.',
    ),
    ParameterSpec(
        'visualization_msgs',
        False,
        'Also publish each face whose position is known as markers on emotion/markers, for RViz; '
        'needs the package visualization_msgs.',
    ),
    ParameterSpec(
        'bond',
        False,
        "Keep a bond with Nav2's lifecycle manager while active, so that it notices when the "
        'node is gone; needs the package bond.',
    ),
    ParameterSpec(
        'image_transport',
        TRANSPORTS[0],
        'Images to read: raw from image, compressed from the same name with /compressed appended, '
        'auto from the first of the two that is published.',
        choices=TRANSPORTS,
    ),
    ParameterSpec('detector', DETECTORS[0], 'Face detector.', choices=DETECTORS),
    ParameterSpec('detector_model', '', "Path of the detector's model file; yunet needs it."),
    ParameterSpec(
        'search_width',
        SEARCH_WIDTH_PX,
        'Longer side in pixels to which the detector yunet shrinks an image: larger finds smaller '
        'faces and takes more time.',
        bounds=(64, 4000),
    ),
    ParameterSpec(
        'rotate',
        0,
        'Clockwise rotation of the images before detection, in degrees, for a camera that hangs '
        'on its side or upside down; boxes are in the image as it came.',
        choices=tuple(ROTATIONS),
    ),
    ParameterSpec(
        'model', '', "Path of the classifier's model file; empty is the one in this package."
    ),
    ParameterSpec(
        'head',
        HEADS[0],
        'Output of the classifier: crowd is the expression most people see, '
        "fer2013 that dataset's own label (for comparison).",
        choices=HEADS,
    ),
    ParameterSpec('threads', 1, 'Threads of each network in LiteRT.', bounds=(1, 16)),
    ParameterSpec(
        'opencv_threads',
        1,
        'Threads of OpenCV: color conversion, resizing, the detectors yunet and haar, and without '
        'LiteRT all networks.',
        bounds=(1, 16),
    ),
    ParameterSpec('tracking', True, 'Track faces: stable ids and smoothed labels.'),
    ParameterSpec(
        'head_pose',
        True,
        'Read three times a second where the head of each tracked face is directed, and its eyes '
        'and mouth. Labels of faces that are turned too far are then uncertain.',
    ),
    ParameterSpec(
        'depth_topic',
        '',
        'Topic of a depth image that is registered to the image, 16UC1 or 32FC1, from which '
        'positions are taken; without it they are estimated from the size of the face. Both need '
        'the calibration on camera_info.',
    ),
    ParameterSpec(
        'rectified',
        False,
        'Whether the images are rectified, so that the calibration has no distortion for them.',
    ),
    ParameterSpec(
        'field_of_view_deg',
        0.0,
        'Angle of view along the longer side of the image in degrees, for positions from a camera '
        'without camera_info; 0 if it is not known.',
        bounds=(0.0, 170.0),
    ),
    ParameterSpec(
        'detect_every',
        DETECT_EVERY,
        'While faces are tracked, search for further ones in every n-th frame only and detect the '
        'tracked faces in their regions; with 1 each face is also read in each frame; needs '
        'tracking.',
        bounds=(1, 30),
        live=True,
    ),
    ParameterSpec(
        'time_budget',
        0.6,
        'Part of the time between two images that the node may take for one. If it is too short '
        'for all faces they are read in turn (reading_age). Above 1 the node may fall behind the '
        'camera and drop images; needs tracking.',
        bounds=(0.0, 100.0),
        live=True,
    ),
    ParameterSpec(
        'min_detection_score',
        0.5,
        'Ignore faces below this detection score.',
        bounds=(0.05, 0.99),
        live=True,
    ),
    ParameterSpec(
        'min_face_px',
        MIN_FACE_PX,
        'Ignore faces narrower than this many pixels.',
        bounds=(1, 4000),
        live=True,
    ),
    ParameterSpec(
        'uncertain_below',
        _DEFAULTS.uncertain_below,
        'The label is uncertain while the confidence is below this.',
        bounds=(0.0, 1.0),
        live=True,
    ),
    ParameterSpec(
        'hysteresis',
        _DEFAULTS.hysteresis,
        'The label changes when another expression is more probable by this much.',
        bounds=(0.0, 0.5),
        live=True,
    ),
    ParameterSpec(
        'sensitivity',
        _DEFAULTS.sensitivity,
        'How readily a weak expression is named in place of neutral: the odds of neutral are '
        'divided by e to this power. 0 names what most people would; model_card.md has the curve.',
        bounds=(0.0, 3.0),
        live=True,
    ),
    ParameterSpec(
        'adapt_to_person',
        _DEFAULTS.adapt_to_person,
        'Name expressions relative to how each person looks when neutral, which is learned while '
        'the face is tracked and forgotten with it; model_card.md says what it changes.',
        live=True,
    ),
    ParameterSpec(
        'smoothing_s',
        _DEFAULTS.smoothing_s,
        'Time constant of the smoothing over frames, in seconds; 0 turns it off.',
        bounds=(0.0, 10.0),
        live=True,
    ),
    ParameterSpec(
        'max_gap_s',
        _DEFAULTS.max_gap_s,
        'A track ends after this many seconds without its face; a face that returns later gets a '
        'new id.',
        bounds=(0.0, 10.0),
        live=True,
    ),
    ParameterSpec(
        'stalled_after_s',
        2.0,
        'Diagnostics report a stalled camera after this many seconds without an image.',
        bounds=(0.1, 60.0),
        live=True,
    ),
)
_BY_NAME = {spec.name: spec for spec in PARAMETERS}


def declare(node: Node) -> None:
    """
    Declare all parameters on `node`.

    Raises:
        InvalidParameterValueException: if a value given at the start is refused.

    """
    node.declare_parameters(
        '', [(spec.name, spec.default, spec.descriptor()) for spec in PARAMETERS]
    )

    for spec in PARAMETERS:
        value = node.get_parameter(spec.name).value
        if reason := spec.refusal(value):
            raise InvalidParameterValueException(spec.name, value, reason)


def values(node: Node) -> dict[str, Any]:
    """Return the current value of every parameter, of the type of its default."""
    return {
        spec.name: type(spec.default)(node.get_parameter(spec.name).value) for spec in PARAMETERS
    }


def check(parameters: Iterable[Parameter], configured: bool) -> SetParametersResult:
    """
    Accept or refuse a change, with the reason.

    Args:
        parameters: the new values; names that are not in `PARAMETERS` are accepted.
        configured: whether the node is configured, so that only live parameters may change.

    """
    for parameter in parameters:
        if not parameter.name:  # rclpy would accept it
            return SetParametersResult(successful=False, reason='a parameter must have a name')
        spec = _BY_NAME.get(parameter.name)
        if spec is None:
            continue
        reason = spec.refusal(parameter.value)
        if not reason and configured and not spec.live:
            reason = (
                'autostart takes effect on start only'
                if spec.name == 'autostart'
                else f'{spec.name} takes effect on configure: '
                'deactivate and clean up the node first'
            )
        if reason:
            return SetParametersResult(successful=False, reason=reason)
    return SetParametersResult(successful=True)


def tracking_settings(values: dict[str, Any]) -> TrackingSettings:
    """Return smoothing and thresholds from the parameter values."""
    return TrackingSettings(
        **{field.name: values[field.name] for field in fields(TrackingSettings)}
    )
