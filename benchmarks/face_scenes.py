# SPDX-License-Identifier: Apache-2.0
"""Scenes with one labeled face of a chosen size, place and rotation, made from photographs."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from emotion_perception.geometry import halve, halving_count
from emotion_perception.imaging.codecs import read_image
from emotion_perception.imaging.sources import portrait_path
from emotion_perception.types import Detection

_PORTRAIT_BOX = (176.0, 70.0, 100.0, 100.0)
_PORTRAIT_EYES = ((202.5, 104.5), (248.0, 102.5))
_IMAGE_LEFT_EYE, _IMAGE_RIGHT_EYE = range(36, 42), range(42, 48)
"""Of the 68 landmarks of iBUG 300-W."""


@dataclass(frozen=True)
class LabeledFace:
    """
    A face in a photograph.

    Attributes:
        photo: path of the photograph.
        box: x, y, width, height in pixels.
        eyes: float [2, 2], centers of the eyes, the image's left first; None if not labeled.

    """

    photo: Path
    box: tuple[float, float, float, float]
    eyes: np.ndarray | None = None


@dataclass(frozen=True)
class Scene:
    """An image with one labeled face: BGR uint8 [H, W, 3], center, width and eyes in pixels."""

    image: np.ndarray
    center: np.ndarray
    width: float
    eyes: np.ndarray | None

    def shows(self, face: Detection) -> bool:
        """Return whether a detection is this face: center within a third, width within twice."""
        x, y, w, h = face.box
        distance = np.hypot(*(self.center - (x + w / 2, y + h / 2)))
        return bool(distance < self.width / 3 and self.width / 2 < w < self.width * 2)

    def eye_error(self, face: Detection) -> float | None:
        """Return the mean distance of the eyes from their labels, in distances of the eyes."""
        if self.eyes is None or face.landmarks is None:
            return None
        errors = np.linalg.norm(face.landmarks[:2] - self.eyes, axis=1)
        return float(errors.mean() / np.linalg.norm(self.eyes[1] - self.eyes[0]))


def portrait_face() -> LabeledFace:
    """Return the face in the NASA portrait, which every machine has."""
    return LabeledFace(portrait_path(), _PORTRAIT_BOX, np.array(_PORTRAIT_EYES))


def read_boxes(path: Path) -> list[LabeledFace]:
    """
    Read face boxes in the form of dlib's xml or of WIDER FACE's txt.

    Args:
        path: of the file; the photographs are beside it, or in ``images`` beside it.

    Raises:
        ValueError: if the file has neither form, or names a photograph that is not there.

    """
    try:
        faces = list(_read_dlib(path) if path.suffix == '.xml' else _read_wider(path))
    except (ElementTree.ParseError, IndexError, KeyError, ValueError) as error:
        raise ValueError(
            f'{path} has neither the form of dlib (.xml) nor of WIDER FACE (.txt): {error!r}'
        ) from error
    if missing := next((face.photo for face in faces if not face.photo.is_file()), None):
        raise ValueError(f'{path} names {missing}, which does not exist')
    return faces


def _beside(path: Path, name: str) -> Path:
    candidates = path.parent / name, path.parent / 'images' / name
    return next((file for file in candidates if file.is_file()), candidates[0])


def _read_dlib(path: Path) -> Iterator[LabeledFace]:
    for image in ElementTree.parse(path).iter('image'):
        for box in image.iter('box'):
            if box.get('ignore') == '1':
                continue
            parts = {
                int(p.attrib['name']): (p.attrib['x'], p.attrib['y']) for p in box.iter('part')
            }
            eyes = None
            if len(parts) == 68:
                eyes = np.array(
                    [
                        np.mean([np.array(parts[k], float) for k in eye], axis=0)
                        for eye in (_IMAGE_LEFT_EYE, _IMAGE_RIGHT_EYE)
                    ]
                )
            left, top, width, height = (
                float(box.attrib[key]) for key in ('left', 'top', 'width', 'height')
            )
            yield LabeledFace(
                _beside(path, image.attrib['file']), (left, top, width, height), eyes
            )


def _read_wider(path: Path) -> Iterator[LabeledFace]:
    lines = path.read_text().splitlines()
    while lines:
        name, count = lines[0].strip(), int(lines[1])
        # an image without faces has the count 0 and one row of zeros
        rows, lines = lines[2 : 2 + max(count, 1)], lines[2 + max(count, 1) :]
        if len(rows) < count:
            raise ValueError(f'{name} has {len(rows)} rows, expected {count}')
        for row in rows:
            x, y, w, h, *attributes = (float(value) for value in row.split())
            invalid = len(attributes) > 3 and attributes[3]
            if w > 0 and h > 0 and not invalid:
                yield LabeledFace(_beside(path, name), (x, y, w, h))


def make_scene(
    face: LabeledFace,
    size: tuple[int, int],
    width_px: float,
    center: Sequence[float] | np.ndarray = (0.5, 0.5),
    angle_deg: float = 0.0,
) -> Scene:
    """
    Show a face in an image of another size; its photograph is mirrored where it ends.

    Args:
        face: to show.
        size: width and height of the image in pixels.
        width_px: width of the face.
        center: place of the face's center, as a part of the image's width and height.
        angle_deg: clockwise rotation.

    """
    photo = read_image(face.photo)
    x, y, w, h = face.box
    scale = width_px / w
    times = halving_count(photo, scale)
    unit = 2**times
    photo = halve(photo, times)
    if not times and scale < 1:
        photo = cv2.GaussianBlur(photo, (0, 0), 0.35 / scale)
    turn = scale * np.exp(1j * np.deg2rad(angle_deg))
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    target = np.array(center) * size
    offset = target - linear @ (x + w / 2, y + h / 2)
    # coordinates count from the edge of the first pixel, OpenCV's from its center
    shift = linear @ (unit / 2, unit / 2) - 0.5
    matrix = np.column_stack((linear * unit, offset + shift))
    image = cv2.warpAffine(
        photo, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    eyes = None if face.eyes is None else face.eyes @ linear.T + offset
    return Scene(image, target, width_px * max(1.0, h / w), eyes)
