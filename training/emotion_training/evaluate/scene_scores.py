"""
The path from image to answer as the robot runs it: faces pasted into scenes, found, cut out, classified.

A 48x48 face that is shown to the network as it is has the crop that the network learned from. On the robot the
detector decides the crop; what that costs is the difference between the two, asked of the same faces.
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
from emotion_training import markdown
from emotion_training.data.dataset import Dataset
from emotion_training.evaluate.corruption_scores import question_of_the_robot
from emotion_training.evaluate.metrics import score
from emotion_training.evaluate.model_outputs import answers, head_for
from emotion_training.markdown import percent

SIDES_PX = (40, 64, 96, 128, 160, 200)
SCENE = (480, 640)
SEED = 1

_MARGIN = 0.6
"""How far a pasted face goes on around its square, in sides of it."""

_SCENES = 32


class Place(NamedTuple):
    """A square in pixels."""

    x: int
    y: int
    side: int


def scene(rng: np.random.Generator) -> np.ndarray:
    """Return a drawn background without faces, uint8 [480, 640]: soft shapes of all sizes and some noise."""
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
    Put one face somewhere into a scene.

    FER2013's images end at forehead and chin; around the square its edge goes on, ever softer, until it is
    the scene, so that the detector sees something like a head and not a cut edge.

    Args:
        face: uint8 [48, 48].
        side: of the pasted square in pixels.
        scene: uint8 [480, 640].
        rng: draws the place.

    Returns:
        uint8 [480, 640, 3], and where the square is.

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


def found_in(place: Place, faces: list[Detection]) -> Detection | None:
    """Return the best of the detections whose middle lies in the square `place`; None without one."""
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
    Score detector, crop and model on the split's faces in scenes, as json has it.

    Args:
        model: file that the robot could load.
        split: whose faces are pasted.
        detector: a name in `DETECTORS`.
        detector_model: the detector's own file, where it needs one.

    Returns:
        For each size of `SIDES_PX` how many faces were found, and of these the score of the robot's crop
        beside that of the bare image.

    Raises:
        ModelError, DetectorError: if the model or the detector cannot be used here.

    """
    question = question_of_the_robot(split)
    images, labels = split.images[question.rows], question.labels[question.rows]
    head = head_for(model, question.head)
    bare = answers(model, head, images)
    classifier = EmotionClassifier.load(model, head)
    finder = make_detector(detector, detector_model, 0.5, 20, 1)
    sizes = []
    for side in SIDES_PX:
        crops, rows, others = _cut_out(images, side, finder)
        told = np.array([classifier.classify(crop[None])[0] for crop in crops])
        sizes.append(
            {
                'side_px': side,
                'found': round(len(rows) / len(images), 4),
                'other_detections': others,
                'crop_square': score(told, labels[rows]),
                'bare': score(bare[rows], labels[rows]),
                'same_answer': round(float((told.argmax(1) == bare[rows].argmax(1)).mean()), 4),
            }
            if rows
            else {'side_px': side, 'found': 0.0, 'other_detections': others}
        )
    return {
        'model': model.name,
        'sha256': hashlib.sha256(model.read_bytes()).hexdigest(),
        'detector': detector,
        'question': question.name,
        'images': len(images),
        'seed': SEED,
        'bare': score(bare, labels),
        'sizes': sizes,
    }


def _cut_out(
    images: np.ndarray, side: int, detector: Detector
) -> tuple[list[np.ndarray], list[int], int]:
    """Return the robot's crops of the pasted faces that were found, their rows, and how many others were."""
    rng = np.random.default_rng((SEED, side))
    backgrounds = [scene(rng) for _ in range(_SCENES)]
    crops, rows, others = [], [], 0
    for row, image in enumerate(tqdm(images, unit='scene', desc=f'{side} px', disable=None)):
        picture, place = paste(image, side, backgrounds[row % _SCENES], rng)
        faces = detector.detect(picture)
        best = found_in(place, faces)
        others += len(faces) - (best is not None)
        if best is not None:
            crops.append(crop_face(picture, best))
            rows.append(row)
    return crops, rows, others


def table(result: dict[str, Any]) -> str:
    """Return what `measure` returned as a Markdown table, per cent."""
    rows = []
    for row in result['sizes']:
        scores = [row.get(name, {}) for name in ('crop_square', 'bare')]
        cells = [
            f'{percent(found["accuracy"])} ({percent(found["macro_recall"])})' if found else ''
            for found in scores
        ]
        rows.append(
            (str(row['side_px']), percent(row['found']), *cells, percent(row.get('same_answer')))
        )
    heading = 'pasted, px', 'found', "the robot's crop", 'the same faces, bare', 'same answer'
    return '\n'.join(markdown.table(heading, rows))
