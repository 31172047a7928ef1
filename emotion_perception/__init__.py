# SPDX-License-Identifier: Apache-2.0
"""Recognize the facial expressions in a robot's camera images, on the robot's own CPU."""

from typing import TYPE_CHECKING, Any

from emotion_perception.emotions import EMOTIONS, UNCERTAIN

if TYPE_CHECKING:
    from emotion_perception.pipeline import Pipeline
    from emotion_perception.types import FaceEmotion

__all__ = ['EMOTIONS', 'UNCERTAIN', 'FaceEmotion', 'Pipeline']


def __getattr__(name: str) -> Any:
    """Import the pipeline, and with it OpenCV and LiteRT, on first use."""
    if name in ('FaceEmotion', 'Pipeline'):
        from emotion_perception import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
