# SPDX-License-Identifier: Apache-2.0
"""Draw boxes, labels, probabilities and directions of heads onto an image."""

import cmath
import math
from collections.abc import Iterable

import cv2
import numpy as np

from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.types import Box, FaceEmotion, HeadPose

COLORS = {
    'anger': (60, 60, 230),
    'disgust': (60, 160, 60),
    'fear': (200, 80, 160),
    'happiness': (40, 190, 250),
    'neutral': (200, 200, 200),
    'sadness': (220, 130, 50),
    'surprise': (80, 220, 220),
    UNCERTAIN: (130, 130, 130),
}
"""Color of each label, in BGR order."""


def annotate(image: np.ndarray, faces: Iterable[FaceEmotion], rotate: int = 0) -> np.ndarray:
    """
    Return a copy of an image with box, label, probabilities and head direction of each face.

    Args:
        image: BGR uint8 [H, W, 3]; not changed.
        faces: what `Pipeline.process` found in it.
        rotate: `Pipeline.rotate`, the clockwise rotation after which the image is upright.

    Returns:
        BGR uint8 [H, W, 3].

    """
    faces = list(faces)
    out = np.array(image)
    unit = max(min(out.shape[:2]) / 480, 0.5)
    for face in faces:
        _draw_bars(out, face, [other.box for other in faces if other is not face], unit)
    for face in faces:
        if face.head_pose is not None:
            _draw_direction(out, face.box, face.head_pose, rotate, unit)
    for face in faces:
        color = COLORS[face.label]
        x, y, w, h = face.box
        cv2.rectangle(out, (x, y), (x + w, y + h), color, max(round(2 * unit), 1), cv2.LINE_AA)
        number = f'#{face.face_id} ' if face.face_id else ''
        text = f'{number}{face.label} {min(face.confidence, 0.99):.0%}'
        if face.position is not None:
            text += f' {face.distance:.1f} m'
        _draw_label(out, text, (x, y), color, unit)
    return out


def _draw_direction(out: np.ndarray, box: Box, pose: HeadPose, rotate: int, unit: float) -> None:
    """Draw an arrow from the box to where the head is directed; a ring if that is the camera."""
    x, y, w, h = box
    # in the upright image; turned back into the image as it came
    along = complex(math.sin(pose.yaw) * math.cos(pose.pitch), math.sin(pose.pitch))
    along *= cmath.exp(-1j * math.radians(rotate))
    radius, gap = max(round(0.06 * max(w, h)), 2), round(3 * unit)
    right = x + w + gap + radius
    ring = right if right + radius < out.shape[1] else x - gap - radius, y + radius
    # where the arrow leaves the box, whose face stays free
    edge = 0.5 / max(abs(along.real) / w, abs(along.imag) / h, 1e-6)
    length = edge + (gap + 0.5 * max(w, h) * abs(along)) / max(abs(along), 1e-6)
    ends = [(x + w / 2 + t * along.real, y + h / 2 + t * along.imag) for t in (edge, length)]
    start, end = ((round(across), round(down)) for across, down in ends)
    # dark below light, to be seen on every image
    for shade, width in ((20, 4), (240, 2)):
        color, stroke = (shade, shade, shade), max(round(width * unit), 1)
        if pose.looking_at_camera >= 0.5:
            cv2.circle(out, ring, radius, color, stroke, cv2.LINE_AA)
        else:
            cv2.arrowedLine(out, start, end, color, stroke, cv2.LINE_AA, tipLength=0.25)


def _draw_label(
    out: np.ndarray,
    text: str,
    corner: tuple[int, int],
    color: tuple[int, int, int],
    unit: float,
) -> None:
    font, size, stroke = cv2.FONT_HERSHEY_SIMPLEX, 0.55 * unit, max(round(1.4 * unit), 1)
    (width, height), _ = cv2.getTextSize(text, font, size, stroke)
    pad = max(round(4 * unit), 1)
    x = max(min(corner[0], out.shape[1] - width - 2 * pad), 0)
    y = max(corner[1], height + 2 * pad)
    cv2.rectangle(out, (x, y - height - 2 * pad), (x + width + 2 * pad, y), color, cv2.FILLED)
    cv2.putText(out, text, (x + pad, y - pad), font, size, (20, 20, 20), stroke, cv2.LINE_AA)


def _draw_bars(out: np.ndarray, face: FaceEmotion, others: list[Box], unit: float) -> None:
    """Draw the smoothed probabilities below the box, where there is room and no other face."""
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.36 * unit
    thick, step, pad = max(round(8 * unit), 2), max(round(13 * unit), 3), round(4 * unit)
    text_width = cv2.getTextSize('happiness', font, size, 1)[0][0] + 2 * pad
    width = max(face.box.width, text_width)
    left = max(min(face.box.x, out.shape[1] - width - text_width), 0)
    right = left + width
    top = face.box.y + face.box.height + pad
    bottom = top + step * len(EMOTIONS) + pad
    if bottom > out.shape[0]:
        return
    for x, y, w, h in others:
        if left < x + w and x < right + text_width and top < y + h and y < bottom:
            return
    ground = out[top:bottom, left : right + text_width]
    ground //= 3
    for row, (label, probability) in enumerate(
        zip(EMOTIONS, face.smoothed_probabilities, strict=True)
    ):
        y = top + pad + row * step
        end = left + round((right - left) * float(probability))
        cv2.rectangle(out, (left, y), (end, y + thick), COLORS[label], cv2.FILLED)
        cv2.putText(
            out, label, (right + pad, y + thick), font, size, (240, 240, 240), 1, cv2.LINE_AA
        )
