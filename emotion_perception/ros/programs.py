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
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: nothing is open yet."""
    os._exit(0)


def _run(module: str) -> int | None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    # each program takes the signals itself as soon as something is open
    return importlib.import_module(f'emotion_perception.ros.{module}').main()


def emotion_node() -> None:
    """Run the emotion node."""
    _run('emotion_node')


def camera_node() -> None:
    """Run the example camera."""
    _run('camera_node')


def behavior_node() -> None:
    """Run the example behavior."""
    _run('behavior_node')


def greeter() -> None:
    """Run the example behavior that greets."""
    _run('greeter')


def comforter() -> None:
    """Run the example behavior that comforts."""
    _run('comforter')


def mirror() -> None:
    """Run the example behavior that answers expressions."""
    _run('mirror')


def emotion_demo() -> int | None:
    """Run the demonstration."""
    return _run('demo')


if __name__ == '__main__':
    # python -m emotion_perception.ros.programs NAME [argument ...]
    sys.exit(_run(sys.argv.pop(1)))
