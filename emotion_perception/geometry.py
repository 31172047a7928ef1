# SPDX-License-Identifier: Apache-2.0
"""Boxes, crops, similarity transforms, and downscaling without aliasing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from emotion_perception.types import Box, Detection

ROTATIONS: dict[int, int | None] = {
    0: None,
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
"""Clockwise rotations of images in degrees, and OpenCV's codes for them."""

_MAX_WARP_PX = 32_766
"""Longest side of an image that OpenCV's warpAffine takes."""


@dataclass(frozen=True)
class SquareCrop:
    """
    A square region of an image, rotated and resized.

    Attributes:
        pixels: uint8 [side, side, 3]; black outside the image where nothing else was asked for.
        matrix: float64 [2, 3], from image to crop coordinates.

    """

    pixels: np.ndarray
    matrix: np.ndarray

    @property
    def scale(self) -> float:
        """Crop pixels per image pixel."""
        return math.hypot(*self.matrix[:, 0])

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Convert points, float [..., 2], from crop to image coordinates."""
        inverse = cv2.invertAffineTransform(self.matrix)
        return points @ inverse[:, :2].T + inverse[:, 2]


def crop_square(
    image: np.ndarray,
    center: Sequence[float] | np.ndarray,
    side_in_image: float,
    side: int,
    angle_deg: float = 0.0,
    border: int = cv2.BORDER_CONSTANT,
) -> SquareCrop:
    """
    Crop a square around a point.

    Args:
        image: BGR uint8 [H, W, 3].
        center: x, y in pixels; may lie outside the image.
        side_in_image: side of the square in pixels of the image, above 0.
        side: of the result in pixels.
        angle_deg: clockwise rotation of what shall stand upright in the crop.
        border: OpenCV's mode outside the image.

    """
    scale = side / side_in_image
    cos, sin = (scale * f(math.radians(angle_deg)) for f in (math.cos, math.sin))
    linear = np.array([[cos, sin], [-sin, cos]])
    matrix = np.column_stack((linear, side / 2 - linear @ np.asarray(center, np.float64)))
    return SquareCrop(warp_square(image, matrix, side, border=border), matrix)


def outside_share(box: Sequence[float], shape: Sequence[int]) -> float:
    """Return the share of a box, x, y, width and height, outside an image of a shape [H, W]."""
    x, y, w, h = box
    inside_x = max(min(x + w, shape[1]) - max(x, 0.0), 0.0)
    inside_y = max(min(y + h, shape[0]) - max(y, 0.0), 0.0)
    return 1.0 - inside_x * inside_y / (w * h) if w > 0 and h > 0 else 1.0


def crop_region(
    image: np.ndarray,
    face: Detection,
    factor: float,
    side: int,
    border: int = cv2.BORDER_CONSTANT,
) -> SquareCrop:
    """
    Crop the square around a face, turned until its eyes are level.

    Args:
        image: BGR uint8 [H, W, 3].
        face: its box gives place and size, its landmarks, if it has any, the rotation.
        factor: side of the square as a multiple of the box's longer side.
        side: of the result in pixels.
        border: OpenCV's mode outside the image.

    """
    x, y, w, h = face.box
    side_in_image = factor * max(w, h, 1.0)
    center = x + w / 2, y + h / 2
    angle_deg = roll_deg(face.landmarks)
    return crop_square(image, center, side_in_image, side, angle_deg, border)


def warp_square(
    image: np.ndarray,
    matrix: np.ndarray,
    side: int,
    gray: bool = False,
    border: int = cv2.BORDER_CONSTANT,
) -> np.ndarray:
    """
    Transform a region of an image without aliasing: halve it as often as possible, then warp it.

    Args:
        image: BGR uint8 [H, W, 3].
        matrix: float64 [2, 3], a similarity transform from image to result coordinates, which
            both count from the edge of the first pixel.
        side: of the result in pixels.
        gray: convert to grayscale.
        border: OpenCV's mode outside the image.

    Returns:
        uint8 [side, side, 3], or [side, side] in gray.

    """
    # plain numbers: for so few of them NumPy takes as long as the warp itself
    (m00, m01, m02), (m10, m11, m12) = matrix.tolist()
    square = m00 * m00 + m10 * m10
    times = halving_count(image, math.sqrt(square))
    unit: int | np.ndarray = 2**times
    dx, dy = side / 2 - m02, side / 2 - m12
    center_x, center_y = (m00 * dx + m10 * dy) / square, (m01 * dx + m11 * dy) / square
    # room for the interpolation, and for what halving leaves out at the right and at the bottom
    reach = side / 2 * (abs(m00) + abs(m10)) / square + 4 * 2**times
    left, right = _clip_range(center_x, reach, image.shape[1], 2**times)
    top, bottom = _clip_range(center_y, reach, image.shape[0], 2**times)
    region = image[top:bottom, left:right]
    if gray:
        region = cv2.cvtColor(region, cv2.COLOR_BGR2GRAY)
    region = halve(region, times)
    sides = np.array(region.shape[1::-1])
    if sides.max() > _MAX_WARP_PX:
        # a strip that is too narrow to be halved more often
        fits = np.minimum(sides, _MAX_WARP_PX)
        region = cv2.resize(region, fits.tolist(), interpolation=cv2.INTER_AREA)
        unit = unit * sides / fits
    moved = matrix.copy()
    moved[:, :2] *= unit
    # our coordinates count from the edge of the first pixel, OpenCV's from its center
    moved[0, 2] += m00 * left + m01 * top + (moved[0, 0] + moved[0, 1]) / 2 - 0.5
    moved[1, 2] += m10 * left + m11 * top + (moved[1, 0] + moved[1, 1]) / 2 - 0.5
    return cv2.warpAffine(region, moved, (side, side), flags=cv2.INTER_LINEAR, borderMode=border)


def _clip_range(center: float, reach: float, length: int, unit: int) -> tuple[int, int]:
    """Return first and last (exclusive) pixel within `reach`, at least `unit` in the image."""
    first = math.floor(min(max(center - reach, 0), length - unit))
    return first, max(math.ceil(min(max(center + reach, 0), length)), first + unit)


def to_image_coordinates(face: Detection, crop: SquareCrop) -> Detection:
    """Convert a detection in a crop to the coordinates of the image; boxes stay upright."""
    x, y, w, h = face.box
    center = crop.to_image(np.array((x + w / 2, y + h / 2)))
    w, h = w / crop.scale, h / crop.scale
    landmarks = None
    if face.landmarks is not None:
        landmarks = crop.to_image(face.landmarks).astype(np.float32)
    return Detection(
        (float(center[0]) - w / 2, float(center[1]) - h / 2, w, h), face.score, landmarks
    )


def roll_deg(landmarks: np.ndarray | None) -> float:
    """Return the clockwise rotation of a face from its eyes, -180..180; 0 without landmarks."""
    if landmarks is None:
        return 0.0
    (left_x, left_y), (right_x, right_y) = landmarks[:2]
    return math.degrees(math.atan2(right_y - left_y, right_x - left_x))


def central_face(faces: list[Detection], side: int) -> Detection | None:
    """Return the first face whose center is in the middle half of a square crop, or None."""
    for face in faces:
        x, y, w, h = face.box
        if max(abs(x + w / 2 - side / 2), abs(y + h / 2 - side / 2)) <= side / 4:
            return face
    return None


def find_duplicate(face: Detection, others: Sequence[Detection]) -> int | None:
    """Return the index of the box in whose middle half the center of `face` lies, or None."""
    x, y, w, h = face.box
    for index, other in enumerate(others):
        ox, oy, ow, oh = other.box
        if abs(x + w / 2 - ox - ow / 2) < ow / 4 and abs(y + h / 2 - oy - oh / 2) < oh / 4:
            return index
    return None


def is_duplicate(face: Detection, others: Sequence[Detection]) -> bool:
    """Return whether the center of `face` lies in the middle half of another's box."""
    return find_duplicate(face, others) is not None


def is_repeated(face: Detection, others: Sequence[Detection]) -> bool:
    """Return whether the box of `face` has the place of another's and about its width."""
    width = face.box[2]
    return is_duplicate(face, [o for o in others if width / 1.5 < o.box[2] < width * 1.5])


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


def rotate_image(image: np.ndarray, rotate_deg: int) -> np.ndarray:
    """Return an image rotated clockwise by one of `ROTATIONS`, itself for 0."""
    code = ROTATIONS[rotate_deg]
    return image if code is None else cv2.rotate(image, code)


def unrotate_box(
    box: tuple[float, float, float, float], rotate_deg: int, width: int, height: int
) -> tuple[float, float, float, float]:
    """
    Convert a box in a rotated image to the image before the rotation.

    Args:
        box: x, y, width, height in pixels of the rotated image.
        rotate_deg: clockwise rotation of the image: 0, 90, 180 or 270.
        width: of the image before the rotation.
        height: of the image before the rotation.

    """
    x, y, w, h = box
    if rotate_deg == 90:
        return y, height - x - w, h, w
    if rotate_deg == 180:
        return width - x - w, height - y - h, w, h
    if rotate_deg == 270:
        return width - y - h, x, h, w
    return box


def unrotate_points(points: np.ndarray, rotate_deg: int, width: int, height: int) -> np.ndarray:
    """
    Convert points in a rotated image to the image before the rotation, as `unrotate_box` does.

    Args:
        points: float [N, 2], x and y in pixels of the rotated image.
        rotate_deg: clockwise rotation of the image: 0, 90, 180 or 270.
        width: of the image before the rotation.
        height: of the image before the rotation.

    """
    x, y = points.T
    before = {
        0: (x, y),
        90: (y, height - x),
        180: (width - x, height - y),
        270: (width - y, x),
    }
    return np.column_stack(before[rotate_deg])


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
    # as np.mean computes it, in a third of the time
    z_mean, w_mean = z.sum() / len(z), w.sum() / len(w)
    centered = z - z_mean
    rotation = np.vdot(centered, w - w_mean) / np.vdot(centered, centered).real
    shift = w_mean - rotation * z_mean
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
