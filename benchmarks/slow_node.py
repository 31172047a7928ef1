# SPDX-License-Identifier: Apache-2.0
"""The emotion node with 100 ms of work for each image, as on a machine that is too slow."""

import math
import time
from typing import Any

from emotion_perception import pipeline
from emotion_perception.ros import emotion_node

PROCESSING_S = 0.1


class SlowPipeline(pipeline.Pipeline):
    """A pipeline that detects faces again and again until the time is over."""

    def process(self, image_bgr, stamp=None, budget_s=math.inf, depth=None):
        """Process the image as `Pipeline` does, in `PROCESSING_S` seconds."""
        end = time.monotonic() + PROCESSING_S
        faces = super().process(image_bgr, stamp, budget_s, depth)
        while time.monotonic() < end:
            self.detector.detect(image_bgr)
        return faces


if __name__ == '__main__':
    module: Any = emotion_node
    module.Pipeline = SlowPipeline
    emotion_node.main()
