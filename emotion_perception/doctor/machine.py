# SPDX-License-Identifier: Apache-2.0
"""The computer that a measurement ran on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, present load and versions, for the record of a measurement."""
    lines = Path('/proc/cpuinfo').read_text().splitlines()
    models = (line.split(':')[1].strip() for line in lines if line.startswith('model name'))
    return {
        'processor': next(models, platform.machine()),
        'cores': len(os.sched_getaffinity(0)),
        'load_before': round(os.getloadavg()[0], 2),
        'python': platform.python_version(),
        'numpy': np.__version__,
        'opencv': cv2.__version__,
        'litert': version('ai-edge-litert'),
        'ros': os.environ.get('ROS_DISTRO', 'kilted wheels'),
    }
