"""Draw what was seen onto a picture."""

from collections.abc import Iterable

import cv2
import numpy as np

from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.types import Box, FaceEmotion

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
"""Blue, green, red of each label."""


def annotate(image: np.ndarray, faces: Iterable[FaceEmotion]) -> np.ndarray:
    """
    Return a copy of a BGR picture, uint8 [H, W, 3], with boxes, labels and bars of probability.

    Args:
        image: is not changed.
        faces: what `Pipeline.process` found in it.

    """
    faces = list(faces)
    out = np.array(image)
    unit = max(min(out.shape[:2]) / 480, 0.5)
    for face in faces:
        _bars(out, face, [other.box for other in faces if other is not face], unit)
    for face in faces:
        color = COLORS[face.label]
        x, y, w, h = face.box
        cv2.rectangle(out, (x, y), (x + w, y + h), color, max(round(2 * unit), 1), cv2.LINE_AA)
        name = f'#{face.face_id} ' if face.face_id else ''
        _label(out, f'{name}{face.label} {min(face.confidence, 0.99):.0%}', (x, y), color, unit)
    return out


def _label(out: np.ndarray, text: str, corner: tuple[int, int], color, unit: float) -> None:
    font, size, stroke = cv2.FONT_HERSHEY_SIMPLEX, 0.55 * unit, max(round(1.4 * unit), 1)
    (width, height), _ = cv2.getTextSize(text, font, size, stroke)
    pad = max(round(4 * unit), 1)
    x = max(min(corner[0], out.shape[1] - width - 2 * pad), 0)
    y = max(corner[1], height + 2 * pad)
    cv2.rectangle(out, (x, y - height - 2 * pad), (x + width + 2 * pad, y), color, cv2.FILLED)
    cv2.putText(out, text, (x + pad, y - pad), font, size, (20, 20, 20), stroke, cv2.LINE_AA)


def _bars(out: np.ndarray, face: FaceEmotion, others: list[Box], unit: float) -> None:
    """Draw the smoothed probabilities below the box on a darkened ground, where there is room and no face."""
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
    for row, (label, share) in enumerate(zip(EMOTIONS, face.smoothed_probabilities, strict=True)):
        y = top + pad + row * step
        end = left + round((right - left) * float(share))
        cv2.rectangle(out, (left, y), (end, y + thick), COLORS[label], cv2.FILLED)
        cv2.putText(
            out, label, (right + pad, y + thick), font, size, (240, 240, 240), 1, cv2.LINE_AA
        )
