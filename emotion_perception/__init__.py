"""Which expression each face in front of a robot's camera shows; runs on the robot's CPU."""

from typing import TYPE_CHECKING, Any

from emotion_perception.emotions import EMOTIONS, UNCERTAIN

if TYPE_CHECKING:
    from emotion_perception.pipeline import Pipeline
    from emotion_perception.types import FaceEmotion

__all__ = ['EMOTIONS', 'UNCERTAIN', 'FaceEmotion', 'Pipeline']


def __getattr__(name: str) -> Any:
    """Load the pipeline, and with it OpenCV and LiteRT, when it is first asked for."""
    if name in ('FaceEmotion', 'Pipeline'):
        from emotion_perception import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
