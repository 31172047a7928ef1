# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node: connects parameters, images, the pipeline and the messages."""

import time
from typing import TYPE_CHECKING, Any

import cv2
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from emotion_perception.anonymization import FaceBlurrer
from emotion_perception.errors import DetectorError, ModelError
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros import parameters
from emotion_perception.ros.camera_geometry import CameraGeometry
from emotion_perception.ros.classify_service import ClassifyService
from emotion_perception.ros.diagnostics import DiagnosticsPublisher, NodeStatus
from emotion_perception.ros.frame_processor import FrameProcessor
from emotion_perception.ros.frame_statistics import FrameStatistics
from emotion_perception.ros.image_subscription import ImageSubscription
from emotion_perception.ros.node_main import SafeLifecycleNode, log_exceptions, run_node
from emotion_perception.ros.publishers import EmotionPublishers, extra_publishers, load_optional
from emotion_perception.runtime.network import choose_runtime, runtime_remark

if TYPE_CHECKING:
    from std_srvs.srv import SetBool

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class EmotionNode(SafeLifecycleNode):
    """Subscribes to images and publishes which expression each face shows, while it is active."""

    # class attributes: a refused parameter ends the constructor early, and destroy_node needs them
    _pipeline: Pipeline | None = None
    _emotion_publishers: EmotionPublishers | None = None
    _service: ClassifyService | None = None
    _enable_service: Any = None
    _processor: FrameProcessor | None = None
    _subscription: ImageSubscription | None = None
    _geometry: CameraGeometry | None = None
    _bond_type: Any = None
    _bond: Any = None

    def __init__(self, **options: Any) -> None:
        """Declare parameters and start diagnostics; the model is loaded on configure."""
        super().__init__('emotion_perception', **options)
        parameters.declare(self)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)
        self._statistics = FrameStatistics()
        self._state = 'unconfigured'
        self._error = ''
        self._active_since_s = 0.0
        self._diagnostics = DiagnosticsPublisher(self, self._node_status)
        if self.get_parameter('autostart').value:
            # a clock that also runs while simulated time stands still
            clock = Clock(clock_type=ClockType.STEADY_TIME)
            self._autostart_timer = self.create_timer(0.0, self._autostart, clock=clock)
        else:
            self.get_logger().info('unconfigured: waiting to be configured and activated')

    # lifecycle

    def _autostart(self) -> None:
        self.destroy_timer(self._autostart_timer)
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    @log_exceptions
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load detector and model, create publishers and the service."""
        values = parameters.values(self)
        try:
            extra = extra_publishers(values)
            self._bond_type = load_optional('bond', 'bond', 'Bond') if values['bond'] else None
            pipeline = Pipeline.default(
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
                rotate=values['rotate'],
                search_width=values['search_width'],
                head_pose=values['head_pose'],
                landmarks=values['hri_msgs'] and values['hri_landmarks'],
            )
        except (DetectorError, ImportError, ModelError, ValueError) as error:
            return self._fail(f'cannot be configured: {error}')
        cv2.setNumThreads(values['opencv_threads'])
        self._error = ''
        self._pipeline = pipeline
        self._emotion_publishers = EmotionPublishers(
            self,
            values['annotated_image'],
            FaceBlurrer(pipeline.search_faces),
            extra,
            values['rotate'],
        )
        self._emotion_publishers.annotated_limit.rate_hz = values['annotated_image_rate']
        self._service = ClassifyService(self, pipeline)
        self._enable_service = self._make_enable_service()
        self._state = 'inactive'
        for remark in filter(None, (pipeline.classifier.remark, runtime_remark())):
            self.get_logger().warning(remark)
        details = _model_details(pipeline)
        self.get_logger().info(
            f'ready: detector {values["detector"]}, '
            f'model {details["model"]} {details["model_sha256"]} ({details["head"]})'
        )
        return SUCCESS

    @log_exceptions
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the images."""
        self._statistics = FrameStatistics()
        if error := self._start_reading():
            return self._fail(f'cannot be activated: {error}')
        if self._bond_type is not None:
            self._bond = self._bond_type(self)
        self._state = 'active'
        return SUCCESS

    def _start_reading(self) -> str:
        """Subscribe to the images; return why that is not possible, else an empty text."""
        assert self._pipeline is not None
        assert self._emotion_publishers is not None
        values = parameters.values(self)
        try:
            geometry = CameraGeometry(
                self, values['depth_topic'], values['rectified'], values['field_of_view_deg']
            )
        except ValueError as error:
            return str(error)
        processor = FrameProcessor(
            self, self._pipeline, self._emotion_publishers, self._statistics, geometry
        )
        processor.time_budget = values['time_budget']
        try:
            self._subscription = ImageSubscription(self, values['image_transport'], processor.put)
        except ValueError as error:
            geometry.destroy()
            processor.stop()
            return str(error)
        self._processor, self._geometry, self._error = processor, geometry, ''
        self._active_since_s = time.monotonic()
        return ''

    @log_exceptions
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop reading images; the model stays loaded."""
        self._end_bond()
        self._stop_reading()
        self._state = 'inactive'
        return SUCCESS

    @log_exceptions
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and the publishers."""
        self._release()
        self._state = 'unconfigured'
        return SUCCESS

    @log_exceptions
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything, from any state."""
        self._release()
        self._state = 'finalized'
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Return to unconfigured after an exception, and keep it for diagnostics."""
        self._release()
        self._error = f'a transition failed: {self.transition_error}'
        self._state = 'unconfigured'
        return SUCCESS

    def _fail(self, error: str) -> TransitionCallbackReturn:
        self._error = error
        self.get_logger().error(error)
        return FAILURE

    def _stop_reading(self) -> None:
        if self._subscription is not None:
            self._subscription.destroy()
        if self._processor is not None:
            self._processor.stop()
            assert self._emotion_publishers is not None
            self._emotion_publishers.end_tracks()
        if self._geometry is not None:
            self._geometry.destroy()
        # the subscription's callback holds the processor, and that the model
        self._processor = self._subscription = self._geometry = None

    # enable

    def _make_enable_service(self) -> Any:
        """Return the service ~/enable, or None where std_srvs is not installed."""
        try:
            from std_srvs.srv import SetBool
        except ImportError:
            self.get_logger().debug('no service ~/enable: the package std_srvs is not installed')
            return None
        return self.create_service(SetBool, '~/enable', self._enable)

    def _enable(
        self, request: 'SetBool.Request', response: 'SetBool.Response'
    ) -> 'SetBool.Response':
        response.message = self._switch(request.data)
        response.success = not response.message
        return response

    def _switch(self, on: bool) -> str:
        """Read images from now on, or not; return why that is not possible, else an empty text."""
        if self._state != 'active':
            return f'the node is {self._state}: configure and activate it first'
        if on == self._reads_images:
            return ''
        self.get_logger().info('enabled' if on else 'disabled: no images are read')
        if on:
            return self._start_reading()
        self._stop_reading()
        return ''

    @property
    def _reads_images(self) -> bool:
        return self._processor is not None

    def _release(self) -> None:
        """Stop reading images and free model, publishers and service."""
        self._end_bond()
        self._stop_reading()
        for part in (self._emotion_publishers, self._service):
            if part is not None:
                part.destroy()
        if self._enable_service is not None:
            self.destroy_service(self._enable_service)
        # each of them holds the model
        self._pipeline = self._emotion_publishers = self._service = self._enable_service = None

    def _end_bond(self) -> None:
        if self._bond is not None:
            self._bond.destroy()
        self._bond = None

    def destroy_node(self) -> None:
        """Free everything before the node itself."""
        self._release()
        super().destroy_node()

    # parameters

    def _check_parameters(self, changed: list[Parameter]):
        return parameters.check(changed, configured=self._pipeline is not None)

    def _apply_parameters(self, changed: list[Parameter]) -> None:
        if self._pipeline is None:
            return
        values = parameters.values(self)
        self._pipeline.detector.min_detection_score = values['min_detection_score']
        self._pipeline.detector.min_face_px = values['min_face_px']
        self._pipeline.detect_every = values['detect_every']
        self._pipeline.settings = parameters.tracking_settings(values)
        if self._emotion_publishers is not None:
            self._emotion_publishers.annotated_limit.rate_hz = values['annotated_image_rate']
        if self._processor is not None:
            self._processor.time_budget = values['time_budget']

    # diagnostics

    def _node_status(self) -> tuple[NodeStatus, FrameStatistics]:
        """Return status and counts for diagnostics."""
        details: dict[str, Any] = {}
        if self._pipeline is not None:
            details = {
                **_model_details(self._pipeline),
                'detector': self.get_parameter('detector').value,
                'tracked_faces': len(self._pipeline.tracked_ids) if self._reads_images else 0,
                'rotate': self._pipeline.rotate,
                **{
                    f'faces_turned_{turn}_deg': count
                    for turn, count in self._pipeline.faces_by_turn.items()
                },
            }
        if self._geometry is not None:
            details |= self._geometry.status()
        if self._subscription is None:
            state = 'disabled' if self._state == 'active' else self._state
            return NodeStatus(state, self._error, details=details), self._statistics
        topic = self._subscription.topic
        last_s = max(self._active_since_s, self._statistics.last_frame_at_s)
        status = NodeStatus(
            self._state,
            self._error,
            topic,
            publishers=self.count_publishers(topic),
            silence_s=time.monotonic() - last_s,
            mismatch=self._subscription.mismatch(),
            namesakes=self._namesakes(),
            stalled_after_s=parameters.values(self)['stalled_after_s'],
            details=details,
        )
        return status, self._statistics

    def _namesakes(self) -> int:
        """Return how many other nodes have the full name of this one."""
        own = self.get_name(), self.get_namespace()
        return max(self.get_node_names_and_namespaces().count(own) - 1, 0)


def _model_details(pipeline: Pipeline) -> dict[str, Any]:
    """Return model, its checksum and its head, for diagnostics."""
    metadata = pipeline.classifier.metadata
    return {
        'model': metadata.name,
        'model_sha256': metadata.sha256[:12],
        'head': pipeline.classifier.head,
        'runtime': choose_runtime(),
    }


def main(args: list[str] | None = None) -> None:
    """Run the node until it is stopped."""
    run_node(EmotionNode, args, 'emotion_node')


if __name__ == '__main__':
    main()
