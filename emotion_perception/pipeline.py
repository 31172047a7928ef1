# SPDX-License-Identifier: Apache-2.0
"""The pipeline: detect, align, classify and track the faces of one image, without ROS."""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from emotion_perception.alignment import FACE_SIDE_PX, crop_face
from emotion_perception.camera import EYE_CORNERS_M, Camera
from emotion_perception.classification import EmotionClassifier
from emotion_perception.detection import (
    DETECTORS,
    MIN_FACE_PX,
    SEARCH_WIDTH_PX,
    Detector,
    make_detector,
)
from emotion_perception.detection.blazeface import find_networks
from emotion_perception.detection.keyframes import KeyframeDetector
from emotion_perception.errors import DetectorError
from emotion_perception.geometry import (
    ROTATIONS,
    clip_box,
    rotate_image,
    unrotate_box,
    unrotate_points,
)
from emotion_perception.head_pose import (
    READ_EVERY_S,
    HeadPoseEstimator,
    choose_readings,
    has_networks,
)
from emotion_perception.imaging.depth import face_depth_m
from emotion_perception.tracking import (
    HEAD_POSE_VALID_S,
    SmoothedExpression,
    Track,
    Tracker,
    TrackingSettings,
    is_turned,
)
from emotion_perception.types import (
    FROM_DEPTH,
    FROM_FACE_SIZE,
    Detection,
    FaceEmotion,
    HeadPose,
    Position,
)

_CHANGE_KEPT = 0.8
"""A face that changed counts as changing less with each reading: for ten of them at most."""


class Pipeline:
    """
    Recognizes the expressions in the images of one camera, in their order.

    One thread may process frames while others change settings or process single images: the
    pipeline locks its networks and tracks itself.

    Attributes:
        camera: that takes the images, before they are rotated; None if it is not known, so that
            positions are not either. May be replaced at any time, for the next image on. Images
            with another aspect ratio are taken for those of an unknown camera.

    """

    def __init__(
        self,
        detector: Detector,
        classifier: EmotionClassifier,
        tracker: Tracker | None = None,
        detect_every: int = 1,
        rotate: int = 0,
        head_pose: HeadPoseEstimator | None = None,
    ):
        """
        Join the parts.

        Args:
            detector: of faces.
            classifier: of expressions.
            tracker: of faces over frames; None treats each image by itself.
            detect_every: n, to search for further faces only in every n-th frame and to detect
                tracked faces in their regions (see `KeyframeDetector`); needs a tracker.
            rotate: clockwise rotation of the images before detection, in degrees: 0, 90, 180 or
                270. Boxes are in the image as it came.
            head_pose: reads the head pose of tracked faces a few times a second; None leaves it
                unknown, and expressions of turned faces are taken for those of frontal ones.

        Raises:
            ValueError: if `rotate` is something else.

        """
        if rotate not in ROTATIONS:
            raise ValueError(f'rotate must be 0, 90, 180 or 270, not {rotate}')
        self._rotate_deg = rotate
        self.detector = detector
        self.classifier = classifier
        self.tracker = tracker
        self._settings = tracker.settings if tracker else TrackingSettings()
        self._keyframes = KeyframeDetector(detector, detect_every)
        self._head_pose = head_pose
        self._head_pose_cost_s = 0.003
        # of a frame, for all that a budget does not choose: flow, tracking, results
        self._overhead_s = 0.0
        self.camera: Camera | None = None
        self._image_camera: tuple[Camera | None, tuple[int, ...], Camera | None] = None, (), None
        self._stamp_s = -math.inf
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
        min_face_px: int = MIN_FACE_PX,
        threads: int = 1,
        settings: TrackingSettings | None = None,
        detect_every: int = 1,
        rotate: int = 0,
        search_width: int = SEARCH_WIDTH_PX,
        labels: str | Sequence[str] = (),
        head_pose: bool = True,
        landmarks: bool = False,
    ) -> 'Pipeline':
        """
        Return a pipeline ready to use; the node runs it with ``detect_every=DETECT_EVERY``.

        Args:
            tracking: track faces and smooth their expressions; else each image stands alone.
            detector: a name in `detection.DETECTORS`.
            detector_model: the detector's model file, where it needs one; of blazeface the folder
                of its networks, which may hold those of the head pose too.
            model: the classifier's file; None is the model of this package.
            head: output of the classifier to use.
            min_detection_score: lowest reported detection score, 0..1.
            min_face_px: smallest reported width of a face, in pixels.
            threads: of each network.
            settings: smoothing and thresholds.
            detect_every: search for further faces only in every n-th frame; needs `tracking`.
            rotate: clockwise rotation of the images before detection: 0, 90, 180 or 270 degrees.
            search_width: longer side to which yunet shrinks an image, in pixels.
            labels: order of the classifier's outputs; empty takes that of its json.
            head_pose: read where heads are directed; expressions of faces that are turned too far
                are then uncertain.
            landmarks: also find `HeadPose.landmarks`; needs `head_pose`.

        Raises:
            DetectorError: if the detector, or the networks of the head pose, are not installed.
            ModelError: if the classifier's file is missing, damaged or does not fit.
            ValueError: if there is no such detector, head or rotation, or no head pose for
                landmarks.

        """
        if landmarks and not head_pose:
            raise ValueError('landmarks come from the network of the head pose, which is off')
        pipeline = cls(
            make_detector(
                detector, detector_model, min_detection_score, min_face_px, threads, search_width
            ),
            EmotionClassifier.load(model, head, threads, labels),
            Tracker() if tracking else None,
            detect_every,
            rotate,
            _make_head_pose(detector_model, threads, landmarks) if head_pose else None,
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

    @property
    def rotate(self) -> int:
        """Clockwise rotation of the images before detection, in degrees."""
        return self._rotate_deg

    @property
    def faces_by_turn(self) -> dict[int, int]:
        """
        How many faces were found, by their clockwise rotation in degrees: 0, 90, 180, 270.

        One that stays counts again every ten seconds.
        """
        counts = self._keyframes.faces_by_turn
        return {90 * quarter: counts[quarter] for quarter in range(4)}

    def reset(self) -> None:
        """Drop all tracks, as before the first image of another camera; ids are not used again."""
        with self._lock:
            self._reset()

    def process(
        self,
        image_bgr: np.ndarray,
        stamp: float | None = None,
        budget_s: float = math.inf,
        depth: np.ndarray | None = None,
    ) -> list[FaceEmotion]:
        """
        Return the expression of each face in the next frame.

        If the size of the images changes or the stamps jump back, all tracks are dropped.

        Args:
            image_bgr: uint8 [H, W, 3].
            stamp: time of the frame in seconds, on any clock; None is now on the monotonic clock.
            budget_s: if it is too short for all faces they are read in turn: see
                `FaceEmotion.reading_age_s`. At least one step is done, so it may be 0. Without a
                budget the result does not depend on the speed of the machine. Used with a tracker
                only.
            depth: registered to the image, uint16 in millimeters or float32 in meters, [H, W] in
                any multiple of its size; used where `camera` is known.

        Returns:
            Faces by `face_id`; without a tracker from left to right.

        Raises:
            ValueError: if the image has another shape or type, or the stamp is not finite.

        """
        _check_image(image_bgr)
        started_s = time.perf_counter()
        stamp = time.monotonic() if stamp is None else stamp
        if not math.isfinite(stamp):
            raise ValueError(f'the stamp must be finite, not {stamp}')
        with self._lock:
            if self.tracker is None:
                return self._process_untracked(image_bgr, depth)
            if image_bgr.shape != self._shape:
                self._reset()
                self._shape = image_bgr.shape
            return self._process_tracked(image_bgr, stamp, started_s + budget_s, depth)

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

        The whole image is searched for normal and near faces in each call, and its other views in
        turn: call it for each frame of a stream.

        Args:
            image_bgr: uint8 [H, W, 3].
            min_detection_score: lowest score, if it is below the detector's own; 0..1.
            min_face_px: smallest width in pixels, if it is below the detector's own.

        """
        score = min(min_detection_score, self.detector.min_detection_score)
        width = min(min_face_px, self.detector.min_face_px)
        with self._lock:
            faces = self._keyframes.search(rotate_image(image_bgr, self._rotate_deg), score, width)
            size = image_bgr.shape[1::-1]
            return [
                replace(
                    face,
                    box=unrotate_box(face.box, self._rotate_deg, *size),
                    landmarks=None if self._rotate_deg else face.landmarks,
                )
                for face in faces
            ]

    def _reset(self) -> None:
        self._keyframes.reset()
        self._stamp_s = -math.inf
        if self.tracker:
            self.tracker.reset()

    def _process_tracked(
        self, image: np.ndarray, stamp: float, ends_s: float, depth: np.ndarray | None
    ) -> list[FaceEmotion]:
        assert self.tracker is not None
        camera = self._known_camera(image.shape)
        image, size = rotate_image(image, self._rotate_deg), image.shape[1::-1]
        started_s = time.perf_counter()
        budget_s = ends_s - started_s - self._overhead_s
        faces = self._keyframes.detect(image, stamp, budget_s - self._reserve_s(stamp, budget_s))
        tracks = self.tracker.associate([face.detection for face in faces], stamp)
        read = [
            (face, track)
            for face, track in zip(faces, tracks, strict=True)
            if face.read or track.probabilities is None
        ]
        classified_s = time.perf_counter()
        rows = self._classify(image, [face.detection for face, _ in read])
        if read:
            self._keyframes.add_cost('reading', time.perf_counter() - classified_s, len(read))
        placed = [
            (face.detection, track)
            for face, track in zip(faces, tracks, strict=True)
            if face.certain
        ]
        read_s = time.perf_counter()
        self._read_head_poses(image, placed, stamp, ends_s, camera)
        poses_s = time.perf_counter() - read_s
        for (face, track), row in zip(read, rows, strict=True):
            change = track.add_reading(row, stamp, self._settings, self.classifier.neutral)
            face.change = max(change, _CHANGE_KEPT * face.change)
        self._stamp_s = stamp
        result = []
        for face, track in zip(faces, tracks, strict=True):
            assert track.probabilities is not None
            result.append(
                self._to_face(
                    face.detection,
                    track.probabilities,
                    track.expression,
                    size,
                    face_id=track.face_id,
                    tracked_for_s=stamp - track.first_seen_s,
                    reading_age_s=stamp - track.read_s,
                    head_pose=track.current_head_pose(stamp),
                    head_pose_age_s=stamp - track.head_pose_s,
                    position=self._position(
                        face.detection.box, track.depth_times_width, camera, depth, size
                    ),
                )
            )
        overhead_s = time.perf_counter() - started_s - self._keyframes.chosen_s - poses_s
        self._overhead_s += 0.2 * (overhead_s - self._overhead_s)
        return sorted(result, key=lambda face: (face.face_id, face.box))

    def _process_untracked(
        self, image: np.ndarray, depth: np.ndarray | None = None
    ) -> list[FaceEmotion]:
        camera = self._known_camera(image.shape)
        image, size = rotate_image(image, self._rotate_deg), image.shape[1::-1]
        detections = self.detector.detect(image)
        result = []
        for face, row in zip(detections, self._classify(image, detections), strict=True):
            expression = SmoothedExpression()
            pose = self._head_pose.read(image, face, camera) if self._head_pose else None
            turned = self._head_pose is not None and is_turned(pose, face.box[2])
            expression.update(row, 0.0, self._settings, turned)
            product = math.nan if pose is None or turned else pose.depth * face.box[2]
            position = self._position(face.box, product, camera, depth, size)
            result.append(
                self._to_face(face, row, expression, size, head_pose=pose, position=position)
            )
        return sorted(result, key=lambda face: face.box)

    def _reserve_s(self, stamp: float, budget_s: float) -> float:
        """Return the time kept for a head pose that is overdue, at most a quarter of all."""
        if self._head_pose is None or self.tracker is None or math.isinf(budget_s):
            return 0.0
        overdue = stamp - self.tracker.oldest_head_pose_s > 2 * READ_EVERY_S
        return self._head_pose_cost_s if overdue and self._head_pose_cost_s < budget_s / 4 else 0.0

    def _read_head_poses(
        self,
        image: np.ndarray,
        placed: Sequence[tuple[Detection, Track]],
        stamp: float,
        ends_s: float,
        camera: Camera | None,
    ) -> None:
        """Read the head poses that are due, of faces whose place is certain, as time allows."""
        if self._head_pose is None:
            return
        chosen = choose_readings(
            [stamp - track.head_pose_s for _, track in placed],
            [face.box[2] for face, _ in placed],
            stamp - self._stamp_s,
            self._keyframes.busy,
        )
        for index in chosen:
            face, track = placed[index]
            started_s = time.perf_counter()
            # the label of a new face needs to know whether the face is turned, and where time is
            # always short nobody should seem to look away
            needed = index == chosen[0] and stamp - track.head_pose_s > HEAD_POSE_VALID_S / 2
            if not needed and started_s + self._head_pose_cost_s > ends_s:
                return
            kept = track.current_head_pose(stamp) if track.head_pose_count % 2 else None
            eyes_open = None if kept is None else kept.eyes_open
            pose = self._head_pose.read(image, face, camera, eyes_open)
            track.add_head_pose(pose, stamp, face.box[2])
            cost_s = time.perf_counter() - started_s
            self._head_pose_cost_s += 0.2 * (cost_s - self._head_pose_cost_s)

    def _known_camera(self, shape: tuple[int, ...]) -> Camera | None:
        """Return the camera of images of this shape after their rotation; None if unknown."""
        camera = self.camera
        if self._image_camera[:2] != (camera, shape):
            try:
                known = camera and camera.resized((shape[1], shape[0])).rotated(self._rotate_deg)
            except ValueError:
                known = None
            self._image_camera = camera, shape, known
        return self._image_camera[2]

    def _position(
        self,
        box: tuple[float, float, float, float],
        depth_times_width: float,
        camera: Camera | None,
        depth: np.ndarray | None,
        size: tuple[int, ...],
    ) -> Position | None:
        """
        Return where a face is; None if that is not known.

        Args:
            box: in the rotated image.
            depth_times_width: see `Track`.
            camera: of the rotated image.
            depth: registered to the image as it came.
            size: width and height of the image as it came.

        """
        if camera is None:
            return None
        x, y, w, h = box
        z, source = math.nan, FROM_DEPTH
        if depth is not None:
            there = unrotate_box(box, self._rotate_deg, *size)
            z = face_depth_m(depth, there, (size[0], size[1]))
        if math.isnan(z):
            z, source = EYE_CORNERS_M * depth_times_width / max(w, 1.0), FROM_FACE_SIZE
        place = camera.position((x + w / 2, y + h / 2), z) if z > 0 else None
        return None if place is None else Position(*place, source)

    def _classify(self, image: np.ndarray, detections: list[Detection]) -> np.ndarray:
        """Return the probabilities of all faces, float32 [N, 7], from one batch of crops."""
        crops = np.zeros((len(detections), FACE_SIDE_PX, FACE_SIDE_PX), np.uint8)
        for crop, face in zip(crops, detections, strict=True):
            crop[:] = crop_face(image, face)
        return self.classifier.classify(crops)

    def _to_face(
        self,
        face: Detection,
        probabilities: np.ndarray,
        expression: SmoothedExpression,
        size: tuple[int, ...],
        face_id: int = 0,
        tracked_for_s: float = 0.0,
        reading_age_s: float = 0.0,
        head_pose: HeadPose | None = None,
        head_pose_age_s: float = 0.0,
        position: Position | None = None,
    ) -> FaceEmotion:
        """Return the result for one face; `size` is width and height of the image as it came."""
        assert expression.probabilities is not None
        box = unrotate_box(face.box, self._rotate_deg, *size)
        if self._rotate_deg and head_pose is not None and head_pose.landmarks is not None:
            points = unrotate_points(head_pose.landmarks, self._rotate_deg, *size)
            head_pose = replace(head_pose, landmarks=points)
        return FaceEmotion(
            face_id=face_id,
            box=clip_box(box, *size),
            detection_score=face.score,
            probabilities=probabilities,
            # the track goes on to change its own
            smoothed_probabilities=expression.probabilities.copy(),
            label=expression.label,
            confidence=expression.confidence,
            tracked_for_s=tracked_for_s,
            reading_age_s=reading_age_s,
            head_pose=head_pose,
            head_pose_age_s=math.nan if head_pose is None else head_pose_age_s,
            position=position,
        )


def _make_head_pose(folder: str | Path, threads: int, landmarks: bool) -> HeadPoseEstimator:
    """Load the networks from the detector's folder if they are there, else from the wheel."""
    try:
        own = str(folder) and has_networks(folder)
        return HeadPoseEstimator(folder if own else find_networks(), threads, landmarks)
    except DetectorError as error:
        raise DetectorError(
            f'head_pose is on, and its networks are missing: {error}; or turn head_pose off'
        ) from None


def _check_image(image: np.ndarray) -> None:
    fits = image.ndim == 3 and image.shape[2] == 3 and image.size
    if not fits or image.dtype != np.uint8:
        raise ValueError(
            f'the image must be uint8 [H, W, 3], not {image.dtype} {list(image.shape)}'
        )
