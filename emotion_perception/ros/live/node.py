# SPDX-License-Identifier: Apache-2.0
"""The ROS side of the live page: receives what the node publishes, and sets its parameters."""

import os
from concurrent.futures import Future
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from sensor_msgs.msg import Image

from emotion_perception.ros.conversions import EmotionArray, PersonEvent
from emotion_perception.ros.live.picture import PictureMaker
from emotion_perception.ros.live.state import LABELS, LIVE_PARAMETERS, LiveState

_CHECK_S = 0.25
_POLL_CHECKS = 8
"""The parameters are read at every so many checks: every 2 s."""


class LiveNode(Node):
    """Subscribes as a behavior does, and to `emotion/image` only while a page shows it."""

    def __init__(self, node_name: str, namespace: str, picture: str, **options: Any):
        """Subscribe to the node `node_name` in `namespace`; `picture` is one of `PICTURES`."""
        super().__init__(
            f'live_{os.getpid()}',
            namespace=namespace,
            start_parameter_services=False,
            enable_rosout=False,
            **options,
        )
        target = f'{namespace.rstrip("/")}/{node_name}'
        self.state, self._picture = LiveState(target), PictureMaker(picture)
        self._status_name = f'{target}: perception'
        self._image_subscription: Any = None
        self._get: Any = self.create_client(GetParameters, f'{target}/get_parameters')
        self._set: Any = self.create_client(SetParameters, f'{target}/set_parameters')
        self._values: Any = None
        self._checks = 0
        self.create_subscription(EmotionArray, 'emotion/faces', self._on_faces, 10)
        self.create_subscription(PersonEvent, 'emotion/events', self.state.on_event, 10)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self.create_timer(_CHECK_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def hello(self) -> dict[str, Any]:
        """Return settings and the last minute, for a page that was just opened."""
        return {
            'hello': self.state.history(),
            'labels': LABELS,
            'picture': self._picture.mode,
            'parameters': [
                {
                    'name': spec.name,
                    'description': spec.description,
                    'bounds': spec.bounds,
                    'default': spec.default,
                    'whole': isinstance(spec.default, int),
                }
                for spec in LIVE_PARAMETERS.values()
            ],
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the newest state."""
        return self.state.snapshot()

    def picture(self) -> tuple[int, bytes]:
        """Return number and jpeg of the newest picture, which is now wanted; 0 for none."""
        self.state.watch()
        return self._picture.picture

    def set_parameter(self, name: Any, value: Any) -> 'Future[str]':
        """Change a live parameter of the node; the result is why it was refused, or empty."""
        result: Future[str] = Future()
        spec = LIVE_PARAMETERS.get(name) if isinstance(name, str) else None
        refused = spec.refusal(value) if spec else f'{name!r:.60} is not a live parameter'
        if spec and isinstance(spec.default, int) and not refused:
            low, high = spec.bounds or (value, value)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                refused = f'{name} must be a whole number in {low:g}..{high:g}, not {value!r:.60}'
        if not refused and not self._set.service_is_ready():
            refused = 'the node is not there'
        if refused:
            result.set_result(refused)
            return result
        assert spec is not None
        parameter = Parameter(name, value=type(spec.default)(value)).to_parameter_msg()
        request = SetParameters.Request(parameters=[parameter])

        def answer(done: Any) -> None:
            (outcome,) = done.result().results
            self._checks = 0
            if not result.cancelled():
                result.set_result('' if outcome.successful else outcome.reason or 'refused')

        self._set.call_async(request).add_done_callback(answer)
        return result

    def _on_faces(self, message: EmotionArray) -> None:
        self.state.on_faces(message)
        if self._image_subscription is not None:
            self._picture.add_faces(message)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._status_name:
                values = {pair.key: pair.value for pair in status.values}
                self.state.on_diagnostics(status.level, status.message, values)

    def _check(self) -> None:
        """Subscribe to the image or no longer, and read the parameters."""
        wanted = self.state.watched and self._picture.mode != 'none'
        if wanted and self._image_subscription is None:
            self._picture.clear()
            self._image_subscription = self.create_subscription(
                Image, 'emotion/image', self._picture.add_image, 1
            )
        elif not wanted and self._image_subscription is not None:
            self.destroy_subscription(self._image_subscription)
            self._image_subscription = None
            self._picture.clear()
        self.state.picture_problem = self._picture_problem()
        if self._checks % _POLL_CHECKS == 0:
            self._poll_parameters()
        self._checks += 1

    def _picture_problem(self) -> str:
        if self._picture.mode == 'none':
            return 'this page was started with --picture none'
        if not self.count_publishers('emotion/image'):
            return 'the node publishes no image: it is not active, or annotated_image is none'
        return self._picture.problem

    def _poll_parameters(self) -> None:
        if self._values is not None and not self._values.done():
            self._get.remove_pending_request(self._values)
            self.state.set_parameters({})
        if not self._get.service_is_ready():
            self.state.set_parameters({})
            return
        names = [*LIVE_PARAMETERS, 'rotate']

        def take(done: Any) -> None:
            answers = map(parameter_value_to_python, done.result().values)
            values: dict[str, Any] = dict(zip(names, answers, strict=False))
            self._picture.rotate = values.pop('rotate', None) or 0
            self.state.set_parameters({k: v for k, v in values.items() if v is not None})

        self._values = self._get.call_async(GetParameters.Request(names=names))
        self._values.add_done_callback(take)
