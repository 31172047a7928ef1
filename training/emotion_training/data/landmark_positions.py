# SPDX-License-Identifier: Apache-2.0
"""Measure where the landmarks are in a dataset's images, so that the robot's crops match them."""

from dataclasses import dataclass

import cv2
import numpy as np
from tqdm import tqdm

from emotion_perception.detection.blazeface import BlazeFaceDetector

_MARGIN_PX = 4


@dataclass(frozen=True)
class LandmarkPositions:
    """
    Landmark positions in grayscale face images.

    Attributes:
        median: float [3, 2] pixels: left eye, right eye (in the image), center of the mouth.
        spread: float [3, 2] pixels: half the distance from the 16th to the 84th percentile.
        found: number of images in which the detector found a face.

    """

    median: np.ndarray
    spread: np.ndarray
    found: int


def measure(images: np.ndarray, min_detection_score: float = 0.7) -> LandmarkPositions:
    """Return where the landmarks of faces that fill the images, uint8 [N, S, S], are."""
    detector = BlazeFaceDetector(min_detection_score=min_detection_score)
    side = images.shape[1] - 2 * _MARGIN_PX
    landmarks = []
    for image in tqdm(images, unit='image', desc='landmarks'):
        face = detector.detect_in_region(
            cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), (_MARGIN_PX, _MARGIN_PX, side, side)
        )
        if face is not None and face.landmarks is not None:
            landmarks.append(face.landmarks)
    low, median, high = np.percentile(np.array(landmarks), (16, 50, 84), axis=0)
    return LandmarkPositions(median, (high - low) / 2, len(landmarks))
