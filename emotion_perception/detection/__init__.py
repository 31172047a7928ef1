"""Face detectors behind one interface: `Detector.detect(image) -> list[Detection]`."""

from emotion_perception.detection.interface import (
    Detection,
    Detector,
    DetectorError,
    SecondLook,
)
from emotion_perception.detection.registry import DETECTORS, make_detector

__all__ = ['DETECTORS', 'Detection', 'Detector', 'DetectorError', 'SecondLook', 'make_detector']
