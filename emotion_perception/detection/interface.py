"""What every face detector takes and gives."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np


class DetectorError(RuntimeError):
    """A detector that cannot be made here; the message says what to install or pass."""


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


class Detector(Protocol):
    """
    Finds faces; keeps no memory of earlier images.

    Attributes:
        min_score: faces below this score are not reported, 0..1; may be set between two images.
        min_face_px: narrower faces are not reported; may be set between two images.

    """

    min_score: float
    min_face_px: int

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return the faces in a BGR image, uint8 [H, W, 3], best score first."""
        ...


@runtime_checkable
class SecondLook(Protocol):
    """What a detector may be able to do besides: look at a place, for much less than an image costs."""

    def look_at(
        self, image: np.ndarray, box: tuple[float, float, float, float]
    ) -> Detection | None:
        """
        Return the face in and around `box`, placed anew, or None where there is none.

        Args:
            image: BGR uint8 [H, W, 3].
            box: x, y, width, height in pixels of where a face is supposed to be, or was a moment ago.

        """
        ...
