# SPDX-License-Identifier: Apache-2.0
"""One image and what was found in it, as it is published."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from emotion_perception.ros.conversions import EmotionArray
from emotion_perception.types import FaceEmotion


@dataclass(frozen=True)
class ProcessedImage:
    """
    One image and what was found in it.

    Attributes:
        array: the message on `emotion/faces`.
        faces: of which it was made, in its order.
        tracked_ids: ids of all tracked faces, whether this image shows them or not.
        image: BGR uint8 [H, W, 3].

    """

    array: EmotionArray
    faces: Sequence[FaceEmotion]
    tracked_ids: Collection[int]
    image: np.ndarray
