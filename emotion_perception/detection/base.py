"""What every face detector takes and gives."""

from typing import Protocol, runtime_checkable

import numpy as np

from emotion_perception.types import Detection


class Detector(Protocol):
    """
    Finds faces; keeps no memory of earlier images.

    Attributes:
        min_detection_score: faces below this score are not reported, 0..1; may be set between two images.
        min_face_px: narrower faces are not reported; may be set between two images.

    """

    min_detection_score: float
    min_face_px: int

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return the faces in a BGR image, uint8 [H, W, 3], best score first."""
        ...


@runtime_checkable
class RegionDetector(Protocol):
    """What a detector may be able to do besides: look at a place, for much less than an image costs."""

    def detect_in_region(
        self, image: np.ndarray, box: tuple[float, float, float, float]
    ) -> Detection | None:
        """
        Return the face in and around `box`, placed anew, or None where there is none.

        Args:
            image: BGR uint8 [H, W, 3].
            box: x, y, width, height in pixels of where a face is supposed to be, or was a moment ago.

        """
        ...
