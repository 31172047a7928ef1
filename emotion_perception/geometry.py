"""Where faces lie in images: cut-outs around them, and whether two boxes show the same face."""

from dataclasses import dataclass

import cv2
import numpy as np

from emotion_perception.types import Box, Detection


@dataclass(frozen=True)
class SquareCrop:
    """
    A square piece of an image, resized.

    Attributes:
        pixels: uint8 [side, side, 3]; black where it reaches outside the image.
        corner: x and y in the image of its upper left corner, which may lie outside.
        scale: how many pixels of it are one pixel of the image.

    """

    pixels: np.ndarray
    corner: np.ndarray
    scale: float


def crop_square(
    image: np.ndarray, box: tuple[float, float, float, float], factor: float, side: int
) -> SquareCrop:
    """
    Return the square about the middle of `box`.

    Args:
        image: BGR uint8 [H, W, 3].
        box: x, y, width, height in pixels.
        factor: side of the square as a multiple of the box's longer side.
        side: of the result in pixels.

    """
    cut = max(*box[2:], 1.0) * factor
    corner = np.array((box[0] + box[2] / 2, box[1] + box[3] / 2)) - cut / 2
    scale = side / cut
    # coordinates count from the edge of the first pixel, OpenCV's from its middle
    offset = (0.5 - corner) * scale - 0.5
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    pixels = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR)
    return SquareCrop(pixels, corner, scale)


def to_image_coordinates(face: Detection, piece: SquareCrop) -> Detection:
    """Return a face found in a cut-out at its place in the image."""
    x, y, w, h = (value / piece.scale for value in face.box)
    landmarks = None
    if face.landmarks is not None:
        landmarks = (face.landmarks / piece.scale + piece.corner).astype(np.float32)
    return Detection(
        (x + float(piece.corner[0]), y + float(piece.corner[1]), w, h), face.score, landmarks
    )


def central_face(faces: list[Detection], side: int) -> Detection | None:
    """Return the first of `faces` whose middle is in the middle half of a square; None without one."""
    for face in faces:
        x, y, w, h = face.box
        if max(abs(x + w / 2 - side / 2), abs(y + h / 2 - side / 2)) <= side / 4:
            return face
    return None


def is_duplicate(face: Detection, others: list[Detection]) -> bool:
    """Tell whether the middle of `face` lies in the middle half of another's box: the same face twice."""
    x, y, w, h = face.box
    for other in others:
        ox, oy, ow, oh = other.box
        if abs(x + w / 2 - ox - ow / 2) < ow / 4 and abs(y + h / 2 - oy - oh / 2) < oh / 4:
            return True
    return False


def clip_box(box: tuple[float, float, float, float], width: int, height: int) -> Box:
    """Return `box` in whole pixels inside an image of that size; at least one pixel large."""
    left, top = (
        min(max(round(v), 0), size - 1) for v, size in zip(box[:2], (width, height), strict=True)
    )
    right = min(max(round(box[0] + box[2]), left + 1), width)
    bottom = min(max(round(box[1] + box[3]), top + 1), height)
    return Box(left, top, right - left, bottom - top)


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """
    Return the turn, scale and shift that bring `source` closest to `target` (least squares).

    Umeyama's (1991) solution without reflection, which for points of the plane is one complex division.

    Args:
        source: float [N, 2], at least two different points.
        target: float [N, 2].

    Returns:
        float64 [2, 3], to be applied to (x, y, 1).

    """
    z, w = (points[:, 0] + 1j * points[:, 1] for points in (source, target))
    spread = z - z.mean()
    turn = np.vdot(spread, w - w.mean()) / np.vdot(spread, spread).real
    shift = w.mean() - turn * z.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
