# SPDX-License-Identifier: Apache-2.0
"""One pipeline for the stream, the service and parameter changes, one at a time."""

import threading
from typing import Any

import numpy as np

from emotion_perception.anonymization import FaceBlurrer
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.parameters import tracking_settings
from emotion_perception.types import FaceEmotion


class SharedPipeline:
    """A `Pipeline` that several threads may use; the only owner of its lock."""

    def __init__(self, pipeline: Pipeline):
        """Share `pipeline`, which nobody else may use from then on."""
        self._pipeline, self._lock = pipeline, threading.Lock()

    @property
    def details(self) -> dict[str, Any]:
        """Model, its checksum and its head, for diagnostics."""
        metadata = self._pipeline.classifier.metadata
        return {
            'model': metadata.name,
            'model_sha256': metadata.sha256[:12],
            'head': self._pipeline.classifier.head,
        }

    @property
    def tracked_ids(self) -> frozenset[int]:
        """Ids of the tracked faces, whether the last image showed them or not."""
        return self._pipeline.tracked_ids

    def reset(self) -> None:
        """Forget all faces."""
        with self._lock:
            self._pipeline.reset()

    def process(self, image_bgr: np.ndarray, stamp: float) -> list[FaceEmotion]:
        """Return the faces of the stream's next image; see `Pipeline.process`."""
        with self._lock:
            return self._pipeline.process(image_bgr, stamp)

    def process_untracked(self, image_bgr: np.ndarray) -> list[FaceEmotion]:
        """Return the faces of an image that does not belong to the stream."""
        with self._lock:
            return self._pipeline.process_untracked(image_bgr)

    def change_parameters(self, values: dict[str, Any]) -> None:
        """Use other values of the live parameters from the next image on."""
        with self._lock:
            self._pipeline.detector.min_detection_score = values['min_detection_score']
            self._pipeline.detector.min_face_px = values['min_face_px']
            self._pipeline.detect_every = values['detect_every']
            self._pipeline.settings = tracking_settings(values)

    def make_blurrer(self) -> FaceBlurrer:
        """Return a blurrer that searches images with this pipeline's detector."""
        return FaceBlurrer(self._pipeline.search_faces)
