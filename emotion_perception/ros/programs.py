# SPDX-License-Identifier: Apache-2.0
"""
The node executables and the demonstration.

Each takes SIGINT and SIGTERM before anything slow is imported, whatever its parent did with them.
A shell starts background jobs with SIGINT ignored, and a signal during the imports would be lost.
"""

import importlib
import os
import signal
import sys
from functools import partial
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: nothing is open yet."""
    os._exit(0)


def _run(module: str) -> int | None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    # each program takes the signals itself as soon as something is open
    return importlib.import_module(f'emotion_perception.ros.{module}').main()


emotion_node = partial(_run, 'emotion_node')
camera_node = partial(_run, 'camera_node')
behavior_node = partial(_run, 'behavior_node')
greeter = partial(_run, 'greeter')
comforter = partial(_run, 'comforter')
mirror = partial(_run, 'mirror')
emotion_demo = partial(_run, 'demo')


if __name__ == '__main__':
    # python -m emotion_perception.ros.programs NAME [argument ...]
    sys.exit(_run(sys.argv.pop(1)))
