# SPDX-License-Identifier: Apache-2.0
"""Detect the faces of a stream in whole keyframes, and in regions of tracked faces in between."""

import math
from dataclasses import replace

import numpy as np

from emotion_perception.detection import Detector, RegionDetector
from emotion_perception.geometry import is_duplicate
from emotion_perception.types import Detection

DETECT_EVERY = 3
"""In the node and the command line every n-th frame is a keyframe; see `make bench`."""

MAX_STEP_S = 0.25
"""A frame later than this after the one before is a keyframe: faces may be anywhere by then."""

KEYFRAMES_AFTER_LOSS_S = 0.5
"""Each frame is a keyframe for this long after a face was lost: it is often only hidden."""


class KeyframeDetector:
    """
    Detects the faces of a stream of frames at a fraction of the cost.

    A frame is a keyframe if it is the n-th after the last, if no face is tracked, or if a tracked
    face is not found in its region. So a face that leaves is dropped, and a face that jumps is
    found, in the same frame; a further face is found in the next keyframe.
    """

    def __init__(self, detector: Detector, every: int = 1):
        """
        Start without faces.

        Args:
            detector: of faces; if it is no `RegionDetector`, each frame is a keyframe.
            every: n, for every n-th frame to be a keyframe; may be changed between two frames.

        """
        self.detector = detector
        self.every = every
        self.reset()

    def reset(self) -> None:
        """Drop all faces: the next frame is a keyframe."""
        self._tracked: list[Detection] = []
        self._since_keyframe = math.inf
        self._stamp_s = self._keyframes_until_s = -math.inf

    def detect(self, image: np.ndarray, stamp_s: float) -> list[Detection]:
        """
        Return the faces in the next frame, best score first.

        A tracked face keeps the score of its last keyframe.

        Args:
            image: BGR uint8 [H, W, 3], of the size of the frame before unless `reset` was called.
            stamp_s: time of the frame in seconds.

        """
        if stamp_s < self._stamp_s:
            self.reset()
        self._since_keyframe += 1
        recent = stamp_s - self._stamp_s <= MAX_STEP_S and stamp_s >= self._keyframes_until_s
        between = bool(self._tracked) and recent and self._since_keyframe < self.every
        faces = self._detect_in_regions(image) if between else None
        if faces is None:
            faces = self.detector.detect(image)
            self._since_keyframe = 0
            if len(faces) < len(self._tracked):
                self._keyframes_until_s = stamp_s + KEYFRAMES_AFTER_LOSS_S
        self._tracked, self._stamp_s = faces, stamp_s
        return faces

    def _detect_in_regions(self, image: np.ndarray) -> list[Detection] | None:
        """Return the tracked faces at their new places, or None if the frame is a keyframe."""
        detector = self.detector
        if not isinstance(detector, RegionDetector):
            return None
        faces: list[Detection] = []
        for tracked in self._tracked:
            if tracked.score < detector.min_detection_score:
                return None
            face = detector.detect_in_region(image, tracked.box)
            if face is None or face.box[2] < detector.min_face_px or is_duplicate(face, faces):
                return None
            faces.append(replace(face, score=tracked.score))
        return faces
