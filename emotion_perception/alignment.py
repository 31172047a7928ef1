# SPDX-License-Identifier: Apache-2.0
"""Crop faces as the training images are cropped: eyes and mouth where FER2013 has them."""

import cv2
import numpy as np

from emotion_perception.geometry import halve, halving_count, similarity_transform
from emotion_perception.types import Detection

FACE_SIDE_PX = 48
"""Side of a crop."""

FER2013_LANDMARKS = np.array(((15.1, 18.8), (32.9, 18.8), (24.0, 37.2)), np.float64)
"""
Left eye, right eye and center of the mouth in a 48x48 image, in pixels from its corner.

Medians over FER2013's training images, made symmetric: `emotion-training geometry`.
"""


def crop_matrix(face: Detection) -> np.ndarray:
    """Return the transform from image to crop coordinates, float64 [2, 3]."""
    if face.landmarks is not None and np.ptp(face.landmarks, axis=0).max() >= 2:
        return similarity_transform(face.landmarks.astype(np.float64), FER2013_LANDMARKS)
    # FER2013's images are close to the square box that a cascade finds
    x, y, w, h = face.box
    side = max(w, h, 1.0)
    scale = FACE_SIDE_PX / side
    corner = x + w / 2 - side / 2, y + h / 2 - side / 2
    return np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]])


def crop_face(image: np.ndarray, face: Detection) -> np.ndarray:
    """
    Return the aligned grayscale crop of one face.

    Args:
        image: BGR uint8 [H, W, 3].
        face: its landmarks decide where there are any, else its box; outside the image the
            border is repeated.

    Returns:
        uint8 [48, 48].

    """
    matrix = crop_matrix(face)
    gray, matrix = _gray_surroundings(image, matrix)
    # our coordinates count from the edge of the first pixel, OpenCV's from its center
    matrix[:, 2] += matrix[:, :2].sum(1) / 2 - 0.5
    size = FACE_SIDE_PX, FACE_SIDE_PX
    return cv2.warpAffine(
        gray, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _gray_surroundings(image: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Return the face's region in gray, halved until the warp does not alias, and its transform.

    Args:
        image: BGR uint8 [H, W, 3].
        matrix: float64 [2, 3], from image to crop coordinates.

    """
    times = halving_count(image, float(np.hypot(matrix[0, 0], matrix[1, 0])))
    unit = 2**times
    inverse = cv2.invertAffineTransform(matrix)
    side = FACE_SIDE_PX
    corners = np.array(((0, 0), (side, 0), (0, side), (side, side)), np.float64)
    corners = corners @ inverse[:, :2].T + inverse[:, 2]
    height, width = image.shape[:2]
    # room for the interpolation, and for what halving leaves out at the right and at the bottom
    margin = 4 * unit
    left, top = np.floor(
        np.clip(corners.min(0) - margin, 0, (width - unit, height - unit))
    ).astype(int)
    right, bottom = np.ceil(corners.max(0) + margin).astype(int)
    right, bottom = max(min(right, width), left + unit), max(min(bottom, height), top + unit)
    region = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_BGR2GRAY)
    moved = matrix[:, :2] @ (left, top) + matrix[:, 2]
    return halve(region, times), np.column_stack((matrix[:, :2] * unit, moved))
