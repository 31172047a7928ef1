"""The service ~/classify: one image in, what its faces show out; nothing is tracked or kept."""

import threading
import time

from rclpy.node import Node

from emotion_perception.image_conversion import ImageError
from emotion_perception.messages import ClassifyFaces, ToBGR, age_s, now_s, to_emotion_array
from emotion_perception.pipeline import Pipeline


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
        started = time.monotonic()
        try:
            image = self._convert(request.image)
        except ImageError as error:
            response.message = str(error)
            return response
        with self._lock:
            faces = self._pipeline.without_tracking().process(image)
        response.result = to_emotion_array(faces, request.image.header, image.shape)
        response.result.processing_time = time.monotonic() - started
        response.result.age = age_s(request.image.header.stamp, now_s(self._node))
        response.success = True
        return response
