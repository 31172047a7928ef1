# SPDX-License-Identifier: Apache-2.0
"""The pipeline: detect, align, classify and track the faces of one image, without ROS."""

import threading
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from emotion_perception.alignment import FACE_SIDE_PX, crop_face
from emotion_perception.classification import EmotionClassifier
from emotion_perception.detection import DETECTORS, Detector, make_detector
from emotion_perception.detection.keyframes import KeyframeDetector
from emotion_perception.geometry import clip_box
from emotion_perception.tracking import SmoothedExpression, Tracker, TrackingSettings
from emotion_perception.types import Detection, FaceEmotion


class Pipeline:
    """
    Recognizes the expressions in the images of one camera, in their order.

    One thread may process frames while others change settings or process single images: the
    pipeline locks its networks and tracks itself.
    """

    def __init__(
        self,
        detector: Detector,
        classifier: EmotionClassifier,
        tracker: Tracker | None = None,
        detect_every: int = 1,
    ):
        """
        Join the parts.

        Args:
            detector: of faces.
            classifier: of expressions.
            tracker: of faces over frames; None treats each image by itself.
            detect_every: n, to search only every n-th frame as a whole and to detect tracked faces
                in their regions in between (see `KeyframeDetector`); needs a tracker.

        """
        self.detector = detector
        self.classifier = classifier
        self.tracker = tracker
        self._settings = tracker.settings if tracker else TrackingSettings()
        self._keyframes = KeyframeDetector(detector, detect_every)
        self._shape: tuple[int, ...] = ()
        self._lock = threading.Lock()

    @classmethod
    def default(
        cls,
        tracking: bool = True,
        detector: str = DETECTORS[0],
        detector_model: str | Path = '',
        model: str | Path | None = None,
        head: str = 'crowd',
        min_detection_score: float = 0.5,
        min_face_px: int = 20,
        threads: int = 1,
        settings: TrackingSettings | None = None,
        detect_every: int = 1,
    ) -> 'Pipeline':
        """
        Return a pipeline ready to use; the node runs it with ``detect_every=DETECT_EVERY``.

        Args:
            tracking: track faces and smooth their expressions; else each image stands alone.
            detector: a name in `detection.DETECTORS`.
            detector_model: the detector's model file, where it needs one.
            model: the classifier's file; None is the model of this package.
            head: output of the classifier to use.
            min_detection_score: lowest reported detection score, 0..1.
            min_face_px: smallest reported width of a face, in pixels.
            threads: of each network.
            settings: smoothing and thresholds.
            detect_every: search only every n-th frame as a whole; needs `tracking`.

        Raises:
            DetectorError: if the detector cannot be created on this machine.
            ModelError: if the classifier's file is missing, damaged or does not fit.
            ValueError: if there is no such detector or head.

        """
        pipeline = cls(
            make_detector(detector, detector_model, min_detection_score, min_face_px, threads),
            EmotionClassifier.load(model, head, threads),
            Tracker() if tracking else None,
            detect_every,
        )
        pipeline.settings = settings or TrackingSettings()
        return pipeline

    @property
    def settings(self) -> TrackingSettings:
        """Smoothing and thresholds; may be replaced at any time, for the next image on."""
        return self._settings

    @settings.setter
    def settings(self, value: TrackingSettings) -> None:
        with self._lock:
            self._settings = value
            if self.tracker:
                self.tracker.settings = value

    @property
    def detect_every(self) -> int:
        """Every n-th frame is a keyframe; may be changed at any time, for the next image on."""
        return self._keyframes.every

    @detect_every.setter
    def detect_every(self, value: int) -> None:
        self._keyframes.every = value

    @property
    def tracked_ids(self) -> frozenset[int]:
        """Ids of all tracked faces, seen in the last image or not; empty without a tracker."""
        return self.tracker.ids if self.tracker else frozenset()

    def reset(self) -> None:
        """Drop all tracks, as before the first image of another camera; ids are not used again."""
        with self._lock:
            self._reset()

    def process(self, image_bgr: np.ndarray, stamp: float | None = None) -> list[FaceEmotion]:
        """
        Return the expression of each face in the next frame.

        If the size of the images changes or the stamps jump back, all tracks are dropped.

        Args:
            image_bgr: uint8 [H, W, 3].
            stamp: time of the frame in seconds, on any clock; None is now on the monotonic clock.

        Returns:
            Faces by `face_id`; without a tracker from left to right.

        Raises:
            ValueError: if the image has another shape or type.

        """
        _check_image(image_bgr)
        stamp = time.monotonic() if stamp is None else stamp
        with self._lock:
            if self.tracker is None:
                return self._process_untracked(image_bgr)
            if image_bgr.shape != self._shape:
                self._reset()
                self._shape = image_bgr.shape
            detections = self._keyframes.detect(image_bgr, stamp)
            probabilities = self._classify(image_bgr, detections)
            tracks = self.tracker.associate(detections, stamp)
            for track, row in zip(tracks, probabilities, strict=True):
                track.expression.update(row, track.elapsed_s, self._settings)
            return _to_faces(
                image_bgr,
                detections,
                probabilities,
                [track.expression for track in tracks],
                [(track.face_id, stamp - track.first_seen_s) for track in tracks],
            )

    def process_untracked(self, image_bgr: np.ndarray) -> list[FaceEmotion]:
        """
        Return the expression of each face in a single image; tracks are neither used nor changed.

        Args:
            image_bgr: uint8 [H, W, 3].

        Returns:
            Faces from left to right, with ``face_id`` 0.

        Raises:
            ValueError: if the image has another shape or type.

        """
        _check_image(image_bgr)
        with self._lock:
            return self._process_untracked(image_bgr)

    def search_faces(
        self, image_bgr: np.ndarray, min_detection_score: float, min_face_px: int
    ) -> list[Detection]:
        """
        Detect faces below the detector's own thresholds too; tracks are neither used nor changed.

        Args:
            image_bgr: uint8 [H, W, 3].
            min_detection_score: lowest score, if it is below the detector's own; 0..1.
            min_face_px: smallest width in pixels, if it is below the detector's own.

        """
        with self._lock:
            return self.detector.detect(
                image_bgr,
                min(min_detection_score, self.detector.min_detection_score),
                min(min_face_px, self.detector.min_face_px),
            )

    def _reset(self) -> None:
        self._keyframes.reset()
        if self.tracker:
            self.tracker.reset()

    def _process_untracked(self, image: np.ndarray) -> list[FaceEmotion]:
        detections = self.detector.detect(image)
        probabilities = self._classify(image, detections)
        expressions = [SmoothedExpression() for _ in detections]
        for expression, row in zip(expressions, probabilities, strict=True):
            expression.update(row, 0.0, self._settings)
        untracked = [(0, 0.0)] * len(detections)
        return _to_faces(image, detections, probabilities, expressions, untracked)

    def _classify(self, image: np.ndarray, detections: list[Detection]) -> np.ndarray:
        """Return the probabilities of all faces, float32 [N, 7], from one batch of crops."""
        crops = np.zeros((len(detections), FACE_SIDE_PX, FACE_SIDE_PX), np.uint8)
        for crop, face in zip(crops, detections, strict=True):
            crop[:] = crop_face(image, face)
        return self.classifier.classify(crops)


def _check_image(image: np.ndarray) -> None:
    fits = image.ndim == 3 and image.shape[2] == 3 and image.size
    if not fits or image.dtype != np.uint8:
        raise ValueError(
            f'the image must be uint8 [H, W, 3], not {image.dtype} {list(image.shape)}'
        )


def _to_faces(
    image: np.ndarray,
    detections: Iterable[Detection],
    probabilities: Iterable[np.ndarray],
    expressions: Iterable[SmoothedExpression],
    tracked: Iterable[tuple[int, float]],
) -> list[FaceEmotion]:
    """Return the faces by id and place; `tracked` holds id and time in seconds of each."""
    height, width = image.shape[:2]
    faces = []
    for face, row, expression, (face_id, tracked_for_s) in zip(
        detections, probabilities, expressions, tracked, strict=True
    ):
        assert expression.probabilities is not None
        faces.append(
            FaceEmotion(
                face_id=face_id,
                box=clip_box(face.box, width, height),
                detection_score=face.score,
                probabilities=row,
                # the track goes on to change its own
                smoothed_probabilities=expression.probabilities.copy(),
                label=expression.label,
                confidence=expression.confidence,
                tracked_for_s=tracked_for_s,
            )
        )
    return sorted(faces, key=lambda face: (face.face_id, face.box))
