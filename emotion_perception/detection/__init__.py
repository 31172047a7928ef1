# SPDX-License-Identifier: Apache-2.0
"""Face detectors behind one interface: `Detector.detect(image) -> list[Detection]`."""

from pathlib import Path

from emotion_perception.detection.base import (
    MIN_FACE_PX,
    SEARCH_WIDTH_PX,
    Detector,
    RegionDetector,
    ViewDetector,
)

__all__ = [
    'DETECTORS',
    'MIN_FACE_PX',
    'SEARCH_WIDTH_PX',
    'Detector',
    'RegionDetector',
    'ViewDetector',
    'make_detector',
]

DETECTORS = ('blazeface', 'yunet', 'haar')
"""Names that `make_detector` accepts; the first is the default."""


def make_detector(
    name: str = DETECTORS[0],
    model_path: str | Path = '',
    min_detection_score: float = 0.5,
    min_face_px: int = MIN_FACE_PX,
    threads: int = 1,
    search_width: int = SEARCH_WIDTH_PX,
) -> Detector:
    """
    Create the detector called `name`.

    Args:
        name: one of `DETECTORS`.
        model_path: the network's file, which yunet needs; blazeface and haar find theirs, unless
            this is the folder of BlazeFace's.
        min_detection_score: lowest reported score, 0..1.
        min_face_px: smallest reported width in pixels.
        threads: of the network's interpreter.
        search_width: longer side to which yunet shrinks an image, in pixels.

    Raises:
        ValueError: if there is no such detector.
        DetectorError: if it cannot be created on this machine.

    """
    if name == 'blazeface':
        from emotion_perception.detection.blazeface import BlazeFaceDetector

        return BlazeFaceDetector(model_path or None, min_detection_score, min_face_px, threads)
    if name == 'yunet':
        from emotion_perception.detection.yunet import YuNetDetector

        return YuNetDetector(model_path, min_detection_score, min_face_px, search_width)
    if name == 'haar':
        from emotion_perception.detection.haar import HaarDetector

        return HaarDetector(min_face_px)
    raise ValueError(f'unknown detector {name!r}; choose one of {", ".join(DETECTORS)}')
