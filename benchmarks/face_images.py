# SPDX-License-Identifier: Apache-2.0
"""Images with a known number of faces: copies of the NASA portrait's head before a plain wall."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from emotion_perception.imaging.sources import portrait_path

SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
FACES = (0, 1, 3, 10)
_HEAD = (slice(0, 210), slice(120, 330))
"""Rows and columns of the head in the 512x512 portrait."""
_COLUMNS = {1: 1, 3: 3, 10: 5, 20: 5}


@cache
def _portrait_head() -> np.ndarray:
    image = cv2.imread(str(portrait_path()))
    assert image is not None
    return image[_HEAD]


def draw_faces(size: tuple[int, int], faces: int, shift_px: int = 0, seed: int = 0) -> np.ndarray:
    """
    Return an image with faces in rows, BGR uint8 [H, W, 3].

    Args:
        size: width and height in pixels.
        faces: 0, 1, 3, 10 or 20, each as large as there is room, at most 60 % of the height.
        shift_px: moves all faces to the right.
        seed: of the noise.

    """
    width, height = size
    rng = np.random.default_rng(seed)
    wall = np.linspace(150, 90, width)[None, :, None] + rng.normal(0, 2, (height, width, 3))
    image = wall.astype(np.uint8)
    if not faces:
        return image
    columns = _COLUMNS[faces]
    rows = -(-faces // columns)
    side = int(min(width / columns, height / rows, 0.6 * height) * 0.92)
    head = cv2.resize(_portrait_head(), (side, side), interpolation=cv2.INTER_AREA)
    for index in range(faces):
        x = round(width * (index % columns + 0.5) / columns - side / 2) + shift_px
        y = round(height * (index // columns + 0.5) / rows - side / 2)
        x, y = max(0, min(x, width - side)), max(0, min(y, height - side))
        image[y : y + side, x : x + side] = head
    return image


def moving_faces(size: tuple[int, int], faces: int, count: int = 10) -> list[np.ndarray]:
    """Return images in which the faces move sideways by a pixel or two."""
    shifts = [round(3 * np.sin(2 * np.pi * k / count)) for k in range(count)]
    return [draw_faces(size, faces, shift, seed) for seed, shift in enumerate(shifts)]


@contextmanager
def image_file(size: tuple[int, int], faces: int) -> Iterator[str]:
    """Write an image with faces to a file and give the camera node's `source` for it."""
    with tempfile.TemporaryDirectory(prefix='bench-') as folder:
        path = Path(folder) / 'faces.png'
        # the camera node zooms into a still image: it shows the middle
        dx, dy = (round(0.12 * length) for length in size)
        image = draw_faces(size, faces)
        cv2.imwrite(str(path), cv2.copyMakeBorder(image, dy, dy, dx, dx, cv2.BORDER_REPLICATE))
        yield f'"{path}"'
