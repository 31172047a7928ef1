# SPDX-License-Identifier: Apache-2.0
"""The emotion node in the test's own process, where a test replaces parts of it."""

import gc
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rclpy

from emotion_perception.ros.emotion_node import EmotionNode


@contextmanager
def in_process_node(**options: Any) -> Iterator[EmotionNode]:
    """Give an unconfigured node that is not spun; `options` are those of `rclpy.node.Node`."""
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        try:
            node = EmotionNode(context=context, **options)
        except Exception as error:
            # the frames hold the node, which other tests would find in the ROS graph
            traceback.clear_frames(error.__traceback__)
            gc.collect()
            raise
        try:
            yield node
        finally:
            node.destroy_node()
    finally:
        rclpy.shutdown(context=context)
