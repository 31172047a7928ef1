"""What the active node does with each image: from message to messages, counted whatever becomes of it."""

import threading
import time
import traceback

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from emotion_perception.errors import ImageError
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import ToBGR, age_s, now_s, seconds, to_emotion_array
from emotion_perception.ros.frame_statistics import FrameStatistics
from emotion_perception.ros.publishers import EmotionPublishers
from emotion_perception.ros.stamps import MonotonicStamps

_LONGEST_FORMAT = 60
"""Of what a compressed image says of itself, which diagnostics repeat."""


class FrameServer:
    """Serves one camera's images, one after the other; made for one activation."""

    def __init__(
        self,
        node: Node,
        convert: ToBGR,
        pipeline: Pipeline,
        lock: threading.Lock,
        outputs: EmotionPublishers,
        statistics: FrameStatistics,
    ):
        """
        Begin without faces.

        Args:
            node: whose clock and log are used.
            convert: makes a picture of a message.
            pipeline: finds and classifies the faces.
            lock: held while the pipeline is in use.
            outputs: publish what was found.
            statistics: count it.

        """
        self._node, self._convert, self._pipeline, self._lock = node, convert, pipeline, lock
        self._outputs, self._statistics = outputs, statistics
        self._clock = MonotonicStamps()
        pipeline.reset()

    def serve(self, message: Image | CompressedImage, arrived: float) -> None:
        """
        Publish what the faces of one image show; a bad image is counted, and the next one is served.

        Args:
            message: the image.
            arrived: when it came, in seconds of the monotonic clock.

        """
        try:
            self._serve(message, arrived)
        except ImageError as error:
            self._count_failure(error.kind, str(error))
        except Exception as error:
            # whatever one image breaks, the next one must be served
            if self._node.context.ok():
                text = f'{type(error).__name__}: {error}'
                self._count_failure(type(error).__name__, text, traceback.format_exc())

    def _serve(self, message: Image | CompressedImage, arrived: float) -> None:
        image = self._convert(message)
        raw = isinstance(message, Image)
        self._statistics.add_format(
            f'{image.shape[1]}x{image.shape[0]} {message.encoding if raw else message.format[:_LONGEST_FORMAT]}'
        )
        time_s = self._clock.to_monotonic_s(seconds(message.header.stamp), arrived)
        with self._lock:
            if self._clock.jumps_back > self._statistics.jumps_back:
                self._begin_anew()
            faces = self._pipeline.process(image, time_s)
            followed = self._pipeline.tracked_ids
        result = to_emotion_array(faces, message.header, image.shape)
        result.images_received, result.images_skipped = self._statistics.arrivals()
        result.processing_time = time.monotonic() - arrived
        result.age = age_s(message.header.stamp, now_s(self._node))
        self._outputs.publish(result, followed)
        self._statistics.add_frame(len(faces), result.processing_time, result.age)
        self._outputs.publish_annotated(image, faces, result)

    def _begin_anew(self) -> None:
        self._pipeline.reset()
        self._statistics.jumps_back = self._clock.jumps_back
        if self._statistics.jumps_back == 1:
            self._node.get_logger().warning(
                'the stamps of the images jumped back: all faces are new (said once; counted in /diagnostics)'
            )

    def _count_failure(self, kind: str, text: str, trace: str = '') -> None:
        if self._statistics.add_failure(kind, text):
            self._node.get_logger().warning(
                f'an image could not be used: {text} (said once; counted in /diagnostics)'
                + f'\n{trace}' * bool(trace)
            )
