# SPDX-License-Identifier: Apache-2.0
"""The picture of the live page: `emotion/image` with blurred faces, small and seldom enough."""

import math
import threading
import time
from collections.abc import Callable

import cv2
import numpy as np
from sensor_msgs.msg import Image

from emotion_perception.anonymization import FaceBlurrer
from emotion_perception.errors import ImageError, one_line
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import EmotionArray, from_emotion, image_to_bgr
from emotion_perception.ros.live import PICTURES
from emotion_perception.ros.rate_limit import RateLimit
from emotion_perception.runtime.quiet import without_library_notes
from emotion_perception.visualization import annotate

MAX_RATES_HZ = {'blurred': 5.0, 'full': 10.0}
"""The search for faces takes most of the time."""

MAX_WIDTH_PX = 640
_JPEG_QUALITY = 75
_KEPT_ARRAYS = 30
_UNMATCHED_S = 2.0


class PictureMaker:
    """
    Makes one jpeg for all pages; it is kept in memory until the next one, and never stored.

    With ``blurred`` an image is shown only together with the faces of the same stamp. They and all
    that a further search finds are blurred, as with `annotated_image: blurred`, and drawn anew.

    Attributes:
        rotate: the node's parameter, for the search and the arrows.

    """

    def __init__(self, mode: str = PICTURES[0], clock: Callable[[], float] = time.monotonic):
        """Start without a picture; `mode` is one of `PICTURES`, `clock` monotonic in seconds."""
        self.mode, self.rotate = mode, 0
        self._clock = clock
        self._lock = threading.Lock()
        self._number, self._jpeg = 0, b''
        self._limit = RateLimit(MAX_RATES_HZ.get(mode, math.inf), clock)
        self._matched_s = clock()
        self._arrays: dict[tuple[int, int], EmotionArray] = {}
        self._pending: Image | None = None
        self._blurrer: FaceBlurrer | None = None
        self._searched_rotate = 0
        self._problem = ''

    @property
    def picture(self) -> tuple[int, bytes]:
        """Number and jpeg of the latest picture; 0 and nothing without one."""
        with self._lock:
            return self._number, self._jpeg

    @property
    def problem(self) -> str:
        """Why images that come are not shown; empty if they are."""
        if self._pending is not None and self._clock() - self._matched_s > _UNMATCHED_S:
            return 'no faces come for the images, so that they cannot be blurred'
        return self._problem

    def clear(self) -> None:
        """Forget the picture, as when nobody watches or none comes."""
        with self._lock:
            # the number goes on: a page must not take the next one for one that it has
            self._jpeg = b''
        self._pending, self._problem, self._matched_s = None, '', self._clock()

    def add_faces(self, array: EmotionArray) -> None:
        """Take over the faces of an image, which may have come already."""
        if self.mode != 'blurred':
            return
        stamp = array.header.stamp
        self._arrays[stamp.sec, stamp.nanosec] = array
        while len(self._arrays) > _KEPT_ARRAYS:
            del self._arrays[next(iter(self._arrays))]
        if self._pending is not None and self._pending.header.stamp == stamp:
            self.add_image(self._pending)

    def add_image(self, message: Image) -> None:
        """Make the next picture of an annotated image, if it is time for one."""
        if not self._limit.due:
            return
        stamp = message.header.stamp
        array = self._arrays.get((stamp.sec, stamp.nanosec))
        if self.mode == 'blurred' and array is None:
            self._pending = message
            return
        self._pending = None
        self._matched_s = self._clock()
        self._limit.count()
        try:
            image = image_to_bgr(message)
            if array is not None:
                image = self._blur(image, array)
        except (ImageError, cv2.error) as error:  # a box outside of the image is OpenCV's error
            self._problem = one_line(error)
            return
        self._problem = ''
        height, width = image.shape[:2]
        if width > MAX_WIDTH_PX:
            size = MAX_WIDTH_PX, max(round(height * MAX_WIDTH_PX / width), 1)
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        jpeg = cv2.imencode('.jpg', image, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))[1].tobytes()
        with self._lock:
            self._number, self._jpeg = self._number + 1, jpeg

    def _blur(self, image: np.ndarray, array: EmotionArray) -> np.ndarray:
        if self._blurrer is None or self._searched_rotate != self.rotate:
            # loaded by the first picture: most of the time nobody watches
            with without_library_notes():
                pipeline = Pipeline.default(tracking=False, rotate=self.rotate)
            self._blurrer = FaceBlurrer(pipeline.search_faces)
            self._searched_rotate = self.rotate
        faces = [from_emotion(face) for face in array.faces]
        return annotate(self._blurrer.blur(image, faces), faces, self.rotate)
