# SPDX-License-Identifier: Apache-2.0
"""The service ~/classify: returns the faces of one image, without tracking."""

import time
import traceback

from rclpy.node import Node
from sensor_msgs.msg import Image

from emotion_perception.errors import ImageError
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import (
    ClassifyFaces,
    age_s,
    image_to_bgr,
    to_emotion_array,
)
from emotion_perception.ros.stamps import now_s


class ClassifyService:
    """Processes requests with the pipeline of the camera's images, between two of them."""

    def __init__(self, node: Node, pipeline: Pipeline):
        """Create the service, which uses detector, classifier and thresholds of `pipeline`."""
        self._node, self._pipeline = node, pipeline
        self._service = node.create_service(ClassifyFaces, '~/classify', self.handle)

    def destroy(self) -> None:
        """Remove the service and release the pipeline."""
        self._node.destroy_service(self._service)
        # a cycle: the model would stay in memory until the next garbage collection
        del self._service

    def handle(
        self, request: ClassifyFaces.Request, response: ClassifyFaces.Response
    ) -> ClassifyFaces.Response:
        """Fill in the response: the faces, or why the image could not be processed."""
        try:
            self._classify(request.image, response)
        except ImageError as error:
            response.message = str(error)
        except Exception as error:
            # whatever is wrong with one image, the node must go on
            response.message = f'{type(error).__name__}: {error}'
            self._node.get_logger().warning(
                f'~/classify: {response.message}\n{traceback.format_exc()}'
            )
        return response

    def _classify(self, message: Image, response: ClassifyFaces.Response) -> None:
        started_s = time.monotonic()
        image = image_to_bgr(message)
        faces = self._pipeline.process_untracked(image)
        response.result = to_emotion_array(faces, message.header, image.shape)
        response.result.processing_time = time.monotonic() - started_s
        response.result.age = age_s(message.header.stamp, now_s(self._node))
        response.success = True
