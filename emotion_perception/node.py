"""The lifecycle node: wires parameters, images, the pipeline and the messages together."""

import sys
import threading
import time
import traceback
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image

from emotion_perception import parameters
from emotion_perception.detection import DetectorError
from emotion_perception.diagnostics import make_status
from emotion_perception.image_conversion import ImageError
from emotion_perception.lifecycle import SteadyLifecycleNode
from emotion_perception.litert import ModelError
from emotion_perception.messages import (
    ClassifyFaces,
    age_s,
    make_converter,
    seconds,
    to_emotion_array,
)
from emotion_perception.pipeline import Pipeline
from emotion_perception.publishers import EmotionPublishers
from emotion_perception.session import run_node
from emotion_perception.statistics import Statistics
from emotion_perception.worker import FrameWorker

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
_IMAGE_QOS = QoSProfile(
    depth=1,
    reliability=qos_profile_sensor_data.reliability,
    durability=qos_profile_sensor_data.durability,
)


class EmotionNode(SteadyLifecycleNode):
    """Reads images, publishes which expression each face shows; idle until it is activated."""

    # there before the constructor is through: a refused parameter ends it early
    _pipeline: Pipeline | None = None
    _worker: FrameWorker | None = None

    def __init__(self, **options: Any) -> None:
        """Declare parameters and begin to publish diagnostics; the model is loaded on configure."""
        super().__init__('emotion_perception', **options)
        parameters.declare(self)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)
        self._statistics = Statistics()
        self._pipeline_lock = threading.Lock()
        self._state = 'unconfigured'
        self._trouble = ''
        self._active_since = 0.0
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_timer(1.0, self._publish_diagnostics)
        if self.get_parameter('autostart').value:
            self._autostart = self.create_timer(0.0, self._start_by_itself)
        else:
            self.get_logger().info('unconfigured: waiting to be configured and activated')

    # lifecycle

    def _start_by_itself(self) -> None:
        self.destroy_timer(self._autostart)
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load detector and model, create publishers and the service."""
        values = parameters.values(self)
        try:
            self._converter = make_converter(values['image_conversion'])
            self._pipeline = Pipeline.default(
                tracking=values['tracking'],
                detector=values['detector'],
                detector_model=values['detector_model'],
                model=values['model'],
                head=values['head'],
                min_score=values['min_detection_score'],
                min_face_px=values['min_face_px'],
                threads=values['threads'],
                settings=parameters.tracking_settings(values),
            )
        except (DetectorError, ImportError, ModelError, ValueError) as error:
            self._trouble = f'cannot be configured: {error}'
            self.get_logger().error(self._trouble)
            return FAILURE
        cv2.setNumThreads(values['threads'])
        self._trouble = ''
        self._outputs = EmotionPublishers(self)
        self._classify_service = self.create_service(ClassifyFaces, '~/classify', self._classify)
        self._state = 'inactive'
        model = self._pipeline.classifier.description
        self.get_logger().info(
            f'ready: detector {values["detector"]}, model {model.name} {model.sha256[:12]} ({values["head"]})'
        )
        return SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the images."""
        assert self._pipeline is not None
        if self._pipeline.tracker:
            self._pipeline.tracker.reset()
        compressed = self.get_parameter('image_transport').value == 'compressed'
        kind, topic = (CompressedImage, 'image/compressed') if compressed else (Image, 'image')
        self._worker = FrameWorker(self._process, self._statistics)
        self._subscription = self.create_subscription(kind, topic, self._worker.put, _IMAGE_QOS)
        self._active_since = time.monotonic()
        self._state = 'active'
        self.get_logger().info(f'reading {self._subscription.topic_name}')
        return SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop reading images; the model stays loaded."""
        self._stop_reading()
        self._state = 'inactive'
        return SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and the publishers."""
        self._release()
        self._state = 'unconfigured'
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything, from any state."""
        self._release()
        self._state = 'finalized'
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to unconfigured after a transition failed."""
        self._release()
        self._state = 'unconfigured'
        return SUCCESS

    def _stop_reading(self) -> None:
        if self._worker is not None:
            self.destroy_subscription(self._subscription)
            self._worker.stop()
            self._worker = None

    def _release(self) -> None:
        """Stop reading images and free model, publishers and service."""
        self._stop_reading()
        if self._pipeline is not None:
            self._outputs.destroy()
            self.destroy_service(self._classify_service)
            self._pipeline = None

    def destroy_node(self) -> None:
        """Let everything go before the node itself goes."""
        self._release()
        super().destroy_node()

    # parameters

    def _check_parameters(self, changed: list[Parameter]):
        return parameters.check(changed, configured=self._pipeline is not None)

    def _apply_parameters(self, changed: list[Parameter]) -> None:
        if self._pipeline is None:
            return
        values = parameters.values(self)
        with self._pipeline_lock:
            self._pipeline.detector.min_score = values['min_detection_score']
            self._pipeline.detector.min_face_px = values['min_face_px']
            self._pipeline.change_settings(parameters.tracking_settings(values))

    # images

    def _process(self, message: Image | CompressedImage, arrived: float) -> None:
        """Serve one image, whatever becomes of it; runs in the worker's thread."""
        try:
            self._serve(message, arrived)
        except ImageError as error:
            self._count_failure(error.kind, str(error))
        except Exception as error:
            # whatever one image breaks, the next one must be served
            if self.context.ok():
                text = f'{type(error).__name__}: {error}'
                self._count_failure(type(error).__name__, text, traceback.format_exc())

    def _serve(self, message: Image | CompressedImage, arrived: float) -> None:
        """Turn one image into messages."""
        assert self._pipeline is not None
        image = self._converter(message)
        stamp = seconds(message.header.stamp) or self._now_s()
        with self._pipeline_lock:
            faces = self._pipeline.process(image, stamp)
        result = to_emotion_array(faces, message.header, image.shape)
        result.images_received = self._statistics.received
        result.images_skipped = self._statistics.skipped
        result.processing_time = time.monotonic() - arrived
        result.age = age_s(message.header.stamp, self._now_s())
        self._outputs.publish(result)
        self._statistics.add_frame(len(faces), result.processing_time, result.age)
        self._outputs.publish_annotated(image, faces, result)

    def _count_failure(self, kind: str, text: str, trace: str = '') -> None:
        if self._statistics.add_failure(kind, text):
            self.get_logger().warning(
                f'an image could not be used: {text} (said once; counted in /diagnostics)'
                + f'\n{trace}' * bool(trace)
            )

    def _now_s(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9

    def _classify(self, request: ClassifyFaces.Request, response: ClassifyFaces.Response):
        """Answer the service: one image, nothing tracked."""
        assert self._pipeline is not None
        started = time.monotonic()
        try:
            image = self._converter(request.image)
        except ImageError as error:
            response.message = str(error)
            return response
        with self._pipeline_lock:
            faces = self._pipeline.without_tracking().process(image)
        response.result = to_emotion_array(faces, request.image.header, image.shape)
        response.result.processing_time = time.monotonic() - started
        response.result.age = age_s(request.image.header.stamp, self._now_s())
        response.success = True
        return response

    def _publish_diagnostics(self) -> None:
        details = {}
        if self._pipeline is not None:
            model = self._pipeline.classifier.description
            details = {
                'model': f'{model.name} sha256 {model.sha256[:12]}',
                'head': self._pipeline.classifier.head,
                'detector': self.get_parameter('detector').value,
            }
        silence_s, limit_s = self._silence_s(), self.get_parameter('stalled_after_s').value
        if self._statistics.add_silence(silence_s > limit_s):
            self.get_logger().warning(
                f'no image on {self._subscription.topic_name} for {silence_s:.1f} s'
            )
        status = make_status(
            self.get_fully_qualified_name(), self._statistics, self._state, self._trouble,
            silence_s, limit_s, details,
        )  # fmt: skip
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _silence_s(self) -> float:
        if self._state != 'active':
            return 0.0
        return time.monotonic() - max(self._active_since, self._statistics.last_frame_at)


def main(args: list[str] | None = None) -> None:
    """Run the node until it is told to stop."""
    try:
        run_node(EmotionNode, args)
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        sys.exit(f'emotion_node: {error}')


if __name__ == '__main__':
    main()
