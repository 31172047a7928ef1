# SPDX-License-Identifier: Apache-2.0
"""Which faces each detector finds: by size, place, rotation, light and blur; and false faces."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.face_scenes import LabeledFace, Scene, make_scene, portrait_face, read_boxes
from benchmarks.networks import make_yardstick
from benchmarks.timing import time_in_turn, timed
from emotion_perception.detection import Detector, make_detector
from emotion_perception.detection.keyframes import DETECT_EVERY, KeyframeDetector
from emotion_perception.imaging.codecs import find_images, read_image
from emotion_perception.types import Detection

VGA, HD = (640, 480), (1280, 720)
WIDTHS_PX = (16, 20, 28, 40, 60, 100, 160, 240, 320, 420, 600)
HD_WIDTHS_PX = (20, 28, 40, 60, 100, 420)
CUTS = (0.1, 0.2, 0.33, 0.5)
ANGLES_DEG = (-90, -60, -45, -20, 0, 20, 45, 60, 90, 180)
STREAM_FRAMES = 10
_MAX_FACES = 60
"""Of one list of boxes, so that a large data set takes minutes."""

_CROPS_AN_IMAGE = 10
_SLOW_STRIDE = 4
"""The cascade, which takes 50 times a network's time, searches only every fourth scene."""

Find = Callable[[np.ndarray], list[Detection]]


@dataclass(frozen=True)
class Case:
    """A kind of scene: what is varied, its value, and how to make it of a face."""

    kind: str
    value: float | str
    make: Callable[[LabeledFace, np.random.Generator], Scene]


def _placed(
    size: tuple[int, int], width_px: float, angle_deg: float = 0.0
) -> Callable[[LabeledFace, np.random.Generator], Scene]:
    return lambda face, rng: make_scene(face, size, width_px, rng.uniform(0.3, 0.7, 2), angle_deg)


def _cut(share: float, width_px: float) -> Callable[[LabeledFace, np.random.Generator], Scene]:
    """Return a function to scenes with a part of the face outside, at a random side."""

    def make(face: LabeledFace, rng: np.random.Generator) -> Scene:
        inside = (0.5 - share) * width_px
        x, y = inside / VGA[0], inside / VGA[1]
        centers = (x, 0.5), (1 - x, 0.5), (0.5, y), (0.5, 1 - y)
        return make_scene(face, VGA, width_px, centers[rng.integers(4)])

    return make


def _changed(
    change: Callable[[np.ndarray], np.ndarray],
) -> Callable[[LabeledFace, np.random.Generator], Scene]:
    def make(face: LabeledFace, rng: np.random.Generator) -> Scene:
        scene = _placed(VGA, 100)(face, rng)
        return Scene(change(scene.image), scene.center, scene.width, scene.eyes)

    return make


def cases() -> Iterator[Case]:
    """Return every kind of scene."""
    for width_px in WIDTHS_PX:
        yield Case('width, px of 640x480', width_px, _placed(VGA, width_px))
    for width_px in HD_WIDTHS_PX:
        yield Case('width, px of 1280x720', width_px, _placed(HD, width_px))
    for share in CUTS:
        for width_px in (100, 400):
            yield Case('part outside', f'{share:.0%} of {width_px} px', _cut(share, width_px))
    for angle_deg in ANGLES_DEG:
        yield Case('rotation, degrees', angle_deg, _placed(VGA, 100, angle_deg))
    for share in (0.5, 0.25, 0.1):
        yield Case('light, share', share, _changed(partial(cv2.convertScaleAbs, alpha=share)))
    for sigma in (2, 4, 6):
        blur = partial(cv2.GaussianBlur, ksize=(0, 0), sigmaX=sigma)
        yield Case('blur, sigma in px of a face of 100', sigma, _changed(blur))


def _stream(detector: Detector) -> Find:
    """Return a function that shows a still scene for some frames and returns all faces."""

    def find(image: np.ndarray) -> list[Detection]:
        keyframes = KeyframeDetector(detector, DETECT_EVERY)
        # the first frame of a stream is searched as a whole: begin with an empty one
        keyframes.detect(np.zeros_like(image), 0.0)
        return [
            face.detection
            for frame in range(1, STREAM_FRAMES + 1)
            for face in keyframes.detect(image, frame / 30)
        ]

    return find


def _finders(yunet: Path | None) -> dict[str, Find]:
    """Return each detector and schedule by name."""
    blazeface = make_detector()
    found: dict[str, Find] = {
        'blazeface': blazeface.detect,
        f'blazeface, {STREAM_FRAMES} frames': _stream(blazeface),
    }
    for width in (320, 640):
        if yunet is None:
            break
        detector = make_detector('yunet', yunet, search_width=width)
        found[f'yunet, {width} wide'] = detector.detect
    if hasattr(cv2, 'CascadeClassifier'):
        found['haar'] = make_detector('haar').detect
    return found


def load_faces(boxes: Sequence[Path]) -> list[LabeledFace]:
    """
    Return the face in the portrait, and those of lists of boxes.

    Raises:
        ValueError: if a list has no known form.

    """
    faces = [portrait_face()]
    for path in boxes:
        faces += read_boxes(path)[:_MAX_FACES]
    return faces


def _empty_images(folders: Sequence[Path], faces: Sequence[LabeledFace]) -> list[np.ndarray]:
    """Return images without faces: those of the folders, and parts of photographs."""
    images = [read_image(path) for folder in folders for path in find_images([str(folder)])]
    rng = np.random.default_rng(0)
    boxes: dict[Path, list[tuple[float, ...]]] = {}
    for face in faces:
        boxes.setdefault(face.photo, []).append(face.box)
    parts: list[tuple[np.ndarray, list[tuple[float, ...]]]] = [(image, []) for image in images]
    parts += [(read_image(photo), found) for photo, found in boxes.items()]
    crops: list[np.ndarray] = []
    for image, found in parts:
        squares = (_random_square(image, rng) for _ in range(200))
        free = (s for s in squares if all(_apart(s, box) for box in found))
        for x, y, side in itertools.islice(free, _CROPS_AN_IMAGE):
            crop = image[y : y + side, x : x + side]
            crops.append(cv2.resize(crop, VGA, interpolation=cv2.INTER_AREA))
    return images + crops


def _random_square(image: np.ndarray, rng: np.random.Generator) -> tuple[int, int, int]:
    """Return x, y and side in pixels of a square in an image."""
    height, width = image.shape[:2]
    side = int(rng.uniform(0.25, 0.8) * min(height, width))
    return int(rng.uniform(0, width - side)), int(rng.uniform(0, height - side)), side


def _apart(square: tuple[int, int, int], box: tuple[float, ...]) -> bool:
    """Return whether a square does not touch a box and half its size around it."""
    (x, y, side), (left, top, w, h) = square, box
    return (
        x + side < left - w / 2
        or x > left + 1.5 * w
        or y + side < top - h / 2
        or y > top + 1.5 * h
    )


def measure_reach(
    faces: Sequence[LabeledFace],
    empty: Sequence[Path],
    yunet: Path | None,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """
    Measure which faces are found.

    Args:
        faces: labeled faces.
        empty: folders of images without faces.
        yunet: YuNet's file.
        report: receives a line for each kind of scene.

    Returns:
        ``faces``: number of labeled faces; ``recall``: a row for each case with the share found by
        each detector, ``eyes``: median distance of the eyes from their labels in distances of the
        eyes, ``false``: images without faces in which something was found, ``images``: their
        number, ``ms`` and ``yardsticks`` for one image of 640x480.

    """
    cv2.setNumThreads(1)
    finders = _finders(yunet)
    rows = []
    errors: dict[str, list[float]] = {name: [] for name in finders}
    for case in cases():
        report(f'reach: {case.kind} {case.value}')
        rng = np.random.default_rng(7)
        scenes = [case.make(face, rng) for face in faces]
        row: dict[str, Any] = {'kind': case.kind, 'value': case.value}
        for name, find in finders.items():
            shown = scenes[:: _SLOW_STRIDE if name == 'haar' else 1]
            hits = [
                next((face for face in find(scene.image) if scene.shows(face)), None)
                for scene in shown
            ]
            row[name] = round(sum(hit is not None for hit in hits) / len(shown), 4)
            for scene, hit in zip(shown, hits, strict=True):
                error = scene.eye_error(hit) if hit else None
                if error is not None and case.kind.startswith('width') and case.value == 100:
                    errors[name].append(error)
        rows.append(row)
    images = _empty_images(empty, faces)
    report(f'reach: {len(images)} images without faces')
    return {
        'faces': len(faces),
        'images': len(images),
        'recall': rows,
        'eyes': {name: round(float(np.median(e)), 4) for name, e in errors.items() if e},
        'false': {
            name: sum(bool(find(image)) for image in images)
            for name, find in finders.items()
            if name != 'haar'
        },
        **_times(finders, faces[0]),
    }


def _times(finders: dict[str, Find], face: LabeledFace) -> dict[str, Any]:
    """Return the median time of a search of one VGA image, in ms and in yardsticks."""
    scene = make_scene(face, VGA, 100)

    def search(find: Find) -> Callable[[int], float]:
        return timed(lambda _: find(scene.image))

    functions = {name: search(find) for name, find in finders.items()}
    times = time_in_turn({'yardstick': make_yardstick()} | functions, calls=15, rounds=1)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    unit = medians.pop('yardstick')
    return {
        'ms': {name: round(value * 1000, 2) for name, value in medians.items()},
        'yardsticks': {name: round(value / unit, 2) for name, value in medians.items()},
    }
