# SPDX-License-Identifier: Apache-2.0
"""Process the newest image in a thread of its own and publish its faces."""

import math
import threading
import time
import traceback

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from emotion_perception.errors import ImageError
from emotion_perception.imaging.levels import Levels
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.camera_geometry import CameraGeometry
from emotion_perception.ros.conversions import age_s, image_to_bgr, seconds, to_emotion_array
from emotion_perception.ros.frame_statistics import FrameStatistics
from emotion_perception.ros.processed_image import ProcessedImage
from emotion_perception.ros.publishers import EmotionPublishers
from emotion_perception.ros.stamps import MonotonicStamps, now_s

_FORMAT_LENGTH = 60
"""Diagnostics repeat at most this many characters of a compressed image's `format`."""

_FIRST_PERIOD_S, _LONGEST_PERIOD_S = 1 / 30, 1.0
_PERIOD_WEIGHT, _PUBLISHING_WEIGHT = 0.1, 0.2
"""Of the last time between two images, and of that of publishing, in the means."""


class FrameProcessor:
    """
    A thread that always processes the newest image; used for one activation of the node.

    An image that is replaced by a newer one before it was processed is dropped. Dropped and failed
    images are counted.

    Attributes:
        time_budget: part of the time between two images that may be spent on one, 0 or more; may
            be changed at any time.

    """

    def __init__(
        self,
        node: Node,
        pipeline: Pipeline,
        publishers: EmotionPublishers,
        statistics: FrameStatistics,
        geometry: CameraGeometry | None = None,
    ):
        """Start the thread, with no tracked faces; without `geometry` positions are unknown."""
        self.time_budget = 1.0
        self._node, self._pipeline = node, pipeline
        self._publishers, self._statistics = publishers, statistics
        self._geometry = geometry
        self._stamps, self._levels = MonotonicStamps(), Levels()
        self._condition = threading.Condition()
        self._waiting: tuple[Image | CompressedImage, float] | None = None
        self._stopped = False
        self._period_s, self._publishing_s = _FIRST_PERIOD_S, 0.0
        pipeline.reset()
        self._thread = threading.Thread(target=self._run, name='frames', daemon=True)
        self._thread.start()

    def put(self, message: Image | CompressedImage) -> None:
        """Hand over an image; an older one that still waits is dropped."""
        arrived_s = time.monotonic()
        with self._condition:
            # counted before the thread can take it, so that the counts always add up
            self._update_period(arrived_s - self._statistics.last_frame_at_s)
            self._statistics.add_arrival(arrived_s, dropped=self._waiting is not None)
            self._waiting = message, arrived_s
            self._condition.notify()

    def _update_period(self, step_s: float) -> None:
        """Update the mean time between two images; a pause counts as `_LONGEST_PERIOD_S`."""
        if math.isfinite(step_s):
            step_s = min(step_s, _LONGEST_PERIOD_S)
            self._period_s += _PERIOD_WEIGHT * (step_s - self._period_s)

    def stop(self) -> None:
        """Let the current image finish, drop one that waits and end the thread."""
        with self._condition:
            if self._waiting is not None:
                self._statistics.add_dropped()
            self._waiting, self._stopped = None, True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting is not None or self._stopped)
                if self._waiting is None:
                    return
                frame, self._waiting = self._waiting, None
            self.process(*frame)

    def process(self, message: Image | CompressedImage, arrived_s: float) -> None:
        """
        Publish the faces of one image, or count it as failed.

        Args:
            message: the image.
            arrived_s: time of its arrival on the monotonic clock, in seconds.

        """
        try:
            self._process(message, arrived_s)
        except ImageError as error:
            self._count_failure(error.kind, str(error))
        except Exception as error:
            # whatever is wrong with one image, the next one must be processed
            if self._node.context.ok():
                text = f'{type(error).__name__}: {error}'
                self._count_failure(type(error).__name__, text, traceback.format_exc())

    def _process(self, message: Image | CompressedImage, arrived_s: float) -> None:
        self._levels.used = False
        image = image_to_bgr(message, self._levels, self._statistics.repaired)
        self._statistics.levels = str(self._levels) if self._levels.used else ''
        raw = isinstance(message, Image)
        encoding = message.encoding if raw else message.format[:_FORMAT_LENGTH]
        self._statistics.add_format(f'{image.shape[1]}x{image.shape[0]} {encoding}')
        time_s = self._stamps.to_monotonic_s(seconds(message.header.stamp), arrived_s)
        if self._stamps.jumps_back > self._statistics.jumps_back:
            self._restart_tracking()
        depth = None
        if self._geometry is not None:
            self._pipeline.camera = self._geometry.camera(image.shape)
            depth = self._geometry.depth(message.header.stamp, image.shape)
        # what has passed since the arrival is spent already, and publishing takes its part
        spent_s = time.monotonic() - arrived_s + self._publishing_s
        budget_s = self.time_budget * self._period_s - spent_s
        faces = self._pipeline.process(image, time_s, max(budget_s, 0.0), depth)
        found_s = time.monotonic()
        tracked_ids = self._pipeline.tracked_ids
        result = to_emotion_array(faces, message.header, image.shape)
        result.images_received, result.images_skipped = self._statistics.arrivals()
        result.processing_time = time.monotonic() - arrived_s
        result.age = age_s(message.header.stamp, now_s(self._node))
        processed = ProcessedImage(result, faces, tracked_ids, image)
        self._publishers.publish(processed)
        self._statistics.add_frame(len(faces), result.processing_time, result.age)
        self._publishers.publish_annotated(processed)
        publishing_s = time.monotonic() - found_s
        self._publishing_s += _PUBLISHING_WEIGHT * (publishing_s - self._publishing_s)

    def _restart_tracking(self) -> None:
        self._pipeline.reset()
        self._statistics.add_jump_back()
        if self._statistics.jumps_back == 1:
            self._node.get_logger().warning(
                'the image stamps jumped back: all faces get new ids '
                '(logged once; counted in /diagnostics)'
            )

    def _count_failure(self, kind: str, text: str, trace: str = '') -> None:
        if self._statistics.add_failure(kind, text):
            self._node.get_logger().warning(
                f'an image could not be processed: {text} (logged once; counted in /diagnostics)'
                + f'\n{trace}' * bool(trace)
            )
