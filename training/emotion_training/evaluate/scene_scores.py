# SPDX-License-Identifier: Apache-2.0
"""
Scores of detector, crop and classifier together, on faces pasted into scenes.

A 48x48 image of the dataset already has the crop that the network was trained on. On a robot the
detector determines the crop; the difference between the two scores of the same faces is the cost
of that.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from emotion_perception.alignment import crop_face
from emotion_perception.classification import EmotionClassifier
from emotion_perception.detection import DETECTORS, Detector, make_detector
from emotion_perception.types import Detection
from emotion_training.data.dataset import Dataset
from emotion_training.evaluate.evaluation import deployment_reference
from emotion_training.evaluate.metrics import markdown, percent, score
from emotion_training.evaluate.model_outputs import available_head, probabilities

SIDES_PX = (40, 64, 96, 128, 160, 200)
SCENE = (480, 640)
SEED = 1

_MARGIN = 0.6
"""Width of the faded border around a pasted face, in sides of the face."""

_SCENES = 32


class Place(NamedTuple):
    """A square in pixels."""

    x: int
    y: int
    side: int


def scene(rng: np.random.Generator) -> np.ndarray:
    """Return a synthetic background without faces, uint8 [480, 640]: soft shapes and noise."""
    gray = np.full(SCENE, rng.uniform(60, 190), np.float32)
    for cells in (3, 6, 12, 40):
        coarse = rng.normal(0, 60 / np.sqrt(cells), (cells, cells * 4 // 3)).astype(np.float32)
        gray += cv2.resize(coarse, SCENE[::-1], interpolation=cv2.INTER_CUBIC)
    gray += rng.normal(0, 3, SCENE).astype(np.float32)
    return np.clip(gray, 0, 255).astype(np.uint8)


def paste(
    face: np.ndarray, side: int, scene: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, Place]:
    """
    Paste one face into a scene at a random place.

    FER2013's images end at forehead and chin. The edge pixels are extended beyond the square and
    faded into the scene, so that the detector sees the shape of a head and no hard edge.

    Args:
        face: uint8 [48, 48].
        side: of the pasted square in pixels.
        scene: uint8 [480, 640].
        rng: for the place.

    Returns:
        The image, uint8 [480, 640, 3], and the place of the square.

    """
    shrink = cv2.INTER_AREA if side < len(face) else cv2.INTER_CUBIC
    large = cv2.resize(face, (side, side), interpolation=shrink)
    pad = round(_MARGIN * side)
    wide = cv2.copyMakeBorder(large, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    head = cv2.GaussianBlur(wide, (0, 0), side / 16)
    head[pad:-pad, pad:-pad] = large
    x, y = (int(rng.integers(pad, length - side - pad + 1)) for length in SCENE[::-1])
    ramp = np.minimum((np.arange(len(head)) + 1) / (pad + 1), 1)
    ramp = np.minimum(ramp, ramp[::-1])
    share = np.outer(ramp, ramp)
    image = scene.copy()
    around = image[y - pad : y + side + pad, x - pad : x + side + pad]
    around[:] = np.rint(around * (1 - share) + head * share)
    return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), Place(x, y, side)


def best_detection(faces: list[Detection], place: Place) -> Detection | None:
    """Return the detection with the highest score whose center is in `place`; None without one."""
    x, y, side = place
    inside = [
        face
        for face in faces
        if x <= face.box[0] + face.box[2] / 2 <= x + side
        and y <= face.box[1] + face.box[3] / 2 <= y + side
    ]
    return max(inside, key=lambda face: face.score, default=None)


def measure(
    model: Path, split: Dataset, detector: str = DETECTORS[0], detector_model: str = ''
) -> dict[str, Any]:
    """
    Score detector, crop and model on a split's faces in scenes, ready for json.

    Args:
        model: .tflite, .keras or .h5.
        split: whose faces are pasted.
        detector: a name in `DETECTORS`.
        detector_model: the detector's model file, if it needs one.

    Returns:
        For each side of `SIDES_PX` the rate of detected faces (``found``) and, for these, the
        scores of the detector's crop (``crop_square``) and of the dataset's image (``bare``).

    Raises:
        ModelError, DetectorError: if the model or the detector cannot be used here.

    """
    reference = deployment_reference(split)
    images, labels = split.images[reference.rows], reference.labels[reference.rows]
    head = available_head(model, reference.head)
    bare = probabilities(model, head, images)
    classifier = EmotionClassifier.load(model, head)
    face_detector = make_detector(detector, detector_model, 0.5, 20, 1)
    sizes = []
    for side in SIDES_PX:
        crops, rows, others = _detected_crops(images, side, face_detector)
        predicted = np.array([classifier.classify(crop[None])[0] for crop in crops])
        sizes.append(
            {
                'side_px': side,
                'found': round(len(rows) / len(images), 4),
                'other_detections': others,
                'crop_square': score(predicted, labels[rows]),
                'bare': score(bare[rows], labels[rows]),
                'same_answer': round(
                    float((predicted.argmax(1) == bare[rows].argmax(1)).mean()), 4
                ),
            }
            if rows
            else {'side_px': side, 'found': 0.0, 'other_detections': others}
        )
    return {
        'model': model.name,
        'sha256': hashlib.sha256(model.read_bytes()).hexdigest(),
        'detector': detector,
        'question': reference.name,
        'images': len(images),
        'seed': SEED,
        'bare': score(bare, labels),
        'sizes': sizes,
    }


def _detected_crops(
    images: np.ndarray, side: int, detector: Detector
) -> tuple[list[np.ndarray], list[int], int]:
    """Return the crops of the detected faces, their rows, and the number of other detections."""
    rng = np.random.default_rng((SEED, side))
    backgrounds = [scene(rng) for _ in range(_SCENES)]
    crops, rows, others = [], [], 0
    for row, image in enumerate(tqdm(images, unit='scene', desc=f'{side} px', disable=None)):
        frame, place = paste(image, side, backgrounds[row % _SCENES], rng)
        faces = detector.detect(frame)
        best = best_detection(faces, place)
        others += len(faces) - (best is not None)
        if best is not None:
            crops.append(crop_face(frame, best))
            rows.append(row)
    return crops, rows, others


def table(result: dict[str, Any]) -> str:
    """Return the result of `measure` as a Markdown table, per cent."""
    rows = []
    for row in result['sizes']:
        scores = [row.get(name) for name in ('crop_square', 'bare')]
        cells = [s and f'{percent(s["accuracy"])} ({percent(s["macro_recall"])})' for s in scores]
        rows.append(
            [row['side_px'], percent(row['found']), *cells, percent(row.get('same_answer'))]
        )
    headers = ['pasted, px', 'detected', "the detector's crop", "the dataset's crop", 'same label']
    return markdown(rows, headers)
