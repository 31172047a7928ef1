"""Data in flight: what passes from one step of the pipeline to the next."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Detection:
    """
    One face.

    Attributes:
        box: x, y, width, height in pixels; may reach outside the image.
        score: how sure the detector is, 0..1.
        landmarks: float32 [3, 2] pixels: the eye at the image's left, the eye at its right (for an
            upright face), the middle of the mouth; None where the detector finds none.

    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray | None = None


class Box(NamedTuple):
    """A box in whole pixels, clipped to the image."""

    x: int
    y: int
    width: int
    height: int

    @property
    def area(self) -> int:
        """Pixels inside."""
        return self.width * self.height


@dataclass(frozen=True)
class FaceEmotion:
    """
    What one face shows in one image.

    Attributes:
        face_id: stable while the face is followed, from 1; 0 without tracking.
        box: where the face is.
        detection_score: how sure the detector is, 0..1.
        probabilities: float32 [7] in the order of EMOTIONS, of this image alone; sums to 1.
        smoothed_probabilities: the same, smoothed over the track.
        label: the smoothed expression with hysteresis, or ``'uncertain'``.
        confidence: smoothed probability of the leading expression, 0..1.
        tracked_for_s: seconds since the face was first seen.

    """

    face_id: int
    box: Box
    detection_score: float
    probabilities: np.ndarray
    smoothed_probabilities: np.ndarray
    label: str
    confidence: float
    tracked_for_s: float
