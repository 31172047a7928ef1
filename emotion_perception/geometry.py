# SPDX-License-Identifier: Apache-2.0
"""Boxes, crops, similarity transforms, and downscaling without aliasing."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from emotion_perception.types import Box, Detection


@dataclass(frozen=True)
class SquareCrop:
    """
    A square region of an image, resized.

    Attributes:
        pixels: uint8 [side, side, 3]; black outside the image.
        corner: float [2], x and y of its upper left corner in the image; may lie outside.
        scale: crop pixels per image pixel.

    """

    pixels: np.ndarray
    corner: np.ndarray
    scale: float


def crop_square(
    image: np.ndarray, box: tuple[float, float, float, float], factor: float, side: int
) -> SquareCrop:
    """
    Crop a square around the center of `box`.

    Args:
        image: BGR uint8 [H, W, 3].
        box: x, y, width, height in pixels.
        factor: side of the square as a multiple of the box's longer side.
        side: of the result in pixels.

    """
    side_in_image = max(*box[2:], 1.0) * factor
    corner = np.array((box[0] + box[2] / 2, box[1] + box[3] / 2)) - side_in_image / 2
    scale = side / side_in_image
    # our coordinates count from the edge of the first pixel, OpenCV's from its center
    offset = (0.5 - corner) * scale - 0.5
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    pixels = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR)
    return SquareCrop(pixels, corner, scale)


def to_image_coordinates(face: Detection, crop: SquareCrop) -> Detection:
    """Convert a detection in a crop to the coordinates of the image."""
    x, y, w, h = (value / crop.scale for value in face.box)
    landmarks = None
    if face.landmarks is not None:
        landmarks = (face.landmarks / crop.scale + crop.corner).astype(np.float32)
    return Detection(
        (x + float(crop.corner[0]), y + float(crop.corner[1]), w, h), face.score, landmarks
    )


def central_face(faces: list[Detection], side: int) -> Detection | None:
    """Return the first face whose center is in the middle half of a square crop, or None."""
    for face in faces:
        x, y, w, h = face.box
        if max(abs(x + w / 2 - side / 2), abs(y + h / 2 - side / 2)) <= side / 4:
            return face
    return None


def is_duplicate(face: Detection, others: list[Detection]) -> bool:
    """Return whether the center of `face` lies in the middle half of another's box."""
    x, y, w, h = face.box
    for other in others:
        ox, oy, ow, oh = other.box
        if abs(x + w / 2 - ox - ow / 2) < ow / 4 and abs(y + h / 2 - oy - oh / 2) < oh / 4:
            return True
    return False


def remove_duplicates(faces: list[Detection]) -> list[Detection]:
    """Return the faces, best score first, without duplicates of better ones."""
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if not is_duplicate(face, kept):
            kept.append(face)
    return kept


def clip_box(box: tuple[float, float, float, float], width: int, height: int) -> Box:
    """Round `box` to whole pixels inside an image of that size; at least one pixel large."""
    left, top = (
        min(max(round(v), 0), size - 1) for v, size in zip(box[:2], (width, height), strict=True)
    )
    right = min(max(round(box[0] + box[2]), left + 1), width)
    bottom = min(max(round(box[1] + box[3]), top + 1), height)
    return Box(left, top, right - left, bottom - top)


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """
    Return the rotation, scale and translation from `source` to `target` (least squares).

    Umeyama's (1991) solution without reflection; in the plane it is one complex division.

    Args:
        source: float [N, 2], at least two different points.
        target: float [N, 2].

    Returns:
        float64 [2, 3], to be applied to (x, y, 1).

    """
    z, w = (points[:, 0] + 1j * points[:, 1] for points in (source, target))
    centered = z - z.mean()
    rotation = np.vdot(centered, w - w.mean()) / np.vdot(centered, centered).real
    shift = w.mean() - rotation * z.mean()
    return np.array(
        [[rotation.real, -rotation.imag, shift.real], [rotation.imag, rotation.real, shift.imag]]
    )


def halving_count(image: np.ndarray, scale: float) -> int:
    """Return how often `image` can be halved before it is scaled by `scale`; 0 for enlarging."""
    most = math.floor(math.log2(min(image.shape[:2])))
    return min(max(math.floor(-math.log2(scale)), 0), most)


def halve(image: np.ndarray, times: int) -> np.ndarray:
    """
    Halve both sides of an image, averaging 2x2 pixels, `times` times.

    OpenCV's area interpolation is many times faster by exactly two than by any other factor.

    Args:
        image: uint8 [H, W] or [H, W, C], at least ``2**times`` pixels each way; the remainder at
            the right and at the bottom is left out.
        times: 0 returns `image` itself.

    """
    if not times:
        return image
    side = 2**times
    height, width = image.shape[0] // side * side, image.shape[1] // side * side
    image = image[:height, :width]
    for _ in range(times):
        size = image.shape[1] // 2, image.shape[0] // 2
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return image


def downscale(image: np.ndarray, scale: float) -> np.ndarray:
    """
    Scale an image without aliasing: halve it as often as possible, then interpolate.

    Args:
        image: uint8 [H, W, C]; up to ``1 / scale`` pixels are left out at the right and at the
            bottom.
        scale: of both sides, above 0; may be above 1.

    Returns:
        uint8 [h, w, C]; sides are rounded and at least one pixel.

    """
    times = halving_count(image, scale)
    small, rest = halve(image, times), scale * 2**times
    size = max(round(small.shape[1] * rest), 1), max(round(small.shape[0] * rest), 1)
    return cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
