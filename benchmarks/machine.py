"""What something was measured on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np


def machine() -> dict[str, Any]:
    """Return processor, cores, load and versions."""
    model = next(
        (
            line.split(':')[1].strip()
            for line in Path('/proc/cpuinfo').read_text().splitlines()
            if line.startswith('model name')
        ),
        platform.machine(),
    )
    return {
        'processor': model,
        'cores': len(os.sched_getaffinity(0)),
        'load_before': round(os.getloadavg()[0], 2),
        'python': platform.python_version(),
        'numpy': np.__version__,
        'opencv': cv2.__version__,
        'litert': version('ai-edge-litert'),
        'ros': os.environ.get('ROS_DISTRO', 'kilted wheels'),
    }
