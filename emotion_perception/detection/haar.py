# SPDX-License-Identifier: Apache-2.0
"""OpenCV's Haar cascade (Viola and Jones, 2001): no network, no landmarks, no true score."""

from pathlib import Path

import cv2
import numpy as np

from emotion_perception.detection.base import MIN_FACE_PX
from emotion_perception.errors import DetectorError
from emotion_perception.geometry import central_face, crop_region, to_image_coordinates
from emotion_perception.types import Detection

_FILE = 'haarcascade_frontalface_default.xml'
CASCADE_FOLDERS = ('/usr/share/opencv4/haarcascades', '/usr/share/opencv/haarcascades')
"""Of Debian's and Ubuntu's package opencv-data; OpenCV's wheels have their own folder."""

_REGION_SCALE = 2.0
_REGION_PX = 96
"""A region is this multiple of the box, scaled to this side: its face is about 48 pixels wide."""
_REGION_MIN_FACE_PX = 32


def find_cascade() -> Path:
    """
    Return the frontal face cascade that came with OpenCV.

    Raises:
        DetectorError: if OpenCV has no cascades (version 5) or the file is not installed.

    """
    if not hasattr(cv2, 'CascadeClassifier'):
        raise DetectorError(
            f'OpenCV {cv2.__version__} has no haar cascades; use the detector blazeface'
        )
    own = getattr(getattr(cv2, 'data', None), 'haarcascades', None)
    for folder in (own, *CASCADE_FOLDERS):
        if folder and (Path(folder) / _FILE).is_file():
            return Path(folder) / _FILE
    raise DetectorError(
        f'{_FILE} was not found; install opencv-data or use the detector blazeface'
    )


class HaarDetector:
    """Detects upright frontal faces."""

    def __init__(self, min_face_px: int = MIN_FACE_PX):
        """
        Load the cascade.

        Args:
            min_face_px: smallest reported width in pixels.

        Raises:
            DetectorError: if the cascade is not installed or damaged.

        """
        path = find_cascade()
        self._cascade = cv2.CascadeClassifier()
        try:
            loaded = self._cascade.load(str(path))
        except cv2.error:
            loaded = False
        if not loaded:
            raise DetectorError(
                f'{path} cannot be loaded; install opencv-data again or use the detector blazeface'
            )
        self.min_face_px = min_face_px
        self.min_detection_score = 0.0

    def detect(
        self,
        image: np.ndarray,
        min_detection_score: float | None = None,
        min_face_px: int | None = None,
    ) -> list[Detection]:
        """
        Return the faces in an image, best score first: see `Detector`.

        With n agreeing windows of the cascade the score is 1 - 1 / (1 + n / 10), a rank and no
        probability, so `min_detection_score` is ignored.
        """
        return self._run(image, self.min_face_px if min_face_px is None else min_face_px)

    def detect_in_region(self, image: np.ndarray, face: Detection) -> Detection | None:
        """Return the face in and around a detection, or None: see `RegionDetector`."""
        crop = crop_region(image, face, _REGION_SCALE, _REGION_PX)
        found = central_face(self._run(crop.pixels, _REGION_MIN_FACE_PX), _REGION_PX)
        return None if found is None else to_image_coordinates(found, crop)

    def _run(self, image: np.ndarray, min_face_px: int) -> list[Detection]:
        gray = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
        boxes, counts = self._cascade.detectMultiScale2(
            gray, scaleFactor=1.1, minNeighbors=8, minSize=(min_face_px, min_face_px)
        )
        faces = [
            Detection((float(x), float(y), float(w), float(h)), 1 - 1 / (1 + float(n) / 10))
            for (x, y, w, h), n in zip(boxes, np.ravel(counts), strict=True)
        ]
        return sorted(faces, key=lambda face: -face.score)
