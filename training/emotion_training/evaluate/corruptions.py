# SPDX-License-Identifier: Apache-2.0
"""
Synthetic corruptions of 48x48 grayscale faces, as functions of the image and a strength.

`data.augmentation` applies them at random in training, `corruption_scores` measures each one. All
take and return uint8 [48, 48]; `loose` also takes float32, because it follows mixup in training.
"""

import cv2
import numpy as np

from emotion_perception.alignment import FER2013_LANDMARKS

_HEAD_RADIUS = 0.5
"""Radius of the cylinder that models a turned head, in image sides; eyes are 0.37 apart."""


def fewer_pixels(image: np.ndarray, side_px: int) -> np.ndarray:
    """Return the face reduced to `side_px` pixels and enlarged again, like a distant face."""
    small = cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR)


def defocus(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Return the face blurred by a Gaussian."""
    return cv2.GaussianBlur(image, (0, 0), sigma_px)


def motion_blur(image: np.ndarray, length_px: int, angle_deg: float) -> np.ndarray:
    """Return the face blurred along a line of `length_px`."""
    kernel = np.zeros((length_px, length_px), np.float32)
    kernel[length_px // 2] = 1 / length_px
    turn = cv2.getRotationMatrix2D(((length_px - 1) / 2,) * 2, angle_deg, 1)
    turned = cv2.warpAffine(kernel, turn, (length_px, length_px))
    return cv2.filter2D(image, -1, turned / max(turned.sum(), 1e-6))


def noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Return the face with Gaussian noise, `sigma` in gray levels."""
    return np.clip(image + rng.normal(0, sigma, image.shape), 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Return the face after jpeg compression, `quality` 1..100."""
    _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


def low_light(
    image: np.ndarray, gain: float, gamma: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the face with `gain` of the light, a `gamma` curve and sensor noise."""
    return noise(255 * (image / 255.0) ** gamma * gain, 2.0, rng)


def turned(image: np.ndarray, yaw_deg: float) -> np.ndarray:
    """
    Return the face turned about the vertical axis, modeled as a cylinder; it stays centered.

    The far half of the face is compressed and partly hidden. The near side of the head, which the
    image does not show, repeats the edge pixels.
    """
    height, width = image.shape
    radius, yaw = _HEAD_RADIUS * width, np.deg2rad(yaw_deg)
    across = (np.arange(width) + 0.5 - width / 2) / radius + np.sin(yaw)
    angle = np.arcsin(np.clip(across, -1, 1)) - yaw
    columns = np.sin(np.clip(angle, -np.pi / 2, np.pi / 2)) * radius + width / 2 - 0.5
    map_x = np.repeat(columns[None].astype(np.float32), height, axis=0)
    map_y = np.repeat(np.arange(height, dtype=np.float32)[:, None], width, axis=1)
    return cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def glasses(image: np.ndarray, frame_px: int, tint: float, gray: int = 25) -> np.ndarray:
    """
    Return the face with drawn glasses at the eye positions of FER2013.

    Args:
        image: the face.
        frame_px: line width of the frame.
        tint: of the lenses, 0 (clear) to 1 (black).
        gray: gray level of the frame.

    """
    scale = image.shape[0] / 48
    left, right = (tuple(int(v) for v in np.rint(eye * scale)) for eye in FER2013_LANDMARKS[:2])
    lens = round(7 * scale), round(5 * scale)
    covered = np.zeros_like(image)
    for eye in (left, right):
        cv2.ellipse(covered, eye, lens, 0, 0, 360, 255, -1)
    dark = np.where(covered > 0, image * (1 - tint) + gray * tint, image)
    out = np.rint(dark).astype(np.uint8)
    for eye in (left, right):
        cv2.ellipse(out, eye, lens, 0, 0, 360, gray, frame_px)
    cv2.line(out, (left[0] + lens[0], left[1]), (right[0] - lens[0], right[1]), gray, frame_px)
    return out


def covered(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return the face with a random plain rectangle over `share` of its area, 0..1."""
    side = image.shape[0]
    aspect = rng.uniform(0.6, 1.6)
    height, width = (
        min(max(round(side * np.sqrt(share * stretch)), 1), side)
        for stretch in (aspect, 1 / aspect)
    )
    top, left = rng.integers(0, side - height + 1), rng.integers(0, side - width + 1)
    out = image.copy()
    out[top : top + height, left : left + width] = rng.integers(256)
    return out


SURROUNDINGS = (cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101)
"""Border modes of `loose`: one gray level, repeated edge pixels, or a reflection."""


def loose(
    image: np.ndarray, side_px: int, top: int, left: int, surroundings: int, gray: int = 128
) -> np.ndarray:
    """
    Return a loose crop: the face reduced to `side_px` pixels, with a border around it.

    Args:
        image: the face.
        side_px: side of the face, at most that of the image.
        top: first row of the face.
        left: first column of the face.
        surroundings: one of `SURROUNDINGS`.
        gray: gray level of ``cv2.BORDER_CONSTANT``.

    """
    small = cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA)
    free = image.shape[0] - side_px
    return cv2.copyMakeBorder(
        small, top, free - top, left, free - left, surroundings, value=float(gray)
    )


def weak(image: np.ndarray, neutral: np.ndarray, share: float) -> np.ndarray:
    """
    Return the face with a weaker expression: blended with the average neutral face.

    Args:
        image: the face.
        neutral: mean of neutral faces, float32 of the same shape; the light of `image` is given
            to it.
        share: of the neutral face, 0..1.

    """
    mean, spread = image.mean(), image.std()
    lit = (neutral - neutral.mean()) / max(float(neutral.std()), 1e-6) * spread + mean
    return np.clip((1 - share) * image + share * lit, 0, 255).astype(image.dtype)
