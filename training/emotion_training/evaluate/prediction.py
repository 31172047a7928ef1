"""Which expression each face in pictures shows, with a face detector or for faces that are cut out."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from emotion_perception.classification import EmotionClassifier
from emotion_perception.errors import ImageError
from emotion_perception.pipeline import Pipeline
from emotion_perception.tracking import SmoothedExpression, TrackingSettings
from emotion_perception.types import Box, FaceEmotion
from emotion_perception.visualization import annotate
from emotion_training.evaluate.prediction_rows import rows_of
from emotion_training.files import write_whole

Reader = Callable[[np.ndarray], list[FaceEmotion]]
"""Tells what the faces in a BGR picture, uint8 [H, W, 3], show."""

_SMALLEST_ANNOTATED_PX = 240


def whole_pictures(model: Path | None, head: str, settings: TrackingSettings) -> Reader:
    """Return a reader that looks for faces first."""
    return Pipeline.default(tracking=False, model=model, head=head, settings=settings).process


def cropped_faces(model: Path | None, head: str, settings: TrackingSettings) -> Reader:
    """Return a reader of pictures that are one face each, cut out as those of FER2013 are."""
    classifier = EmotionClassifier.load(model, head)

    def read(image: np.ndarray) -> list[FaceEmotion]:
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        if gray.shape != (48, 48):
            how = cv2.INTER_AREA if min(gray.shape) > 48 else cv2.INTER_LINEAR
            gray = cv2.resize(gray, (48, 48), interpolation=how)
        probabilities = classifier.classify(gray[None])[0]
        shown = SmoothedExpression()
        shown.update(probabilities, 0.0, settings)
        height, width = image.shape[:2]
        return [
            FaceEmotion(
                face_id=0,
                box=Box(0, 0, width, height),
                detection_score=float('nan'),
                probabilities=probabilities,
                smoothed=probabilities,
                label=shown.label,
                confidence=shown.confidence,
                tracked_for_s=0.0,
            )
        ]

    return read


def annotated_copy(image: np.ndarray, faces: Sequence[FaceEmotion]) -> np.ndarray:
    """
    Return a picture with boxes and labels; small ones are enlarged to be readable.

    Args:
        image: BGR uint8 [H, W, 3].
        faces: what was read in it.

    """
    scale = max(1, -(-_SMALLEST_ANNOTATED_PX // min(image.shape[:2])))
    enlarged = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    moved = [dataclasses.replace(f, box=Box(*(scale * side for side in f.box))) for f in faces]
    return annotate(enlarged, moved)


def predict(
    pictures: Iterable[tuple[str, Callable[[], np.ndarray]]],
    read: Reader,
    refused: Callable[[str], None],
    annotated: Path | None = None,
) -> Iterator[dict[str, Any]]:
    """
    Yield the rows of one picture after the other, as `prediction_rows.rows_of` gives them.

    Args:
        pictures: name of each and what loads it.
        read: finds what the faces show.
        refused: is told of each picture that cannot be read, which is left out.
        annotated: folder for annotated copies as png, or None for none. Where pictures have the
            same name, a number is added.

    """
    used: dict[str, int] = {}
    for source, load in pictures:
        try:
            image = load()
        except (ImageError, OSError) as error:
            refused(f'{source}: {getattr(error, "strerror", None) or error}')
            continue
        faces = read(image)
        if annotated:
            stem = Path(source).stem
            used[stem] = used.get(stem, 0) + 1
            name = stem if used[stem] == 1 else f'{stem}-{used[stem]}'
            png = cv2.imencode('.png', annotated_copy(image, faces))[1]
            write_whole(annotated / f'{name}.png', png.tobytes())
        yield from rows_of(source, faces)
