# SPDX-License-Identifier: Apache-2.0
"""Move faces along with the image by optical flow, at a fraction of the cost of a detection."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from emotion_perception.geometry import halve, similarity_transform
from emotion_perception.types import Detection

_WIDTH_PX = 24
"""The image is halved as long as all faces stay this wide."""
_MAX_HALVINGS = 3
_MARGIN = 0.5
"""The surroundings of a face that are compared, in box sizes: it may move by a part of them."""
_GRID = np.stack(np.meshgrid(*[np.linspace(0.2, 0.8, 3)] * 2), -1).reshape(-1, 2)
"""Points that are followed, as parts of the box."""
_WINDOW_PX, _MAX_LEVEL = (15, 15), 2
_MIN_FACE_PX = 40
"""A narrower face has too few pixels to be followed reliably beside what moves behind it."""
_MIN_POINTS = 7
_MAX_ERROR = 15.0
"""Mean difference in gray levels around a point that was followed."""
_MAX_STEP, _MAX_SCALE, _MAX_DEVIATION = 0.3, 1.1, 0.02
"""
Of a face that is followed reliably: its step in box widths, its growth, and the median distance of
its points from where step, growth and rotation move them, in box widths.
"""


@dataclass(frozen=True)
class _Gray:
    """A part of an image in grayscale, halved `times` times; `left` and `top` are its corner."""

    pixels: np.ndarray
    left: int
    top: int
    times: int
    shape: tuple[int, ...]


class LandmarkFlow:
    """
    Follows nine points of each face by pyramidal Lucas-Kanade flow (Kalal et al., 2010).

    A face moves, grows and turns as its points do, in the least squares.
    """

    def __init__(self) -> None:
        """Start without an image."""
        self._before: _Gray | None = None

    def reset(self) -> None:
        """Forget the image before."""
        self._before = None

    def remember(self, image: np.ndarray, faces: Sequence[Detection]) -> None:
        """
        Keep what is needed of an image to follow faces to the next one.

        Args:
            image: BGR uint8 [H, W, 3].
            faces: in it.

        """
        self._before = None
        corners = np.array([face.box[:2] for face in faces]).reshape(-1, 2)
        sizes = np.array([face.box[2:] for face in faces]).reshape(-1, 2)
        height, width = image.shape[:2]
        low = np.floor(corners - _MARGIN * sizes).min(axis=0, initial=max(width, height))
        high = np.ceil(corners + (1 + _MARGIN) * sizes).max(axis=0, initial=0)
        left, top = (int(max(value, 0)) for value in low)
        right, bottom = int(min(high[0], width)), int(min(high[1], height))
        times = max(math.floor(math.log2(max(sizes.min(initial=1e6), 1) / _WIDTH_PX)), 0)
        times = min(times, _MAX_HALVINGS)
        if min(right - left, bottom - top) >> times > 0:
            self._before = _gray(image, left, top, right, bottom, times)

    def move(
        self, image: np.ndarray, faces: Sequence[Detection]
    ) -> tuple[list[Detection], list[bool]]:
        """
        Return faces of the image before at their places in this one, and which are reliable.

        Those are reliable whose points moved alike and not far; only they grow and turn too. Where
        nothing can be followed, or no image before is known, a face keeps its place.

        Args:
            image: BGR uint8 [H, W, 3].
            faces: found in the image before.

        """
        before = self._before
        if not faces or before is None or before.shape != image.shape:
            return list(faces), [False] * len(faces)
        height, width = (side << before.times for side in before.pixels.shape)
        now = _gray(
            image, before.left, before.top, before.left + width, before.top + height, before.times
        )
        corners = np.array([face.box[:2] for face in faces])
        sizes = np.array([face.box[2:] for face in faces])
        origin, unit = (before.left, before.top), 2**before.times
        start = corners[:, None] + _GRID * sizes[:, None]
        points = ((start - origin) / unit).astype(np.float32).reshape(-1, 1, 2)
        end, found, errors = cv2.calcOpticalFlowPyrLK(
            before.pixels,
            now.pixels,
            points,
            points.copy(),
            winSize=_WINDOW_PX,
            maxLevel=_MAX_LEVEL,
        )
        # where a point was not found, its error is not set
        valid = (found.ravel() > 0) & (np.where(found, errors, 0).ravel() <= _MAX_ERROR)
        moved = [
            _move(
                face,
                old[kept],
                new[kept],
                kept.sum() >= _MIN_POINTS and face.box[2] >= _MIN_FACE_PX,
            )
            for face, old, new, kept in zip(
                faces,
                start,
                end.reshape(start.shape) * unit + origin,
                valid.reshape(start.shape[:2]),
                strict=True,
            )
        ]
        return [face for face, _ in moved], [reliable for _, reliable in moved]


def _move(
    face: Detection, before: np.ndarray, after: np.ndarray, enough: bool
) -> tuple[Detection, bool]:
    """Return the face where the points moved it, and whether they moved alike."""
    x, y, w, h = face.box
    center = np.array((x + w / 2, y + h / 2))
    if enough:
        matrix = similarity_transform(before, after)
        linear, shift = matrix[:, :2], matrix[:, 2]
        scale = math.hypot(*linear[0])
        moved = linear @ center + shift
        distances = np.hypot(*(before @ linear.T + shift - after).T)
        if (
            np.hypot(*(moved - center)) <= _MAX_STEP * w
            and 1 / _MAX_SCALE <= scale <= _MAX_SCALE
            and _median(distances) <= _MAX_DEVIATION * w
        ):
            w, h = w * scale, h * scale
            landmarks = face.landmarks
            if landmarks is not None:
                landmarks = (landmarks @ linear.T + shift).astype(np.float32)
            box = float(moved[0] - w / 2), float(moved[1] - h / 2), w, h
            return replace(face, box=box, landmarks=landmarks), True
    step = _median(after - before) if len(before) else np.zeros(2)
    landmarks = None if face.landmarks is None else face.landmarks + step.astype(np.float32)
    return replace(
        face, box=(x + float(step[0]), y + float(step[1]), w, h), landmarks=landmarks
    ), False


def _median(values: np.ndarray) -> np.ndarray:
    """Return the upper median along the first axis; NumPy's loads its masked arrays, 8 MB."""
    return np.sort(values, axis=0)[len(values) // 2]


def _gray(image: np.ndarray, left: int, top: int, right: int, bottom: int, times: int) -> _Gray:
    region = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_BGR2GRAY)
    return _Gray(halve(region, times), left, top, times, image.shape)
