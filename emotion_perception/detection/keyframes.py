"""Find faces in one camera's images: detection in every n-th, a look at each known face in between."""

import math
from dataclasses import replace

import numpy as np

from emotion_perception.detection import Detector, RegionDetector
from emotion_perception.geometry import is_duplicate
from emotion_perception.types import Detection

DETECT_EVERY = 3
"""What the node and the command line do with a camera's images; `make bench` prints what it costs and saves."""

LONGEST_STEP_S = 0.25
"""Faces are only looked for where they were if that was no longer ago."""

SEARCH_S = 0.5
"""After a face was lost each image is searched for this long: many a face is only hidden or blurred."""


class KeyframeDetector:
    """
    Detects faces, and saves most of that while nothing changes.

    As long as no face is known each image is searched; further ones are found at the next detection. Where a known face is not where it was, detection runs on
    that very image, and for a while on the next ones: whoever left is dropped at once, whoever jumped or was
    hidden is found again at once.
    """

    def __init__(self, detector: Detector, every: int = 1):
        """
        Begin without faces.

        Args:
            detector: finds them; without `detect_in_region` (see `RegionDetector`) it is run on each image.
            every: n, to detect in every n-th image; may be changed between two images.

        """
        self.detector = detector
        self.every = every
        self.reset()

    def reset(self) -> None:
        """Forget all faces: the next image is searched."""
        self._known: list[Detection] = []
        self._since_detection = math.inf
        self._stamp_s = self._search_until_s = -math.inf

    def find(self, image: np.ndarray, stamp_s: float) -> list[Detection]:
        """
        Return the faces in an image, best score first.

        The score of a face that was followed is the one of its last detection.

        Args:
            image: BGR uint8 [H, W, 3], as large as the one before unless `reset` was called.
            stamp_s: time of the image in seconds.

        """
        if stamp_s < self._stamp_s:
            self.reset()
        self._since_detection += 1
        recent = stamp_s - self._stamp_s <= LONGEST_STEP_S and stamp_s >= self._search_until_s
        followed = bool(self._known) and recent and self._since_detection < self.every
        found = self._follow(image) if followed else None
        if found is None:
            found = self.detector.detect(image)
            self._since_detection = 0
            if len(found) < len(self._known):
                self._search_until_s = stamp_s + SEARCH_S
        self._known, self._stamp_s = found, stamp_s
        return found

    def _follow(self, image: np.ndarray) -> list[Detection] | None:
        """Return the known faces where they are now; None where detection must tell."""
        detector = self.detector
        if not isinstance(detector, RegionDetector):
            return None
        followed: list[Detection] = []
        for known in self._known:
            face = (
                detector.detect_in_region(image, known.box)
                if known.score >= detector.min_detection_score
                else None
            )
            if face is None or face.box[2] < detector.min_face_px or is_duplicate(face, followed):
                return None
            followed.append(replace(face, score=known.score))
        return followed
