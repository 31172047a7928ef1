"""Draws what the soak's camera sees: heads of real faces before an even wall, in more or less light."""

from pathlib import Path

import cv2
import numpy as np

from benchmarks.frames import frame, portrait_head
from emotion_perception.detection import Detector
from emotion_perception.errors import SourceError
from emotion_perception.imaging.sources import open_source
from stress.soak.visits import Place, Programme

_WALLS = 4
_SMALLEST_PX = 60
_AROUND = 1.7
"""A head, hair and chin included, is so many times as large as the detector's box."""


def find_heads(media: Path | None, detector: Detector) -> list[np.ndarray]:
    """
    Return square pictures of heads, BGR uint8: the NASA portrait's, and those that a folder shows.

    Args:
        media: folder of pictures and clips, of which the first picture counts; None for the portrait alone.
        detector: finds the faces in them.

    """
    portrait = portrait_head()
    heads = [portrait, np.ascontiguousarray(portrait[:, ::-1])]
    for path in sorted(media.iterdir()) if media else ():
        image = _first_picture(path)
        if image is None:
            continue
        for face in detector.detect(image):
            head = _head(image, face.box)
            if len(head) >= _SMALLEST_PX:
                heads.append(head)
    return heads


def _first_picture(path: Path) -> np.ndarray | None:
    if (image := cv2.imread(str(path))) is not None:
        return image
    try:
        clip = open_source(str(path), loop=False)
    except SourceError:
        return None
    image = clip.read()
    clip.close()
    return image


def _head(image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Return a square around a face's box, as far as the picture has it."""
    x, y, width, height = box
    half = _AROUND * max(width, height) / 2
    left, top = (max(round(v), 0) for v in (x + width / 2 - half, y + height / 2 - half))
    side = min(round(2 * half), image.shape[0] - top, image.shape[1] - left)
    return np.ascontiguousarray(image[top : top + side, left : left + side])


class Painter:
    """Draws the pictures of a program."""

    def __init__(self, program: Programme, heads: list[np.ndarray]):
        """
        Begin.

        Args:
            program: who is where.
            heads: square pictures, BGR uint8 [N, N, 3].

        """
        self._programme, self._heads = program, heads
        # an even wall, with the noise of a camera that differs from picture to picture
        self._walls = [frame(program.size, 0, seed=seed) for seed in range(_WALLS)]

    def picture(self, index: int) -> np.ndarray:
        """Return picture `index`, BGR uint8 [H, W, 3]."""
        image = self._walls[index % _WALLS].copy()
        for place in self._programme.places(index):
            self._put(image, place)
        light = self._programme.light(index)
        return image if light == 1 else cv2.convertScaleAbs(image, alpha=light)

    def _put(self, image: np.ndarray, place: Place) -> None:
        """Draw one head, as far as it is inside the picture."""
        height, width = image.shape[:2]
        side = max(round(place.side * height), 8)
        left, top = round(place.x * height - side / 2), round(place.y * height - side / 2)
        x, y = max(left, 0), max(top, 0)
        right, bottom = min(left + side, width), min(top + side, height)
        if x >= right or y >= bottom:
            return
        head = self._heads[min(int(place.person * len(self._heads)), len(self._heads) - 1)]
        small = cv2.resize(head, (side, side), interpolation=cv2.INTER_AREA)
        image[y:bottom, x:right] = small[y - top : bottom - top, x - left : right - left]
