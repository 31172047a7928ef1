# SPDX-License-Identifier: Apache-2.0
"""YuNet (Wu et al., 2023) in OpenCV: slower, better on small and turned faces; brings no file."""

from pathlib import Path

import cv2
import numpy as np

from emotion_perception.detection.base import MIN_FACE_PX, SEARCH_WIDTH_PX
from emotion_perception.errors import DetectorError, is_unicode
from emotion_perception.geometry import central_face, crop_region, to_image_coordinates
from emotion_perception.types import Detection

_MIN_SIDE_PX = 64
"""Smaller images are padded: with sides up to 32 pixels OpenCV returns uninitialized memory."""
_REGION_SCALE = 2.5
_REGION_PX = 128
"""A region is this multiple of the box, scaled to this side: its face is about 50 pixels wide."""


class YuNetDetector:
    """Detects faces with OpenCV's FaceDetectorYN."""

    def __init__(
        self,
        model_path: str | Path,
        min_detection_score: float = 0.5,
        min_face_px: int = MIN_FACE_PX,
        search_width: int = SEARCH_WIDTH_PX,
    ):
        """
        Load the network.

        Args:
            model_path: face_detection_yunet_2023mar.onnx of opencv_zoo.
            min_detection_score: lowest reported score, 0..1.
            min_face_px: smallest reported width in pixels.
            search_width: longer side to which an image is shrunk before the search, in pixels.

        Raises:
            DetectorError: if OpenCV is too old, or the file is missing or damaged.

        """
        if tuple(map(int, cv2.__version__.split('.')[:2])) < (4, 8):
            raise DetectorError(f'yunet needs OpenCV 4.8 or newer, this is {cv2.__version__}')
        if not str(model_path):
            raise DetectorError(
                'yunet needs the path of face_detection_yunet_2023mar.onnx (opencv_zoo) '
                'as detector_model'
            )
        if not Path(model_path).is_file():
            raise DetectorError(f'yunet: there is no file {model_path}')
        if not is_unicode(model_path):
            raise DetectorError(f'yunet: the name of {model_path} is not UTF-8; rename it')
        try:
            # two networks, because a change of the input's size is slow
            self._image_network, self._region_network = (
                cv2.FaceDetectorYN.create(str(model_path), '', (side, side), min_detection_score)
                for side in (320, _REGION_PX)
            )
        except cv2.error as error:
            raise DetectorError(f'yunet: {model_path} cannot be loaded: {error.err}') from None
        self.min_detection_score = min_detection_score
        self.min_face_px = min_face_px
        self._search_width = search_width

    def detect(
        self,
        image: np.ndarray,
        min_detection_score: float | None = None,
        min_face_px: int | None = None,
    ) -> list[Detection]:
        """Return the faces in an image, best score first: see `Detector`."""
        min_score = (
            self.min_detection_score if min_detection_score is None else min_detection_score
        )
        min_width = self.min_face_px if min_face_px is None else min_face_px
        height, width = image.shape[:2]
        scale = min(1.0, self._search_width / max(height, width))
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        if scale < 1:
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        if min(size) < _MIN_SIDE_PX:
            missing = [max(_MIN_SIDE_PX - length, 0) for length in size]
            image = cv2.copyMakeBorder(image, 0, missing[1], 0, missing[0], cv2.BORDER_CONSTANT)
        self._image_network.setInputSize(image.shape[1::-1])
        self._image_network.setScoreThreshold(min_score)
        faces = _to_detections(self._image_network.detect(image)[1], scale)
        return [face for face in faces if face.box[2] >= min_width]

    def detect_in_region(self, image: np.ndarray, face: Detection) -> Detection | None:
        """Return the face in and around a detection, or None: see `RegionDetector`."""
        crop = crop_region(image, face, _REGION_SCALE, _REGION_PX)
        self._region_network.setScoreThreshold(self.min_detection_score)
        faces = _to_detections(self._region_network.detect(crop.pixels)[1], 1.0)
        found = central_face(faces, _REGION_PX)
        return None if found is None else to_image_coordinates(found, crop)


def _to_detections(rows: np.ndarray | None, scale: float) -> list[Detection]:
    """Return the faces in the output of the network, best score first, in pixels of the image."""
    faces = []
    for row in () if rows is None else rows:
        x, y, w, h = (float(value / scale) for value in row[:4])
        right_eye, left_eye, _, mouth_right, mouth_left = row[4:14].reshape(5, 2) / scale
        landmarks = np.stack((right_eye, left_eye, (mouth_right + mouth_left) / 2))
        faces.append(Detection((x, y, w, h), float(row[14]), landmarks.astype(np.float32)))
    return sorted(faces, key=lambda face: -face.score)
