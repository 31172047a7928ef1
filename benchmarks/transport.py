"""Whether large images arrive: default Fast DDS, its LARGE_DATA mode and this package's profile."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from benchmarks.figures import percentiles_ms
from benchmarks.processes import CAMERA, bench
from emotion_perception.ros.conversions import seconds

PROFILE = Path(__file__).parents[1] / 'config' / 'fastdds_images.xml'
_VARIABLES = (
    'FASTDDS_DEFAULT_PROFILES_FILE',
    'FASTRTPS_DEFAULT_PROFILES_FILE',
    'FASTDDS_BUILTIN_TRANSPORTS',
)
# Fast DDS 2 (Jazzy) and 3 read the profile under different names; env.sh has set the right one
_PROFILE_VARIABLE = next((name for name in _VARIABLES[:2] if name in os.environ), _VARIABLES[0])
WAYS = {
    'default Fast DDS': {},
    'FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA': {'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA'},
    'config/fastdds_images.xml': {_PROFILE_VARIABLE: str(PROFILE)},
}


@contextmanager
def only(variables: dict[str, str]) -> Iterator[None]:
    """Set these transport variables and no others."""
    before = {name: os.environ.pop(name, None) for name in _VARIABLES}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in _VARIABLES:
            os.environ.pop(name, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})


def measure(run_s: float, rate_hz: float = 30.0) -> list[dict[str, Any]]:
    """Return for each way and image size how many of the camera's images another process gets."""
    rows = []
    for way, variables in WAYS.items():
        for size in ((640, 480), (1920, 1080)):
            frames = round(run_s * rate_hz)
            # the listener's own settings count too, and it reads them when it joins
            with only(variables), bench() as b:
                ages: list[float] = []

                def note(message: Image, b=b, ages=ages) -> None:
                    now = b.node.get_clock().now().nanoseconds * 1e-9
                    ages.append(now - seconds(message.header.stamp))

                b.node.create_subscription(Image, 'image', note, qos_profile_sensor_data)
                b.start(CAMERA, width=size[0], height=size[1], rate_hz=rate_hz, frames=frames)
                b.spin(10, lambda ages=ages: ages)
                b.spin(run_s + 1, lambda ages=ages, frames=frames: len(ages) >= frames)
            rows.append(
                {
                    'way': way,
                    'width': size[0],
                    'height': size[1],
                    'sent': frames,
                    'arrived': len(ages),
                    'latency': percentiles_ms(ages),
                }
            )
    return rows
