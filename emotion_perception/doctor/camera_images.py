"""What the images that came from a camera say of it."""

from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING, CheckResult
from emotion_perception.doctor.ros_setup import export_command
from emotion_perception.errors import ImageError
from emotion_perception.ros.conversions import image_to_bgr

_SLOW_HZ = 5.0
_LATE_S = 1.0


def judge_images(
    topic: str,
    message: Image | CompressedImage | None,
    arrivals: list[tuple[float, float]],
    seconds: float,
    values: dict[str, Any],
) -> CheckResult:
    """
    Say what the images that came mean.

    Args:
        topic: of the images.
        message: the last one.
        arrivals: monotonic time and age of each, in seconds; the age is NaN where it has no stamp.
        seconds: how long they were waited for.
        values: what is known already.

    """
    if message is None:
        text = f'{topic} is published, but no image came in {seconds:g} s'
        do = (
            'look whether the driver sees the camera; if it does, images get lost on the way: '
            f'start it again after {export_command()}'
        )
        return CheckResult('camera', PROBLEM, text, do, {**values, 'images': 0})
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
        picture = image_to_bgr(message)
    except ImageError as error:
        do = 'choose another encoding in the driver; README: Topics'
        return CheckResult('camera', PROBLEM, f'{text}; they cannot be read: {error}', do, values)
    values['size'] = [picture.shape[1], picture.shape[0]]
    text += f', {picture.shape[1]}x{picture.shape[0]} {encoding}'
    ages = np.array([age for _, age in arrivals])
    if np.isnan(ages).any():
        do = 'set stamps in the driver; without them age and latency are not known'
        return CheckResult('camera', WARNING, f'{text}, without stamps', do, values)
    p50, p99 = (float(value) * 1000 for value in np.percentile(ages, (50, 99)))
    values |= {'latency_p50_ms': round(p50, 2), 'latency_p99_ms': round(p99, 2)}
    text += f', {p50:.1f} ms after their stamp (p50; p99 {p99:.1f} ms)'
    if not -0.05 <= p50 / 1000 <= _LATE_S:
        do = 'if no recording plays: set the clocks of camera and robot alike (chrony)'
        return CheckResult('camera', WARNING, text, do, values)
    if rate_hz < _SLOW_HZ:
        do = 'raise the rate of the driver: expressions pass in less than a second'
        return CheckResult('camera', WARNING, text, do, values)
    return CheckResult('camera', OK, text, '', values)
