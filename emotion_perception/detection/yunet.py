"""YuNet (Wu et al., 2023) through OpenCV: slower, better on small and turned faces; its file is not shipped."""

from pathlib import Path

import cv2
import numpy as np

from emotion_perception.errors import DetectorError
from emotion_perception.geometry import central_face, crop_square, to_image_coordinates
from emotion_perception.types import Detection

_LONGEST_SIDE_PX = 640
_SHORTEST_SIDE_PX = 64
"""Smaller images are widened: where a side is 32 pixels or less OpenCV answers with left-over memory."""
_SECOND_LOOK_SCALE = 2.5
_SECOND_LOOK_PX = 128
"""Cut-out of a second look: a multiple of the face, downscale to where that is about 50 pixels wide."""


class YuNetDetector:
    """Finds faces with OpenCV's FaceDetectorYN; keeps no memory of earlier images."""

    def __init__(
        self, model_path: str | Path, min_detection_score: float = 0.5, min_face_px: int = 20
    ):
        """
        Load the network.

        Args:
            model_path: face_detection_yunet_2023mar.onnx of opencv_zoo.
            min_detection_score: faces below this score are not reported, 0..1.
            min_face_px: narrower faces are not reported.

        Raises:
            DetectorError: if OpenCV is too old or the file is missing or damaged.

        """
        if tuple(map(int, cv2.__version__.split('.')[:2])) < (4, 8):
            raise DetectorError(f'yunet needs OpenCV 4.8 or newer, this is {cv2.__version__}')
        if not str(model_path):
            raise DetectorError(
                'yunet needs the path of face_detection_yunet_2023mar.onnx (opencv_zoo) as detector_model'
            )
        if not Path(model_path).is_file():
            raise DetectorError(f'yunet: there is no file {model_path}')
        try:
            # one for each use: a network that changes its input's size lays itself out anew
            self._network, self._near = (
                cv2.FaceDetectorYN.create(str(model_path), '', (side, side), min_detection_score)
                for side in (320, _SECOND_LOOK_PX)
            )
        except cv2.error as error:
            raise DetectorError(f'yunet: {model_path} cannot be loaded: {error.err}') from None
        self._min_detection_score = min_detection_score
        self.min_face_px = min_face_px

    @property
    def min_detection_score(self) -> float:
        """Faces below this score are not reported, 0..1; may be set at any time."""
        return self._min_detection_score

    @min_detection_score.setter
    def min_detection_score(self, value: float) -> None:
        self._network.setScoreThreshold(value)
        self._near.setScoreThreshold(value)
        self._min_detection_score = value

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return the faces in a BGR image, uint8 [H, W, 3], best score first."""
        height, width = image.shape[:2]
        scale = min(1.0, _LONGEST_SIDE_PX / max(height, width))
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        if scale < 1:
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        if min(size) < _SHORTEST_SIDE_PX:
            missing = [max(_SHORTEST_SIDE_PX - length, 0) for length in size]
            image = cv2.copyMakeBorder(image, 0, missing[1], 0, missing[0], cv2.BORDER_CONSTANT)
        self._network.setInputSize(image.shape[1::-1])
        faces = _read(self._network.detect(image)[1], scale)
        return [face for face in faces if face.box[2] >= self.min_face_px]

    def detect_in_region(
        self, image: np.ndarray, box: tuple[float, float, float, float]
    ) -> Detection | None:
        """Return the face in and around `box`, or None: see `RegionDetector`."""
        piece = crop_square(image, box, _SECOND_LOOK_SCALE, _SECOND_LOOK_PX)
        faces = _read(self._near.detect(piece.pixels)[1], 1.0)
        face = central_face(faces, _SECOND_LOOK_PX)
        return None if face is None else to_image_coordinates(face, piece)


def _read(rows: np.ndarray | None, scale: float) -> list[Detection]:
    """Return the faces in the network's answer, best first; `scale` is how much the image was downscale."""
    faces = []
    for row in () if rows is None else rows:
        x, y, w, h = (float(value / scale) for value in row[:4])
        right_eye, left_eye, _, mouth_right, mouth_left = row[4:14].reshape(5, 2) / scale
        landmarks = np.stack((right_eye, left_eye, (mouth_right + mouth_left) / 2))
        faces.append(Detection((x, y, w, h), float(row[14]), landmarks.astype(np.float32)))
    return sorted(faces, key=lambda face: -face.score)
