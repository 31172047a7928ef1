"""Hide faces in a picture that is shown: the annotated image with `annotated_image` at blurred."""

import threading
import time
from collections.abc import Callable, Iterable

import cv2
import numpy as np

from emotion_perception.detection import Detector
from emotion_perception.geometry import clip_box
from emotion_perception.types import Box, FaceEmotion

CELLS = 4
"""A hidden face is this many averages of its pixels across; too few to tell who it is."""

_MARGIN = 0.25
"""Share of the box that is hidden around it too: detectors leave out hair, ears and chin."""

_SEARCH_SCORE = 0.3
_SEARCH_PX = 12
"""What may be a face is hidden as well, also one that the node's own thresholds leave out."""

_MEMORY_S = 0.7
"""A place stays hidden for this long, so that a face which is missed in one image does not flash up."""


def blur_faces(image: np.ndarray, boxes: Iterable[Box]) -> np.ndarray:
    """
    Return a copy of a BGR picture, uint8 [H, W, 3], in which the faces cannot be told apart.

    Args:
        image: is not changed.
        boxes: where the faces are; what lies around them is hidden too, the picture's border permitting.

    """
    out = np.array(image)
    height, width = out.shape[:2]
    for x, y, w, h in boxes:
        left, top = max(round(x - w * _MARGIN), 0), max(round(y - h * _MARGIN), 0)
        right = min(round(x + w * (1 + _MARGIN)), width)
        bottom = min(round(y + h * (1 + _MARGIN)), height)
        # from the picture itself, so that boxes that overlap leave nothing of each other
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
    """Hides the faces in one camera's pictures, and where faces were a moment ago."""

    def __init__(
        self,
        detector: Detector,
        lock: threading.Lock,
        clock: Callable[[], float] = time.monotonic,
    ):
        """
        Begin without faces.

        Args:
            detector: searches each picture once more, below the thresholds that the node reports by.
            lock: held while the detector is in use.
            clock: in seconds.

        """
        self._detector, self._lock, self._clock = detector, lock, clock
        self._hidden: list[tuple[float, Box]] = []
        self._size: tuple[int, ...] = ()

    def hide(self, image: np.ndarray, faces: Iterable[FaceEmotion]) -> np.ndarray:
        """
        Return a copy of a BGR picture, uint8 [H, W, 3], with its faces blurred.

        Args:
            image: is not changed.
            faces: what `Pipeline.process` found in it.

        """
        now_s = self._clock()
        if image.shape != self._size:
            self._hidden, self._size = [], image.shape
        self._hidden = [(t, box) for t, box in self._hidden if now_s - t <= _MEMORY_S]
        self._hidden += [(now_s, box) for box in (*(f.box for f in faces), *self._search(image))]
        return blur_faces(image, (box for _, box in self._hidden))

    def _search(self, image: np.ndarray) -> list[Box]:
        height, width = image.shape[:2]
        detector = self._detector
        with self._lock:
            before = detector.min_detection_score, detector.min_face_px
            detector.min_detection_score = min(before[0], _SEARCH_SCORE)
            detector.min_face_px = min(before[1], _SEARCH_PX)
            try:
                found = detector.detect(image)
            finally:
                detector.min_detection_score, detector.min_face_px = before
        return [clip_box(face.box, width, height) for face in found]
