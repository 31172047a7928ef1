"""A pipeline whose networks answer from a journal as long as it lasts; all else in it works as ever."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from emotion_perception.bag.journal import Found
from emotion_perception.classification import EmotionClassifier
from emotion_perception.detection import Detector, RegionDetector
from emotion_perception.pipeline import Pipeline
from emotion_perception.types import Detection


class Again(ValueError):
    """An error that a part of the pipeline had raised over the same image; `kind` is its name."""

    def __init__(self, kind: str, text: str):
        """Take the name of its class, and its message."""
        super().__init__(text)
        self.kind = kind


class Memory:
    """
    Notes what the networks say of an image, or says it in their place.

    Tracking, smoothing and the choice of the images in which faces are searched rest on earlier images.
    They are not kept: they come about anew, by the same code and from the same answers.
    """

    def __init__(self) -> None:
        """Begin without an image."""
        self._found = Found('')
        self._recalling = False
        self._next = {'looks': 0, 'answers': 0}

    def begin(self, found: Found, recalling: bool) -> None:
        """Turn to the next image: answer from `found`, or note the answers there."""
        self._found, self._recalling = found, recalling
        self._next = {'looks': 0, 'answers': 0}

    def ask(self, where: str, ask: Callable[[], Any], pack: Callable, unpack: Callable) -> Any:
        """Return what a network says; it is only asked where that is not known."""
        rows = getattr(self._found, where)
        if self._recalling:
            kind, value = rows[self._next[where]]
            self._next[where] += 1
            if kind:
                raise Again(kind, value)
            return unpack(value)
        try:
            value = ask()
        except (cv2.error, ValueError) as error:
            rows.append((type(error).__name__, str(error)))
            raise
        rows.append(('', pack(value)))
        return value

    def pipeline(self, base: Pipeline) -> Pipeline:
        """Return `base` with networks that are asked through this memory."""
        kind = _LookingDetector if isinstance(base.detector, RegionDetector) else _Detector
        classifier = _Classifier(base.classifier, self)
        other = Pipeline(kind(base.detector, self), classifier, base.tracker, base.detect_every)
        other.settings = base.settings
        return other


class _Detector:
    def __init__(self, base: Detector, memory: Memory):
        self._base, self._memory = base, memory
        self.min_detection_score, self.min_face_px = base.min_detection_score, base.min_face_px

    def detect(
        self,
        image: np.ndarray,
        min_detection_score: float | None = None,
        min_face_px: int | None = None,
    ) -> list[Detection]:
        return self._memory.ask(
            'looks',
            lambda: self._base.detect(image),
            lambda faces: [_packed(face) for face in faces],
            lambda rows: [_unpacked(row) for row in rows],
        )


class _LookingDetector(_Detector):
    def detect_in_region(
        self, image: np.ndarray, box: tuple[float, float, float, float]
    ) -> Detection | None:
        assert isinstance(self._base, RegionDetector)
        base = self._base
        return self._memory.ask(
            'looks',
            lambda: base.detect_in_region(image, box),
            lambda face: None if face is None else _packed(face),
            lambda row: None if row is None else _unpacked(row),
        )


class _Classifier(EmotionClassifier):
    def __init__(self, base: EmotionClassifier, memory: Memory):
        self._base, self._memory = base, memory
        self.metadata, self.head = base.metadata, base.head

    def classify(self, faces: np.ndarray) -> np.ndarray:
        return self._memory.ask(
            'answers',
            lambda: self._base.classify(faces),
            lambda rows: rows.tolist(),
            lambda rows: np.array(rows, np.float32).reshape(-1, len(self.labels)),
        )


def _packed(face: Detection) -> list[Any]:
    """Return a face as json keeps it; its numbers come back as they were."""
    marks = None if face.landmarks is None else face.landmarks.tolist()
    return [list(map(float, face.box)), float(face.score), marks]


def _unpacked(row: list[Any]) -> Detection:
    box, score, marks = row
    return Detection(tuple(box), score, None if marks is None else np.array(marks, np.float32))
