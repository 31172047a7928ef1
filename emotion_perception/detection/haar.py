"""OpenCV's Haar cascade (Viola and Jones, 2001), for machines that have nothing else; no eyes, no true score."""

from pathlib import Path

import cv2
import numpy as np

from emotion_perception.errors import DetectorError
from emotion_perception.geometry import central_face, crop_square, to_image_coordinates
from emotion_perception.types import Detection

_FILE = 'haarcascade_frontalface_default.xml'
_FOLDERS = ('/usr/share/opencv4/haarcascades', '/usr/share/opencv/haarcascades')
"""Where Debian's and Ubuntu's opencv-data package puts the files; the wheels name their own folder."""


def find_cascade() -> Path:
    """
    Return the frontal face cascade that came with OpenCV.

    Raises:
        DetectorError: if OpenCV has no cascade classifier (version 5) or brought no files.

    """
    if not hasattr(cv2, 'CascadeClassifier'):
        raise DetectorError(
            f'OpenCV {cv2.__version__} has no haar cascades; use the detector blazeface'
        )
    own = getattr(getattr(cv2, 'data', None), 'haarcascades', None)
    for folder in (own, *_FOLDERS):
        if folder and (Path(folder) / _FILE).is_file():
            return Path(folder) / _FILE
    raise DetectorError(
        f'{_FILE} was not found; install opencv-data or use the detector blazeface'
    )


_SECOND_LOOK_SCALE = 2.0
_SECOND_LOOK_PX = 96
"""Cut-out of a second look: a multiple of the face, downscale to where that is about 48 pixels wide."""
_SECOND_LOOK_SMALLEST_PX = 32


class HaarDetector:
    """Finds upright frontal faces; keeps no memory of earlier images."""

    def __init__(self, min_face_px: int = 20):
        """
        Load the cascade.

        Raises:
            DetectorError: if it is not there or damaged.

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

    def detect(self, image: np.ndarray) -> list[Detection]:
        """
        Return the faces in a BGR image, uint8 [H, W, 3], best first.

        A cascade counts agreeing windows n; the score is given as 1 - 1 / (1 + n / 10), a rank and no
        probability. `min_detection_score` does not apply.
        """
        return self._find(image, self.min_face_px)

    def detect_in_region(
        self, image: np.ndarray, box: tuple[float, float, float, float]
    ) -> Detection | None:
        """Return the face in and around `box`, or None: see `RegionDetector`."""
        piece = crop_square(image, box, _SECOND_LOOK_SCALE, _SECOND_LOOK_PX)
        found = self._find(piece.pixels, _SECOND_LOOK_SMALLEST_PX)
        face = central_face(found, _SECOND_LOOK_PX)
        return None if face is None else to_image_coordinates(face, piece)

    def _find(self, image: np.ndarray, min_face_px: int) -> list[Detection]:
        gray = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
        boxes, counts = self._cascade.detectMultiScale2(
            gray, scaleFactor=1.1, minNeighbors=8, minSize=(min_face_px, min_face_px)
        )
        faces = [
            Detection((float(x), float(y), float(w), float(h)), 1 - 1 / (1 + float(n) / 10))
            for (x, y, w, h), n in zip(boxes, np.ravel(counts), strict=True)
        ]
        return sorted(faces, key=lambda face: -face.score)
