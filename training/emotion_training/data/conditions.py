# SPDX-License-Identifier: Apache-2.0
"""Conditions that few images of a set have: dark, side light, unusual layout and others."""

from collections.abc import Callable

import cv2
import numpy as np

from emotion_training.data.dataset import Dataset

_THUMBNAIL_PX = 8


def _side_light(images: np.ndarray) -> np.ndarray:
    half = images.shape[2] // 2
    left, right = images[:, :, :half].mean((1, 2)), images[:, :, half:].mean((1, 2))
    return np.abs(left - right) / (left + right + 1)


def _smoothness(images: np.ndarray) -> np.ndarray:
    contrast = images.std((1, 2)) + 1
    return -np.array([cv2.Laplacian(image, cv2.CV_32F).std() for image in images]) / contrast


def _unusual_layout(images: np.ndarray) -> np.ndarray:
    """Return the distance of each thumbnail from the mean one, both without light and contrast."""
    size = (_THUMBNAIL_PX, _THUMBNAIL_PX)
    small = np.array([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images])
    small = small.reshape(len(images), -1)
    small = (small - small.mean(1, keepdims=True)) / (small.std(1, keepdims=True) + 1)
    return np.linalg.norm(small - small.mean(0), axis=1)


CONDITIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    'dark': lambda images: -images.mean((1, 2)),
    'bright': lambda images: images.mean((1, 2)),
    'low contrast': lambda images: -images.std((1, 2)),
    'side light': _side_light,
    'few details': _smoothness,
    'unusual layout': _unusual_layout,
}
"""By name, how much of it each image has, from float32 [N, 48, 48] to float [N]."""


def rows_of_conditions(
    splits: dict[str, Dataset], share: float
) -> dict[str, dict[str, np.ndarray]]:
    """
    Return the images that have the most of each condition.

    Args:
        splits: by name; the images of all are ranked together.
        share: of all images that have each condition, 0..1. One image may have several.

    Returns:
        By split and condition, bool [N].

    """
    images = np.concatenate([split.images for split in splits.values()]).astype(np.float32)
    ends = np.cumsum([len(split) for split in splits.values()])[:-1]
    rows: dict[str, dict[str, np.ndarray]] = {name: {} for name in splits}
    for condition, measure in CONDITIONS.items():
        values = measure(images)
        chosen = values >= np.quantile(values, 1 - share)
        for name, part in zip(splits, np.split(chosen, ends), strict=True):
            rows[name][condition] = part
    return rows
