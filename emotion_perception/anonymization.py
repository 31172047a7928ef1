# SPDX-License-Identifier: Apache-2.0
"""Blur the faces in an image that people see: `annotated_image: blurred`."""

import time
from collections.abc import Callable, Iterable

import cv2
import numpy as np

from emotion_perception.geometry import clip_box
from emotion_perception.types import Box, Detection, FaceEmotion

CELLS = 4
"""A blurred face is this many averages of its pixels across, too few to recognize a person."""

_MARGIN = 0.25
"""Part of the box that is blurred on each side of it: detectors leave out hair, ears and chin."""

_MIN_DETECTION_SCORE = 0.3
_MIN_FACE_PX = 12
"""Faces that the node does not report are blurred too."""

_MEMORY_S = 0.7
"""A place stays blurred for this long, so that a face missed in one frame is not shown."""


def blur_faces(image: np.ndarray, boxes: Iterable[Box]) -> np.ndarray:
    """
    Return a copy of an image in which nobody can be recognized.

    Args:
        image: BGR uint8 [H, W, 3]; not changed.
        boxes: of the faces; a margin around each is blurred too.

    Returns:
        BGR uint8 [H, W, 3].

    """
    out = np.array(image)
    height, width = out.shape[:2]
    for x, y, w, h in boxes:
        left, top = max(round(x - w * _MARGIN), 0), max(round(y - h * _MARGIN), 0)
        right = min(round(x + w * (1 + _MARGIN)), width)
        bottom = min(round(y + h * (1 + _MARGIN)), height)
        # read from the original, so that overlapping boxes do not uncover each other
        face = image[top:bottom, left:right]
        cells = cv2.resize(
            face,
            (min(CELLS, right - left), min(CELLS, bottom - top)),
            interpolation=cv2.INTER_AREA,
        )
        out[top:bottom, left:right] = cv2.resize(
            cells, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR
        )
    return out


class FaceBlurrer:
    """Blurs the faces in one camera's frames, and the places where faces were a moment ago."""

    def __init__(
        self,
        search: Callable[[np.ndarray, float, int], list[Detection]],
        clock: Callable[[], float] = time.monotonic,
    ):
        """
        Start without faces.

        Args:
            search: detects faces in an image, given the lowest score and the smallest width in
                pixels: `Pipeline.search_faces`.
            clock: in seconds.

        """
        self._search, self._clock = search, clock
        self._blurred: list[tuple[float, Box]] = []
        self._shape: tuple[int, ...] = ()

    def blur(self, image: np.ndarray, faces: Iterable[FaceEmotion]) -> np.ndarray:
        """
        Return a copy of a frame with its faces blurred.

        Args:
            image: BGR uint8 [H, W, 3]; not changed.
            faces: what `Pipeline.process` found in it.

        Returns:
            BGR uint8 [H, W, 3].

        """
        now_s = self._clock()
        if image.shape != self._shape:
            self._blurred, self._shape = [], image.shape
        height, width = image.shape[:2]
        detections = self._search(image, _MIN_DETECTION_SCORE, _MIN_FACE_PX)
        boxes = [face.box for face in faces]
        boxes += [clip_box(face.box, width, height) for face in detections]
        self._blurred = [(t, box) for t, box in self._blurred if now_s - t <= _MEMORY_S]
        self._blurred += [(now_s, box) for box in boxes]
        return blur_faces(image, (box for _, box in self._blurred))
