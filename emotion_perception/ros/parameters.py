"""The node's parameters as data: name, default, bounds, description and when a change takes effect."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from emotion_perception.detection import DETECTORS
from emotion_perception.detection.keyframes import DETECT_EVERY
from emotion_perception.runtime.metadata import HEADS
from emotion_perception.tracking import TrackingSettings

ANNOTATED = ('full', 'blurred', 'none')
"""Not `off`, which YAML and so every ROS parameter file reads as a truth value."""
CONVERSIONS = ('native', 'cv_bridge')
TRANSPORTS = ('raw', 'compressed')
_DEFAULTS = TrackingSettings()


@dataclass(frozen=True)
class ParameterSpec:
    """
    One parameter.

    Attributes:
        name: of the parameter.
        default: its value where none is given; says the type.
        description: what `ros2 param describe` prints.
        bounds: lowest and highest value of a number.
        choices: the only accepted words.
        live: a change takes effect at once; otherwise when the node is next configured, and it is
            refused while the node is configured.

    """

    name: str
    default: Any
    description: str
    bounds: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    live: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """Return what ROS shows of it."""
        text = self.description
        if self.choices:
            text += f' One of {", ".join(self.choices)}.'
        descriptor = ParameterDescriptor(name=self.name, description=text)
        if not self.live:
            descriptor.additional_constraints = 'Takes effect when the node is configured.'
        if self.bounds and isinstance(self.default, float):
            low, high = self.bounds
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        elif self.bounds:
            low, high = map(int, self.bounds)
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        return descriptor

    def refusal(self, value: Any) -> str:
        """Return why `value` is refused; empty if it is not. ROS itself checks type and range."""
        if self.choices and value not in self.choices:
            return f'{self.name} must be one of {", ".join(self.choices)}, not {value!r}'
        if isinstance(value, float) and not math.isfinite(value):
            return f'{self.name} must be a finite number, not {value}'
        return ''


PARAMETERS = (
    ParameterSpec('autostart', False, 'Configure and activate by itself after start.'),
    ParameterSpec(
        'annotated_image', ANNOTATED[0],
        'What emotion/image shows: all of it, all but faces, or nothing: there is no such topic.', choices=ANNOTATED,
    ),
    ParameterSpec(
        'vision_msgs', False,
        'Also publish the faces as vision_msgs/Detection2DArray on emotion/detections; that package must be installed.',
    ),
    ParameterSpec(
        'hri_msgs', False,
        'Also publish the faces as REP-155 has them, on /humans/faces/...; needs tracking, and hri_msgs must be installed.',
    ),
    ParameterSpec('image_transport', 'raw', 'Which image topic to read.', choices=TRANSPORTS),
    ParameterSpec(
        'image_conversion', 'native', 'What turns raw images into BGR; cv_bridge must be installed for the other.',
        choices=CONVERSIONS,
    ),
    ParameterSpec('detector', DETECTORS[0], 'Face detector.', choices=DETECTORS),
    ParameterSpec('detector_model', '', "Path of the detector's model file; yunet needs it."),
    ParameterSpec('model', '', "Path of the classifier's file; empty is the one in this package."),
    ParameterSpec(
        'head', HEADS[0], "Whose answer to give: the crowd's, or FER2013's labels (for comparison).", choices=HEADS
    ),
    ParameterSpec('threads', 1, 'Threads of each network in LiteRT.', bounds=(1, 16)),
    ParameterSpec(
        'opencv_threads', 1, 'Threads of OpenCV: conversion and resizing, and all of yunet and haar.', bounds=(1, 16)
    ),
    ParameterSpec('tracking', True, 'Follow faces: stable ids and smoothed labels.'),
    ParameterSpec(
        'detect_every', DETECT_EVERY,
        'While faces are known, search only every n-th image for further ones and follow them in between; needs tracking.',
        (1, 30), live=True,
    ),
    ParameterSpec('min_detection_score', 0.5, 'Faces below this detection score are left out.', (0.05, 0.99), live=True),
    ParameterSpec('min_face_px', 20, 'Faces narrower than this many pixels are left out.', (1, 4000), live=True),
    ParameterSpec(
        'uncertain_below', _DEFAULTS.uncertain_below,
        'The label is uncertain while the confidence is below this.', (0.0, 1.0), live=True,
    ),
    ParameterSpec(
        'hysteresis', _DEFAULTS.hysteresis,
        'How much more probable another expression must be to replace the shown one.', (0.0, 0.5), live=True,
    ),
    ParameterSpec(
        'smoothing_s', _DEFAULTS.smoothing_s,
        'Time constant of the smoothing over frames, in seconds; 0 is none.', (0.0, 10.0), live=True,
    ),
    ParameterSpec(
        'max_gap_s', _DEFAULTS.max_gap_s,
        'A face unseen for this many seconds is forgotten; it returns with a new id.', (0.0, 10.0), live=True,
    ),
    ParameterSpec(
        'stalled_after_s', 2.0, 'Without an image for this many seconds diagnostics say the camera stalled.',
        (0.1, 60.0), live=True,
    ),
)  # fmt: skip
_BY_NAME = {spec.name: spec for spec in PARAMETERS}


def declare(node: Node) -> None:
    """
    Declare all parameters on `node`.

    Raises:
        rclpy.exceptions.InvalidParameterValueException: if a value given at the start is refused.

    """
    node.declare_parameters(
        '', [(spec.name, spec.default, spec.descriptor()) for spec in PARAMETERS]
    )


def values(node: Node) -> dict[str, Any]:
    """Return the present value of every parameter."""
    return {spec.name: node.get_parameter(spec.name).value for spec in PARAMETERS}


def check(parameters: Iterable[Parameter], configured: bool) -> SetParametersResult:
    """
    Accept or refuse a change, with the reason.

    Args:
        parameters: the new values; other names than ours are accepted.
        configured: whether the node is configured, so that only live parameters may change.

    """
    for parameter in parameters:
        if not parameter.name:  # which rclpy takes for declared
            return SetParametersResult(successful=False, reason='a parameter has a name')
        spec = _BY_NAME.get(parameter.name)
        if spec is None:
            continue
        reason = spec.refusal(parameter.value)
        if not reason and configured and not spec.live:
            reason = (
                f'{spec.name} takes effect on configure: deactivate and clean up the node first'
            )
        if reason:
            return SetParametersResult(successful=False, reason=reason)
    return SetParametersResult(successful=True)


def tracking_settings(present: dict[str, Any]) -> TrackingSettings:
    """Return the smoothing and thresholds that the parameter values stand for."""
    return TrackingSettings(
        max_gap_s=present['max_gap_s'],
        smoothing_s=present['smoothing_s'],
        uncertain_below=present['uncertain_below'],
        hysteresis=present['hysteresis'],
    )
