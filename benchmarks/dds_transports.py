# SPDX-License-Identifier: Apache-2.0
"""Whether large images arrive: default Fast DDS, LARGE_DATA mode and this package's profile."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from benchmarks.ros_session import ros_session
from benchmarks.timing import percentiles_ms
from emotion_perception.ros.processes import CAMERA_NODE

PROFILE = Path(__file__).parents[1] / 'config' / 'fastdds_images.xml'
_VARIABLES = (
    'FASTDDS_DEFAULT_PROFILES_FILE',
    'FASTRTPS_DEFAULT_PROFILES_FILE',
    'FASTDDS_BUILTIN_TRANSPORTS',
)
# Fast DDS 2 (Jazzy) and 3 read the profile under different names; env.sh has set the right one
_PROFILE_VARIABLE = next((name for name in _VARIABLES[:2] if name in os.environ), _VARIABLES[0])
TRANSPORTS = {
    'default Fast DDS': {},
    'FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA': {'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA'},
    'config/fastdds_images.xml': {_PROFILE_VARIABLE: str(PROFILE)},
}


@contextmanager
def transport_variables(variables: dict[str, str]) -> Iterator[None]:
    """Set these variables of Fast DDS and unset the others."""
    with patch.dict(os.environ):
        for name in _VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(variables)
        yield


def measure_transports(run_s: float, rate_hz: float = 30.0) -> list[dict[str, Any]]:
    """Return for each transport and image size how many images arrive in another process."""
    return [
        _images_received(way, size, run_s, rate_hz)
        for way in TRANSPORTS
        for size in ((640, 480), (1920, 1080))
    ]


def _images_received(
    way: str, size: tuple[int, int], run_s: float, rate_hz: float
) -> dict[str, Any]:
    frames = round(run_s * rate_hz)
    latencies_s: list[float] = []
    # the subscriber reads the variables too, when it joins the domain
    with transport_variables(TRANSPORTS[way]), ros_session() as session:
        session.node.create_subscription(
            Image,
            'image',
            lambda message: latencies_s.append(session.latency_s(message)),
            qos_profile_sensor_data,
        )
        session.start(CAMERA_NODE, width=size[0], height=size[1], rate_hz=rate_hz, frames=frames)
        session.spin(10, lambda: latencies_s)
        session.spin(run_s + 1, lambda: len(latencies_s) >= frames)
    return {
        'way': way,
        'width': size[0],
        'height': size[1],
        'sent': frames,
        'arrived': len(latencies_s),
        'latency': percentiles_ms(latencies_s),
    }
