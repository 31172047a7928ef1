# SPDX-License-Identifier: Apache-2.0
"""Move faces along with the image by optical flow, at a fraction of the cost of a detection."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from emotion_perception.geometry import halve
from emotion_perception.types import Detection

_WIDTH_PX = 400
"""Images are halved while they are at least twice as wide."""
_GRID = np.stack(np.meshgrid(*[np.linspace(0.2, 0.8, 3)] * 2), -1).reshape(-1, 2)
"""Points that are followed, as parts of the box."""
_WINDOW_PX, _MAX_LEVEL = (15, 15), 2


class LandmarkFlow:
    """Median of the pyramidal Lucas-Kanade flow of nine points a face (Kalal et al., 2010)."""

    def __init__(self) -> None:
        """Start without an image."""
        self._before: np.ndarray | None = None

    def reset(self) -> None:
        """Forget the image before."""
        self._before = None

    def remember(self, image: np.ndarray) -> None:
        """Keep what is needed of an image, BGR uint8 [H, W, 3], to compare it with the next."""
        self._before = _small_gray(image)

    def move(self, image: np.ndarray, faces: Sequence[Detection]) -> list[Detection]:
        """
        Return the faces of the image before at their places in this one.

        Where nothing can be followed, or no image before is known, a face keeps its place.

        Args:
            image: BGR uint8 [H, W, 3].
            faces: found in the image before.

        """
        if not faces or self._before is None:
            return list(faces)
        now = _small_gray(image)
        if now.shape != self._before.shape:
            return list(faces)
        scale = now.shape[1] / image.shape[1]
        corners = np.array([face.box[:2] for face in faces])
        sizes = np.array([face.box[2:] for face in faces])
        start = ((corners[:, None] + _GRID * sizes[:, None]) * scale).astype(np.float32)
        points = start.reshape(-1, 1, 2)
        end, found, _ = cv2.calcOpticalFlowPyrLK(
            self._before, now, points, points.copy(), winSize=_WINDOW_PX, maxLevel=_MAX_LEVEL
        )
        steps = (end.reshape(start.shape) - start) / scale
        found = found.reshape(start.shape[:2]).astype(bool)
        moved = []
        for face, step, valid in zip(faces, steps, found, strict=True):
            dx, dy = np.median(step[valid], axis=0) if valid.any() else (0.0, 0.0)
            x, y, w, h = face.box
            landmarks = face.landmarks
            if landmarks is not None:
                landmarks = landmarks + np.array((dx, dy), np.float32)
            box = x + float(dx), y + float(dy), w, h
            moved.append(replace(face, box=box, landmarks=landmarks))
        return moved


def _small_gray(image: np.ndarray) -> np.ndarray:
    times = 0
    while image.shape[1] >> times >= 2 * _WIDTH_PX and image.shape[0] >> times > 1:
        times += 1
    return cv2.cvtColor(halve(image, times), cv2.COLOR_BGR2GRAY)
