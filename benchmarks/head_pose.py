# SPDX-License-Identifier: Apache-2.0
"""How exact head poses are on faces turned by known angles, on clips, and what they cost."""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.average_face import similarity
from benchmarks.detect_every import clips, read_images
from benchmarks.face_images import moving_faces
from benchmarks.face_scenes import LabeledFace, make_scene
from benchmarks.networks import make_yardstick
from benchmarks.turned_faces import SIZE, TurnableFace
from emotion_perception.alignment import FER2013_LANDMARKS, crop_face
from emotion_perception.classification import EmotionClassifier
from emotion_perception.detection import make_detector
from emotion_perception.detection.blazeface import BlazeFaceDetector, find_networks
from emotion_perception.detection.keyframes import DETECT_EVERY
from emotion_perception.emotions import EMOTIONS
from emotion_perception.head_pose import (
    AVERAGE_FACE,
    USED_POINTS,
    FaceMesh,
    HeadPoseEstimator,
    to_angles,
)
from emotion_perception.imaging.codecs import find_images, read_image
from emotion_perception.imaging.sources import PORTRAIT
from emotion_perception.pipeline import Pipeline
from emotion_perception.tracking import TrackingSettings
from emotion_perception.types import Detection

NAMES = 'yaw', 'pitch', 'roll'
TURNS_DEG = {
    'yaw': (-60, -45, -30, -15, 0, 15, 30, 45, 60),
    'pitch': (-45, -30, -15, 15, 30, 45),
    'roll': (-60, -30, 30, 60),
}
_EYE_CONTOURS = (33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380)
"""The points of the mesh that are labeled in iBUG 300-W too."""
_OFFSETS_PX = (0.0, 0.0), (150.0, 40.0), (-150.0, -60.0)
_MIN_WIDTH_PX = 45
_MAX_SOURCE_TURN_RAD = math.radians(15)
_MAX_SOURCES = 20
_MAX_PER_EXPRESSION, _MAX_ALIGNED = 12, 80


class _Turner:
    """A face that can be shown turned by angles from straight ahead."""

    def __init__(self, image: np.ndarray, mesh: np.ndarray):
        self._face = TurnableFace(image, mesh)
        _, rotation, _ = similarity(AVERAGE_FACE, mesh[list(USED_POINTS)])
        self.frontal = all(abs(a) < _MAX_SOURCE_TURN_RAD for a in to_angles(rotation)[:2])
        self._to_frontal = rotation.T

    def show(self, angles_deg: Sequence[float], offset_px: tuple[float, float]) -> np.ndarray:
        """Return an image, BGR uint8 [480, 640, 3], of the face turned from the camera."""
        yaw, pitch, roll = np.radians(angles_deg)
        rotation = np.eye(3)
        for vector in ((0, 0, -roll), (pitch, 0, 0), (0, -yaw, 0)):
            rotation = cv2.Rodrigues(np.array(vector, np.float64))[0] @ rotation
        return self._face.turn(rotation @ self._to_frontal, offset_px)


def frontal_faces(images: Iterable[tuple[np.ndarray, Detection]]) -> Iterator[_Turner]:
    """Yield the frontal ones among faces in images."""
    mesh = FaceMesh(find_networks())
    for image, face in images:
        points = mesh.find(image, face)
        if points is not None and (turner := _Turner(image, points)).frontal:
            yield turner


def _cases() -> Iterator[tuple[str, int, list[float]]]:
    """Yield the turned angle's name, its value, and all three angles in degrees."""
    for axis, name in enumerate(NAMES):
        for value in TURNS_DEG[name]:
            angles = [0.0, 0.0, 0.0]
            angles[axis] = value
            yield name, value, angles


def _accuracy(turners: Sequence[_Turner], report: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return found share and errors in degrees of each turn, relative to the unturned face."""
    detector, estimator = make_detector(), HeadPoseEstimator(find_networks())
    errors: dict[tuple[str, int], list[np.ndarray]] = {}
    for number, turner in enumerate(turners):
        report(f'head_pose: face {number + 1} of {len(turners)}')
        straight = read_angles(turner.show((0, 0, 0), _OFFSETS_PX[0]), detector, estimator)
        for index, (name, value, angles) in enumerate(_cases()):
            image = turner.show(angles, _OFFSETS_PX[(index + number) % len(_OFFSETS_PX)])
            found = read_angles(image, detector, estimator)
            of_turn = errors.setdefault((name, value), [])
            if found is not None and straight is not None:
                of_turn.append((found - straight - angles + 180) % 360 - 180)
    rows = []
    for (name, value), of_turn in errors.items():
        row: dict[str, Any] = {'turned': name, 'degrees': value}
        row['read'] = round(len(of_turn) / len(turners), 4)
        if of_turn:
            of_angle = np.array(of_turn)[:, NAMES.index(name)]
            row['mean_error_deg'] = round(float(of_angle.mean()), 1)
            row['absolute_error_deg'] = {
                other: round(float(np.abs(np.array(of_turn)[:, axis]).mean()), 1)
                for axis, other in enumerate(NAMES)
            }
            row['p90_deg'] = round(float(np.percentile(np.abs(of_angle), 90)), 1)
        rows.append(row)
    return rows


def read_angles(
    image: np.ndarray, detector: Any, estimator: HeadPoseEstimator
) -> np.ndarray | None:
    """Return yaw, pitch and roll in degrees of the largest face in an image, if there is one."""
    faces = detector.detect(image)
    if not faces:
        return None
    pose = estimator.read(image, max(faces, key=lambda face: face.box[2]))
    return None if pose is None else np.degrees((pose.yaw, pose.pitch, pose.roll))


def _expressions(folder: Path, report: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return how good the classifier is on turned faces, from a folder with one a label."""
    detector, estimator = make_detector(), HeadPoseEstimator(find_networks())
    classifier, threshold = EmotionClassifier.load(), TrackingSettings().uncertain_below
    cases = [
        (name, value, angles)
        for name, value, angles in _cases()
        if name == 'pitch' or (name == 'yaw' and value >= 0)
    ]
    totals: dict[tuple[str, int], list[tuple[bool, bool, bool]]] = {}
    for label in EMOTIONS:
        report(f'head_pose: {label}')
        turners = itertools.islice(frontal_faces(_crops(folder / label)), _MAX_PER_EXPRESSION)
        for number, turner in enumerate(turners):
            for name, value, angles in cases:
                # to both sides in turn
                side = -1 if name == 'yaw' and number % 2 else 1
                image = turner.show([side * angles[0], *angles[1:]], _OFFSETS_PX[0])
                faces = detector.detect(image)
                if not faces:
                    continue
                face = max(faces, key=lambda face: face.box[2])
                probabilities = classifier.classify(crop_face(image, face)[None])[0]
                pose = estimator.read(image, face)
                totals.setdefault((name, value), []).append(
                    (
                        EMOTIONS[int(probabilities.argmax())] == label,
                        float(probabilities.max()) >= threshold,
                        pose is not None and pose.turn_ratio > 1,
                    )
                )
    return [_expression_row(name, value, rows) for (name, value), rows in sorted(totals.items())]


def _expression_row(
    name: str, value: int, rows: Sequence[tuple[bool, bool, bool]]
) -> dict[str, Any]:
    right, sure, turned = np.array(rows).T
    kept = sure & ~turned
    return {
        'turned': name,
        'degrees': value,
        'faces': len(rows),
        'right': round(float(right.mean()), 3),
        'sure_and_wrong': round(float((sure & ~right).mean()), 3),
        'called_turned': round(float(turned.mean()), 3),
        'published_and_wrong': round(float((kept & ~right).mean()), 3),
    }


def _crops(folder: Path) -> Iterator[tuple[np.ndarray, Detection]]:
    """Yield crops as FER2013's, enlarged and with a margin, and where their faces should be."""
    scale, margin = 3, 48
    for path in find_images([str(folder)]) if folder.is_dir() else []:
        crop = cv2.resize(read_image(path), (48, 48))
        image = cv2.copyMakeBorder(crop, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        landmarks = ((FER2013_LANDMARKS + margin) * scale).astype(np.float32)
        eyes = landmarks[1, 0] - landmarks[0, 0]
        # place and size of BlazeFace's box relative to the eyes
        x, y, side = landmarks[2, 0], landmarks[0, 1] + 0.45 * eyes, 2.4 * eyes
        yield image, Detection((x - side / 2, y - side / 2, side, side), 1.0, landmarks)


def _alignment(folder: Path, report: Callable[[str], None]) -> dict[str, float]:
    """Return the share of crops classified right with eyes of the detector and of the mesh."""
    detector, mesh = BlazeFaceDetector(), FaceMesh(find_networks())
    classifier = EmotionClassifier.load()
    right: dict[str, list[bool]] = {'detector': [], 'mesh': []}
    for label in EMOTIONS:
        report(f'head_pose: alignment, {label}')
        for image, expected in itertools.islice(_crops(folder / label), _MAX_ALIGNED):
            face = detector.detect_in_region(image, expected)
            points = None if face is None else mesh.find(image, face)
            if face is None or face.landmarks is None or points is None:
                continue
            by_mesh = face.landmarks.copy()
            by_mesh[:2] = _mesh_eyes(points)
            for name, one in (
                ('detector', face), ('mesh', replace(face, landmarks=by_mesh))
            ):  # fmt: skip
                probabilities = classifier.classify(crop_face(image, one)[None])[0]
                right[name].append(EMOTIONS[int(probabilities.argmax())] == label)
    shares = {name: round(float(np.mean(values)), 4) for name, values in right.items() if values}
    return shares | {'faces': len(right['mesh'])}


def _mesh_eyes(points: np.ndarray) -> np.ndarray:
    """Return the centers of the eyes in a mesh, float [2, 2], the image's left first."""
    return np.array([points[list(contour), :2].mean(axis=0) for contour in _EYE_CONTOURS])


def _on_clips(media: Path | None, report: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return, for each clip with a face, what is read and how much it jitters."""
    rows = []
    for source in [PORTRAIT, *clips(media)]:
        report(f'head_pose: {Path(source).name}')
        poses: dict[int, list[tuple[float, ...]]] = {}
        faces = 0
        # without tracking each image has a reading of its own
        pipeline, estimator = Pipeline.default(head_pose=False), HeadPoseEstimator(find_networks())
        for number, image in enumerate(read_images(source)):
            for face in pipeline.process(image, number / 30):
                faces += 1
                pose = estimator.read(image, Detection(face.box, 1.0))
                if pose is not None:
                    angles = np.degrees((pose.yaw, pose.pitch, pose.roll))
                    poses.setdefault(face.face_id, []).append(
                        (*angles, pose.looking_at_camera, pose.eyes_open, pose.mouth_open)
                    )
        if not poses:
            continue
        values = np.concatenate([np.array(one) for one in poses.values()])
        steps = [np.abs(np.diff(np.array(one)[:, :3], axis=0)) for one in poses.values()]
        rows.append(
            {
                'clip': Path(source).name,
                'faces': faces,
                'read': round(len(values) / faces, 3),
                'median_deg': [round(float(v), 1) for v in np.median(values[:, :3], axis=0)],
                'step_deg': [round(float(v), 2) for v in np.median(np.concatenate(steps), axis=0)],
                'looking': round(float((values[:, 3] >= 0.5).mean()), 3),
                'eyes_closed': round(float((values[:, 4] < 0.5).mean()), 3),
                'mouth_open': round(float(np.median(values[:, 5])), 2),
            }
        )
    return rows


def _eye_errors(faces: Sequence[LabeledFace]) -> dict[str, float]:
    """Return median distances of eyes from their labels, in distances of the eyes."""
    detector, mesh = make_detector(), FaceMesh(find_networks())
    errors: dict[str, list[float]] = {'detector': [], 'mesh': []}
    for face in faces:
        scene = make_scene(face, SIZE, 100)
        found = next((f for f in detector.detect(scene.image) if scene.shows(f)), None)
        points = None if found is None else mesh.find(scene.image, found)
        if found is None or points is None or (error := scene.eye_error(found)) is None:
            continue
        of_mesh = scene.eye_error(replace(found, landmarks=_mesh_eyes(points)))
        assert of_mesh is not None
        errors['detector'].append(error)
        errors['mesh'].append(of_mesh)
    return {name: round(float(np.median(of)), 4) for name, of in errors.items() if of}


def _cost(calls: int) -> dict[str, float]:
    """Return the cost of a reading, and of a tracked face with and without, in yardsticks."""
    images = moving_faces(SIZE, 1)
    face = make_detector().detect(images[0])[0]
    estimator, yardstick = HeadPoseEstimator(find_networks()), make_yardstick()
    pipelines = [Pipeline.default(detect_every=DETECT_EVERY, head_pose=on) for on in (False, True)]
    steps: dict[str, Callable[[np.ndarray, int], Any]] = {
        'yardstick': lambda image, index: yardstick(index),
        'reading': lambda image, index: estimator.read(image, face),
        'reading_without_eyes': lambda image, index: estimator.read(image, face, eyes_open=1.0),
        'without': lambda image, index: pipelines[0].process(image, index / 30),
        'with': lambda image, index: pipelines[1].process(image, index / 30),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for index in range(calls):
        for name, step in steps.items():
            # processor time, which other load on the machine changes little
            started_s = time.thread_time()
            step(images[index % len(images)], index)
            times[name].append(time.thread_time() - started_s)
    unit_s = float(np.median(times['yardstick']))
    steady = {name: np.array(values[30:]) for name, values in times.items()}
    return {
        'yardstick_ms': round(unit_s * 1000, 3),
        'reading_ms': round(float(np.median(steady['reading'])) * 1000, 3),
        'reading': round(float(np.median(steady['reading'])) / unit_s, 2),
        'reading_without_eyes': round(
            float(np.median(steady['reading_without_eyes'])) / unit_s, 2
        ),
        'frame_without': round(float(steady['without'].mean()) / unit_s, 2),
        'frame_with': round(float(steady['with'].mean()) / unit_s, 2),
        'frame_without_p99': round(float(np.percentile(steady['without'], 99)) / unit_s, 2),
        'frame_with_p99': round(float(np.percentile(steady['with'], 99)) / unit_s, 2),
    }


def measure_head_pose(
    faces: Sequence[LabeledFace],
    media: Path | None,
    expressions: Path | None,
    calls: int,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """
    Measure accuracy and cost.

    Args:
        faces: labeled faces; the frontal ones of at least 45 pixels are turned.
        media: folder of clips, used besides the portrait.
        expressions: folder with a folder of face crops for each label, as `emotion-training
            build` writes; None leaves out how good expressions of turned faces are.
        calls: images for the cost.
        report: receives a line for each step.

    Returns:
        ``faces``: number of turned faces; ``turns``: a row for each turn; ``expressions``: a row
        for each turn; ``alignment``: share of unturned crops classified right, by the source of
        the eyes; ``clips``: a row for each clip; ``eyes``: median error of the eyes by
        detector and mesh, in distances of the eyes; ``cost``: in yardsticks.

    """
    cv2.setNumThreads(1)
    large = (
        (read_image(face.photo), Detection(face.box, 1.0))
        for face in faces
        if face.box[2] >= _MIN_WIDTH_PX
    )
    turners = list(itertools.islice(frontal_faces(large), _MAX_SOURCES))
    return {
        'faces': len(turners),
        'turns': _accuracy(turners, report),
        'expressions': _expressions(expressions, report) if expressions else [],
        'alignment': _alignment(expressions, report) if expressions else {},
        'clips': _on_clips(media, report),
        'eyes': _eye_errors(faces),
        'cost': _cost(calls),
    }
