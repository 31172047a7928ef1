# SPDX-License-Identifier: Apache-2.0
"""The interface of all face detectors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from emotion_perception.detection.views import View
from emotion_perception.types import Detection

SEARCH_WIDTH_PX = 320
"""
Longer side to which yunet shrinks an image.

What it finds then, and in which part of the time for 640 pixels, is in `make bench` part reach.
"""

MIN_FACE_PX = 16
"""
Default of `min_face_px`. The boxes of faces of 20 pixels are often a few pixels narrower; what is
much smaller shows no expression.
"""


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


@dataclass(frozen=True)
class ViewResult:
    """
    Faces in one view.

    Attributes:
        faces: those that were not known, best candidate first.
        seen: index of each known face that the view shows, and its score now, 0..1.
        rejected: candidates that were examined and are no new faces.

    """

    faces: list[Detection]
    seen: dict[int, float]
    rejected: list[Detection] = field(default_factory=list)


@runtime_checkable
class ViewDetector(Protocol):
    """A detector that searches an image in several views, one of which costs a part of all."""

    def upright_views(self, width: int, height: int) -> tuple[View, ...]:
        """Return the views that together show the upright faces of all sizes."""
        ...

    def turned_views(self, width: int, height: int) -> tuple[View, ...]:
        """Return the views for faces on their side or upside down."""
        ...

    def detect_in_view(
        self,
        image: np.ndarray,
        view: View,
        known: Sequence[Detection] = (),
        min_detection_score: float | None = None,
        min_face_px: int | None = None,
        max_candidates: int | None = None,
        rejected: Sequence[Detection] = (),
    ) -> ViewResult:
        """
        Search one view.

        Args:
            image: BGR uint8 [H, W, 3].
            view: one of the views of an image of this size.
            known: faces found in their regions of this image, with the scores of that; where the
                view shows one of them it is not searched for again.
            min_detection_score: for this call; None is the detector's own.
            min_face_px: for this call; None is the detector's own.
            max_candidates: unknown faces that are examined at most, those that look most like one;
                None examines all, which can take several times as long as the view.
            rejected: candidates of earlier images that were no faces; what is there now is
                examined last.

        """
        ...


@runtime_checkable
class RegionDetector(Protocol):
    """A detector that can also search a small region, at a fraction of the cost of an image."""

    def detect_in_region(self, image: np.ndarray, face: Detection) -> Detection | None:
        """
        Return the face in and around the box of `face` with its new box and landmarks, or None.

        Args:
            image: BGR uint8 [H, W, 3].
            face: an approximate or earlier detection; its landmarks tell its rotation.

        """
        ...
