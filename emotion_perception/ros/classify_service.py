"""The service ~/classify: one image in, what its faces show out; nothing is tracked or kept."""

import threading
import time
import traceback

from rclpy.node import Node
from sensor_msgs.msg import Image

from emotion_perception.errors import ImageError
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import ClassifyFaces, ToBGR, age_s, now_s, to_emotion_array


class ClassifyService:
    """Answers with the pipeline that the camera's images use, between two of them."""

    def __init__(self, node: Node, convert: ToBGR, pipeline: Pipeline, lock: threading.Lock):
        """
        Offer the service.

        Args:
            node: that offers it.
            convert: makes a picture of a message.
            pipeline: whose detector, classifier and thresholds are used.
            lock: held while the pipeline is in use.

        """
        self._node, self._convert, self._pipeline, self._lock = node, convert, pipeline, lock
        self._service = node.create_service(ClassifyFaces, '~/classify', self._answer)

    def destroy(self) -> None:
        """Take the service back, and let the pipeline go."""
        self._node.destroy_service(self._service)
        # it calls us and we hold it: the model would stay until the garbage collector comes
        del self._service

    def _answer(
        self, request: ClassifyFaces.Request, response: ClassifyFaces.Response
    ) -> ClassifyFaces.Response:
        try:
            self._classify(request.image, response)
        except ImageError as error:
            response.message = str(error)
        except Exception as error:
            # whatever one image breaks, the node must go on
            response.message = f'{type(error).__name__}: {error}'
            self._node.get_logger().warning(
                f'~/classify: {response.message}\n{traceback.format_exc()}'
            )
        return response

    def _classify(self, message: Image, response: ClassifyFaces.Response) -> None:
        started = time.monotonic()
        image = self._convert(message)
        with self._lock:
            faces = self._pipeline.without_tracking().process(image)
        response.result = to_emotion_array(faces, message.header, image.shape)
        response.result.processing_time = time.monotonic() - started
        response.result.age = age_s(message.header.stamp, now_s(self._node))
        response.success = True
