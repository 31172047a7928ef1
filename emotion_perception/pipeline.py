"""From one image to what each face in it shows. No ROS, no globals: one call a frame."""

import time
from pathlib import Path

import numpy as np

from emotion_perception.alignment import crop_face
from emotion_perception.classification import EmotionClassifier
from emotion_perception.detection import DETECTORS, Detector, make_detector
from emotion_perception.detection.keyframes import KeyframeDetector
from emotion_perception.geometry import clip_box
from emotion_perception.tracking import SmoothedExpression, Tracker, TrackingSettings
from emotion_perception.types import Box, Detection, FaceEmotion


class Pipeline:
    """Detects, aligns, classifies and follows the faces in one camera's images, in order."""

    def __init__(
        self,
        detector: Detector,
        classifier: EmotionClassifier,
        tracker: Tracker | None = None,
        detect_every: int = 1,
    ):
        """
        Put a pipeline together.

        Args:
            detector: finds the faces.
            classifier: tells what they show.
            tracker: follows them; None treats each image by itself.
            detect_every: n, to detect in every n-th image only and follow known faces in between
                (see `KeyframeDetector`); without a tracker each image is searched.

        """
        self.detector = detector
        self.classifier = classifier
        self.tracker = tracker
        self._settings = tracker.settings if tracker else TrackingSettings()
        self._finder = KeyframeDetector(detector, detect_every)
        self._size: tuple[int, ...] = ()

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
        Return a pipeline ready to use; the node runs it with ``detect_every`` at `finding.DETECT_EVERY`.

        Args:
            tracking: follow faces and smooth; off, each image stands alone.
            detector: a name in `detection.DETECTORS`.
            detector_model: the detector's own model file, where it needs one.
            model: the classifier's file; None is this package's.
            head: which question the classifier answers.
            min_detection_score: lowest detection score, 0..1.
            min_face_px: narrowest face.
            threads: of each network.
            settings: smoothing and thresholds.
            detect_every: detect in every n-th image only; needs `tracking`.

        Raises:
            DetectorError, ModelError: with what to do, if a part cannot be made here.

        """
        pipeline = cls(
            make_detector(detector, detector_model, min_detection_score, min_face_px, threads),
            EmotionClassifier.load(model, head, threads),
            Tracker() if tracking else None,
            detect_every,
        )
        pipeline.change_settings(settings or TrackingSettings())
        return pipeline

    @property
    def detect_every(self) -> int:
        """Detect in every n-th image only; may be set between two images."""
        return self._finder.every

    @detect_every.setter
    def detect_every(self, value: int) -> None:
        self._finder.every = value

    @property
    def tracked_ids(self) -> frozenset[int]:
        """Ids of the faces that are followed, whether the last image showed them or not; none without a tracker."""
        return self.tracker.ids if self.tracker else frozenset()

    def reset(self) -> None:
        """Forget all faces, as before another camera's or recording's first image; ids go on."""
        self._finder.reset()
        if self.tracker:
            self.tracker.reset()

    def change_settings(self, settings: TrackingSettings) -> None:
        """Smooth and judge by other settings from the next image on."""
        self._settings = settings
        if self.tracker:
            self.tracker.settings = settings

    def without_tracking(self) -> 'Pipeline':
        """Return a pipeline with the same detector and classifier that treats each image by itself."""
        alone = Pipeline(self.detector, self.classifier)
        alone.change_settings(self._settings)
        return alone

    def with_parts(self, detector: Detector, classifier: EmotionClassifier) -> 'Pipeline':
        """Return a pipeline with other networks, and with the tracker and the settings of this one."""
        other = Pipeline(detector, classifier, self.tracker, self.detect_every)
        other.change_settings(self._settings)
        return other

    @property
    def settings(self) -> TrackingSettings:
        """Smoothing and thresholds in use."""
        return self._settings

    def process(self, image_bgr: np.ndarray, stamp: float | None = None) -> list[FaceEmotion]:
        """
        Return what each face in the image shows, by face_id.

        After an image of another size, or with a stamp that lies before the last one, all faces are
        new: their places and times say nothing any more.

        Args:
            image_bgr: uint8 [H, W, 3].
            stamp: time of the image in seconds, on any clock that runs forward; None takes the
                monotonic clock.

        Raises:
            ValueError: if the image has another shape or type.

        """
        fits = image_bgr.ndim == 3 and image_bgr.shape[2] == 3 and image_bgr.size
        if not fits or image_bgr.dtype != np.uint8:
            raise ValueError(
                f'the image must be uint8 [H, W, 3], not {image_bgr.dtype} {list(image_bgr.shape)}'
            )
        stamp = time.monotonic() if stamp is None else stamp
        if image_bgr.shape != self._size:
            self.reset()
            self._size = image_bgr.shape
        if self.tracker is None:
            found = self.detector.detect(image_bgr)
        else:
            found = self._finder.find(image_bgr, stamp)
        crops = [crop_face(image_bgr, face) for face in found]
        faces = np.stack(crops) if crops else np.zeros((0, 48, 48), np.uint8)
        probabilities = self.classifier.classify(faces)
        height, width = image_bgr.shape[:2]
        answers = [
            _answer(face, clip_box(face.box, width, height), row, follow)
            for face, row, follow in zip(
                found, probabilities, self._expressions(found, probabilities, stamp), strict=True
            )
        ]
        return sorted(answers, key=lambda answer: (answer.face_id, answer.box))

    def _expressions(
        self, found: list[Detection], probabilities: np.ndarray, stamp: float
    ) -> list[tuple[int, float, SmoothedExpression]]:
        """Return id, time followed and smoothed expression of each face."""
        if self.tracker is None:
            alone = [SmoothedExpression() for _ in found]
            for expression, row in zip(alone, probabilities, strict=True):
                expression.update(row, 0.0, self._settings)
            return [(0, 0.0, expression) for expression in alone]
        tracks = self.tracker.associate(found, stamp)
        for track, row in zip(tracks, probabilities, strict=True):
            track.expression.update(row, track.elapsed_s, self._settings)
        return [(track.face_id, stamp - track.first_seen_s, track.expression) for track in tracks]


def _answer(
    face: Detection,
    box: Box,
    probabilities: np.ndarray,
    follow: tuple[int, float, SmoothedExpression],
) -> FaceEmotion:
    face_id, tracked_for_s, expression = follow
    smoothed = (
        probabilities if expression.probabilities is None else expression.probabilities.copy()
    )
    return FaceEmotion(
        face_id, box, face.score, probabilities, smoothed,
        expression.label, expression.confidence, tracked_for_s,
    )  # fmt: skip
