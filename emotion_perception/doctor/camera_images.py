# SPDX-License-Identifier: Apache-2.0
"""The check of the images that a camera sent: readable, on time, with stamps, often enough."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING, CheckResult
from emotion_perception.doctor.ros_setup import export_command
from emotion_perception.errors import ImageError
from emotion_perception.ros.conversions import image_to_bgr

_LOWEST_RATE_HZ = 5.0
_AGE_RANGE_MS = (-50.0, 1000.0)
"""Outside of it the clocks of camera and robot differ."""


def check_images(
    topic: str,
    message: Image | CompressedImage | None,
    arrivals: Sequence[tuple[float, float]],
    seconds: float,
    values: dict[str, Any],
) -> CheckResult:
    """
    Check images that were received.

    Args:
        topic: of the images.
        message: the last image; None if there was none.
        arrivals: monotonic time and age of each image, in seconds; the age is NaN without a stamp.
        seconds: how long the doctor listened.
        values: values that are known already.

    """
    if message is None:
        text = f'{topic} is published, but no image came in {seconds:g} s'
        advice = (
            'check that the driver finds the camera; if it does, images get lost on the way: '
            f'restart the driver after {export_command()}'
        )
        return CheckResult('camera', PROBLEM, text, advice, {**values, 'images': 0})
    span_s = arrivals[-1][0] - arrivals[0][0]
    rate_hz = (len(arrivals) - 1) / span_s if span_s > 0 else len(arrivals) / seconds
    encoding = getattr(message, 'encoding', None) or getattr(message, 'format', '')
    values = {
        **values,
        'images': len(arrivals),
        'rate_hz': round(rate_hz, 2),
        'encoding': encoding,
    }
    text = f'{topic}: {len(arrivals)} images in {seconds:g} s, {rate_hz:.1f} Hz'
    try:
        height, width = image_to_bgr(message).shape[:2]
    except ImageError as error:
        text = f'{text}; they cannot be decoded: {error}'
        advice = 'choose another encoding in the driver (docs/node.md, "Topics and services")'
        return CheckResult('camera', PROBLEM, text, advice, values)
    values['size'] = [width, height]
    text += f', {width}x{height} {encoding}'
    ages_ms = 1000 * np.array([age for _, age in arrivals])
    if np.isnan(ages_ms).any():
        advice = 'set stamps in the driver; without them age and latency are not known'
        return CheckResult('camera', WARNING, f'{text}, without stamps', advice, values)
    p50, p99 = (float(value) for value in np.percentile(ages_ms, (50, 99)))
    values |= {'age_p50_ms': round(p50, 2), 'age_p99_ms': round(p99, 2)}
    text += f', age p50 {p50:.1f} ms, p99 {p99:.1f} ms'
    lowest, highest = _AGE_RANGE_MS
    if not lowest <= p50 <= highest:
        advice = (
            'unless a recording is played: synchronize the clocks of camera and robot (chrony)'
        )
        return CheckResult('camera', WARNING, text, advice, values)
    if rate_hz < _LOWEST_RATE_HZ:
        advice = 'raise the rate of the driver: expressions can be shorter than a second'
        return CheckResult('camera', WARNING, text, advice, values)
    return CheckResult('camera', OK, text, '', values)
