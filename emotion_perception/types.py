# SPDX-License-Identifier: Apache-2.0
"""Data that passes from one step of the pipeline to the next."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Detection:
    """
    A face found in one image.

    Attributes:
        box: x, y, width, height in pixels; may reach outside the image.
        score: of the detector, 0..1.
        landmarks: float32 [3, 2] pixels: the eye at the image's left, the eye at its right (for an
            upright face), the center of the mouth; None if the detector finds no landmarks.

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
        """Width times height in pixels."""
        return self.width * self.height


@dataclass(frozen=True)
class FaceEmotion:
    """
    The expression that one face shows in one image.

    Attributes:
        face_id: from 1, the same while the face is tracked; 0 without tracking.
        box: of the face.
        detection_score: of the detector, 0..1.
        probabilities: float32 [7] in the order of EMOTIONS, of one image alone; sum 1.
        smoothed_probabilities: the same, filtered over the track.
        label: the smoothed expression with hysteresis, or ``'uncertain'``.
        confidence: smoothed probability of the label, or of the most probable expression while
            uncertain; 0..1.
        tracked_for_s: seconds since the face was first seen.
        reading_age_s: seconds since the image that `probabilities` are of; 0 if it is this one.

    """

    face_id: int
    box: Box
    detection_score: float
    probabilities: np.ndarray
    smoothed_probabilities: np.ndarray
    label: str
    confidence: float
    tracked_for_s: float
    reading_age_s: float = 0.0
