"""Measure where eyes and mouth sit in the dataset's images, so that the robot's crops can match."""

from dataclasses import dataclass

import cv2
import numpy as np
from tqdm import tqdm

from emotion_perception.detection.blazeface import BlazeFaceDetector


@dataclass(frozen=True)
class Geometry:
    """
    Where landmarks sit in 48x48 images.

    Attributes:
        median: float [3, 2] pixels: eye at the left, eye at the right, middle of the mouth.
        spread: float [3, 2]: half the distance from the 16th to the 84th percentile.
        found: images in which the detector saw a face.
        images: images looked at.

    """

    median: np.ndarray
    spread: np.ndarray
    found: int
    images: int


def measure(images: np.ndarray, min_detection_score: float = 0.7) -> Geometry:
    """
    Return the landmark geometry of grayscale images, uint8 [N, S, S], found by BlazeFace.

    An image is looked at as a face that fills it, with a margin all round.
    """
    detector = BlazeFaceDetector(min_detection_score=min_detection_score)
    side = images.shape[1]
    landmarks = []
    for image in tqdm(images, unit='image', desc='landmarks'):
        face = detector.detect_in_region(
            cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), (4, 4, side - 8, side - 8)
        )
        if face is not None and face.landmarks is not None:
            landmarks.append(face.landmarks)
    low, median, high = np.percentile(np.array(landmarks), (16, 50, 84), axis=0)
    return Geometry(median, (high - low) / 2, len(landmarks), len(images))
