# SPDX-License-Identifier: Apache-2.0
"""Crop faces as the training images are cropped: eyes and mouth where FER2013 has them."""

import cv2
import numpy as np

from emotion_perception.geometry import similarity_transform, warp_square
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
    return warp_square(
        image, crop_matrix(face), FACE_SIDE_PX, gray=True, border=cv2.BORDER_REPLICATE
    )
