# SPDX-License-Identifier: Apache-2.0
"""Measure where the landmarks are in a dataset's images, so that the robot's crops match them."""

import cv2
import numpy as np
from tqdm import tqdm

from emotion_perception.detection.blazeface import BlazeFaceDetector

_MARGIN_PX = 4


def find_landmarks(images: np.ndarray, min_detection_score: float = 0.7) -> np.ndarray:
    """
    Return the landmarks of faces that fill their images.

    Args:
        images: uint8 [N, S, S], grayscale.
        min_detection_score: images with a lower score are skipped, 0..1.

    Returns:
        float [M, 3, 2] pixels for the M images with a detected face: left eye, right eye (as seen
        in the image), center of the mouth.

    """
    detector = BlazeFaceDetector(min_detection_score=min_detection_score)
    side = images.shape[1] - 2 * _MARGIN_PX
    region = _MARGIN_PX, _MARGIN_PX, side, side
    faces = (
        detector.detect_in_region(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), region)
        for image in tqdm(images, unit='image', desc='landmarks')
    )
    return np.array([f.landmarks for f in faces if f is not None and f.landmarks is not None])
