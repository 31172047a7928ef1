"""Pictures to measure on: the NASA portrait's face, as often and as large as asked, before an even wall."""

from functools import cache

import cv2
import numpy as np

from emotion_perception.imaging.sources import portrait_path

SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
FACES = (0, 1, 3, 10)
_HEAD = (slice(0, 210), slice(120, 330))
"""Where the head is in the 512x512 portrait: rows, columns."""
_COLUMNS = {1: 1, 3: 3, 10: 5}


@cache
def portrait_head() -> np.ndarray:
    """Return the head of the NASA portrait, BGR uint8 [210, 210, 3]; not to be changed."""
    image = cv2.imread(str(portrait_path()))
    assert image is not None
    return image[_HEAD]


def frame(size: tuple[int, int], faces: int, shift: int = 0, seed: int = 0) -> np.ndarray:
    """
    Return one picture, BGR uint8 [H, W, 3].

    Args:
        size: width and height.
        faces: 0, 1, 3 or 10, in rows; each is as large as there is room, at most 60 % of the height.
        shift: moves all faces by this many pixels, as a camera that sways.
        seed: of the camera's noise.

    """
    width, height = size
    rng = np.random.default_rng(seed)
    light = np.linspace(150, 90, width)[None, :, None] + rng.normal(0, 2, (height, width, 3))
    image = light.astype(np.uint8)
    if not faces:
        return image
    columns = _COLUMNS[faces]
    rows = -(-faces // columns)
    side = int(min(width / columns, height / rows, 0.6 * height) * 0.92)
    head = cv2.resize(portrait_head(), (side, side), interpolation=cv2.INTER_AREA)
    for index in range(faces):
        x = round(width * (index % columns + 0.5) / columns - side / 2) + shift
        y = round(height * (index // columns + 0.5) / rows - side / 2)
        x, y = max(0, min(x, width - side)), max(0, min(y, height - side))
        image[y : y + side, x : x + side] = head
    return image


def sequence(size: tuple[int, int], faces: int, count: int = 10) -> list[np.ndarray]:
    """Return pictures of the same faces, each a pixel or two away from the one before."""
    sway = [round(3 * np.sin(2 * np.pi * k / count)) for k in range(count)]
    return [frame(size, faces, shift, k) for k, shift in enumerate(sway)]
