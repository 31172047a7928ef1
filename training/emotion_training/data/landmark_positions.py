# SPDX-License-Identifier: Apache-2.0
"""Measure where the landmarks are in a dataset's images, so that the robot's crops match them."""

import cv2
import numpy as np
from tqdm import tqdm

from emotion_perception.detection.blazeface import BlazeFaceDetector
from emotion_perception.types import Detection

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
    whole = Detection((_MARGIN_PX, _MARGIN_PX, side, side), 1.0)
    faces = (
        detector.detect_in_region(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), whole)
        for image in tqdm(images, unit='image', desc='landmarks')
    )
    return np.array(
        [
            face.landmarks
            for face in faces
            if face is not None
            and face.landmarks is not None
            and face.score >= min_detection_score
        ]
    )
