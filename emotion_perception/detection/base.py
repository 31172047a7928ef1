# SPDX-License-Identifier: Apache-2.0
"""The interface of all face detectors."""

from typing import Protocol, runtime_checkable

import numpy as np

from emotion_perception.types import Detection


class Detector(Protocol):
    """
    Detects faces; keeps no state between images.

    Attributes:
        min_detection_score: lowest reported score, 0..1; may be changed between two images.
        min_face_px: smallest reported width in pixels; may be changed between two images.

    """

    min_detection_score: float
    min_face_px: int

    def detect(
        self,
        image: np.ndarray,
        min_detection_score: float | None = None,
        min_face_px: int | None = None,
    ) -> list[Detection]:
        """
        Return the faces in an image, best score first.

        Args:
            image: BGR uint8 [H, W, 3].
            min_detection_score: for this call; None is the detector's own.
            min_face_px: for this call; None is the detector's own.

        """
        ...


@runtime_checkable
class RegionDetector(Protocol):
    """A detector that can also search a small region, at a fraction of the cost of an image."""

    def detect_in_region(
        self, image: np.ndarray, box: tuple[float, float, float, float]
    ) -> Detection | None:
        """
        Return the face in and around `box` with its new box and landmarks, or None.

        Args:
            image: BGR uint8 [H, W, 3].
            box: x, y, width, height in pixels of an approximate or earlier detection.

        """
        ...
