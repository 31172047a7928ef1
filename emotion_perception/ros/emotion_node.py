"""The lifecycle node: wires parameters, images, the pipeline and the messages together."""

import threading
import time
from typing import Any

import cv2
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import NameValidationException
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from emotion_perception.anonymization import FaceBlurrer
from emotion_perception.errors import DetectorError, ModelError
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros import parameters
from emotion_perception.ros.classify_service import ClassifyService
from emotion_perception.ros.conversions import make_converter
from emotion_perception.ros.diagnostics import DiagnosticsPublisher, NodeStatus
from emotion_perception.ros.frame_processor import FrameServer
from emotion_perception.ros.frame_statistics import FrameStatistics
from emotion_perception.ros.lifecycle import SafeLifecycleNode, told
from emotion_perception.ros.node_main import run_node
from emotion_perception.ros.publishers import EmotionPublishers, find_outputs
from emotion_perception.ros.worker import FrameWorker

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
_IMAGE_QOS = QoSProfile(
    depth=1,
    reliability=qos_profile_sensor_data.reliability,
    durability=qos_profile_sensor_data.durability,
)


class EmotionNode(SafeLifecycleNode):
    """Reads images, publishes which expression each face shows; idle until it is activated."""

    # there before the constructor is through: a refused parameter ends it early
    _pipeline: Pipeline | None = None
    _outputs: EmotionPublishers | None = None
    _service: ClassifyService | None = None
    _worker: FrameWorker | None = None
    _subscription: Subscription | None = None

    def __init__(self, **options: Any) -> None:
        """Declare parameters and begin to publish diagnostics; the model is loaded on configure."""
        super().__init__('emotion_perception', **options)
        parameters.declare(self)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)
        self._statistics = FrameStatistics()
        self._pipeline_lock = threading.Lock()
        self._state = 'unconfigured'
        self._trouble = ''
        self._active_since = 0.0
        self._diagnostics = DiagnosticsPublisher(self, self._look)
        if self.get_parameter('autostart').value:
            # by a clock that runs even where simulated time does not
            clock = Clock(clock_type=ClockType.STEADY_TIME)
            self._autostart = self.create_timer(0.0, self._start_by_itself, clock=clock)
        else:
            self.get_logger().info('unconfigured: waiting to be configured and activated')

    # lifecycle

    def _start_by_itself(self) -> None:
        self.destroy_timer(self._autostart)
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    @told
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load detector and model, create publishers and the service."""
        values = parameters.values(self)
        try:
            self._converter = make_converter(values['image_conversion'])
            further = find_outputs(values)
            self._pipeline = Pipeline.default(
                tracking=values['tracking'],
                detector=values['detector'],
                detector_model=values['detector_model'],
                model=values['model'],
                head=values['head'],
                min_detection_score=values['min_detection_score'],
                min_face_px=values['min_face_px'],
                threads=values['threads'],
                settings=parameters.tracking_settings(values),
                detect_every=values['detect_every'],
            )
        except (DetectorError, ImportError, ModelError, ValueError) as error:
            self._trouble = f'cannot be configured: {error}'
            self.get_logger().error(self._trouble)
            return FAILURE
        cv2.setNumThreads(values['opencv_threads'])
        self._trouble = ''
        veil = FaceBlurrer(self._pipeline.detector, self._pipeline_lock)
        self._outputs = EmotionPublishers(self, values['annotated_image'], veil, further)
        self._service = ClassifyService(self, self._converter, self._pipeline, self._pipeline_lock)
        self._state = 'inactive'
        model = self._pipeline.classifier.metadata
        self.get_logger().info(
            f'ready: detector {values["detector"]}, model {model.name} {model.sha256[:12]} ({values["head"]})'
        )
        return SUCCESS

    @told
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the images."""
        assert self._pipeline is not None
        assert self._outputs is not None
        self._statistics = FrameStatistics()
        server = FrameServer(
            self,
            self._converter,
            self._pipeline,
            self._pipeline_lock,
            self._outputs,
            self._statistics,
        )
        compressed = self.get_parameter('image_transport').value == 'compressed'
        kind, topic = (CompressedImage, 'image/compressed') if compressed else (Image, 'image')
        worker = FrameWorker(server.serve, self._statistics)
        try:
            self._subscription = self.create_subscription(kind, topic, worker.put, _IMAGE_QOS)
        except (NameValidationException, RuntimeError) as error:
            # a name that is right in ROS may be too long for DDS
            worker.stop()
            self._trouble = f'cannot be activated: {topic} cannot be subscribed to: {error}'
            self.get_logger().error(self._trouble)
            return FAILURE
        self._worker, self._trouble = worker, ''
        self._active_since = time.monotonic()
        self._state = 'active'
        self.get_logger().info(f'reading {self._subscription.topic_name}')
        return SUCCESS

    @told
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop reading images; the model stays loaded."""
        self._stop_reading()
        self._state = 'inactive'
        return SUCCESS

    @told
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and the publishers."""
        self._release()
        self._state = 'unconfigured'
        return SUCCESS

    @told
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything, from any state."""
        self._release()
        self._state = 'finalized'
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to unconfigured after a transition failed, and say why in diagnostics."""
        self._release()
        self._trouble = f'a transition failed: {self.failure}'
        self._state = 'unconfigured'
        return SUCCESS

    def _stop_reading(self) -> None:
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
        if self._worker is not None:
            self._worker.stop()
            assert self._outputs is not None
            self._outputs.forget()
        # each of them leads to the model
        self._worker = self._subscription = None

    def _release(self) -> None:
        """Stop reading images and free model, publishers and service."""
        self._stop_reading()
        for part in (self._outputs, self._service):
            if part is not None:
                part.destroy()
        # each of them holds the model, which shall go now and not at the next configure
        self._pipeline = self._outputs = self._service = None

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
            self._pipeline.detector.min_detection_score = values['min_detection_score']
            self._pipeline.detector.min_face_px = values['min_face_px']
            self._pipeline.detect_every = values['detect_every']
            self._pipeline.change_settings(parameters.tracking_settings(values))

    # diagnostics

    def _look(self) -> tuple[NodeStatus, FrameStatistics]:
        """Return what diagnostics tell."""
        details: dict[str, Any] = {}
        if self._pipeline is not None:
            model = self._pipeline.classifier.metadata
            details = {
                'model': f'{model.name} sha256 {model.sha256[:12]}',
                'head': self._pipeline.classifier.head,
                'detector': self.get_parameter('detector').value,
                'faces followed': len(self._pipeline.tracked_ids)
                if self._worker is not None
                else 0,
            }
        if self._subscription is None:
            return NodeStatus(self._state, self._trouble, details=details), self._statistics
        topic = self._subscription.topic_name
        silence_s = time.monotonic() - max(self._active_since, self._statistics.last_frame_at)
        limit_s = self.get_parameter('stalled_after_s').value
        situation = NodeStatus(
            self._state,
            self._trouble,
            topic,
            self.count_publishers(topic),
            silence_s,
            limit_s,
            details,
        )
        return situation, self._statistics


def main(args: list[str] | None = None) -> None:
    """Run the node until it is told to stop."""
    run_node(EmotionNode, args, 'emotion_node')


if __name__ == '__main__':
    main()
