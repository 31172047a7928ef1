# SPDX-License-Identifier: Apache-2.0
"""The emotion node on a machine that is too slow: each image takes at least 100 ms."""

import time

from emotion_perception.pipeline import Pipeline
from emotion_perception.ros import emotion_node


class SlowPipeline(Pipeline):
    """A pipeline that takes its time."""

    def process(self, image_bgr, stamp=None, *budget_s):
        """Return what the pipeline returns, 100 ms later."""
        time.sleep(0.1)
        return super().process(image_bgr, stamp, *budget_s)


if __name__ == '__main__':
    emotion_node.Pipeline = SlowPipeline
    emotion_node.main()
