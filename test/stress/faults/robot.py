"""A node in a process of its own, and beside it whoever sends, listens and commands: what every trial needs."""

import fcntl
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter
from rcl_interfaces.srv import SetParameters
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from benchmarks.processes import NODE, Bench, Process
from emotion_msgs.msg import EmotionArray
from emotion_perception.imaging.sources import portrait_path
from emotion_perception.ros.conversions import bgr_to_image, seconds, time_message

PATIENCE_S = 20.0
"""After this long without an answer something counts as lost; far more than any of it takes."""

TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE,
    'activate': Transition.TRANSITION_ACTIVATE,
    'deactivate': Transition.TRANSITION_DEACTIVATE,
    'cleanup': Transition.TRANSITION_CLEANUP,
}


class LostError(RuntimeError):
    """Something that a trial cannot go on without did not come back."""


@cache
def portrait() -> np.ndarray:
    """Return the NASA portrait, small: BGR uint8 [240, 320, 3], one face that shows happiness."""
    image = cv2.imread(str(portrait_path()))
    assert image is not None
    return np.ascontiguousarray(cv2.resize(image, (320, 320))[:240])


class Robot(Bench):
    """A `Bench` that also sends images, reads diagnostics and calls the node's services."""

    def __init__(self) -> None:
        """Join a domain of its own; the node is started with `start_node`."""
        super().__init__()
        self.diagnostics: list[dict[str, str]] = []
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnose, 50)
        self._images: Any = None
        self._image = bgr_to_image(portrait(), Header(frame_id='eye'))
        self._clients: dict[str, Any] = {}

    def _diagnose(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            self.diagnostics.append(
                {'message': status.message, 'level': str(status.level[0])} | values
            )

    @property
    def images(self) -> Any:
        """The publisher of images; not before it is wanted, beside a camera it would be a second one."""
        if self._images is None:
            self._images = self.node.create_publisher(Image, 'image', qos_profile_sensor_data)
        return self._images

    def start_node(self, **parameters: Any) -> Process:
        """Start the node; `autostart` brings it up."""
        return self.start(NODE, **parameters)

    # images

    def send(self, stamp: Time | None = None) -> Time:
        """Publish the portrait, stamped now or with `stamp`; return the stamp."""
        stamp = stamp or time_message(self.node.get_clock().now().nanoseconds)
        self._image.header.stamp = stamp
        self.images.publish(self._image)
        return stamp

    def answer(
        self, within_s: float = PATIENCE_S, every_s: float = 0.1
    ) -> tuple[EmotionArray | None, float]:
        """
        Send images until one of them is answered.

        Args:
            within_s: gives up after this long.
            every_s: time between two images.

        Returns:
            The answer, None where there was none, and how long it took in seconds.

        """
        started = time.monotonic()
        first = self.node.get_clock().now().nanoseconds * 1e-9
        before = len(self.heard)

        def new() -> EmotionArray | None:
            fresh = (m for m, _ in self.heard[before:] if seconds(m.header.stamp) >= first - 1e-6)
            return next(fresh, None)

        while time.monotonic() - started < within_s:
            self.send()
            if self.spin(every_s, new):
                break
        return new(), time.monotonic() - started

    def wait_for_emotion(self, since: float, within_s: float = PATIENCE_S) -> float:
        """Wait for an emotion of an image taken after `since` (system time, s); return how long, inf if none."""
        started, before = time.monotonic(), len(self.heard)

        def come() -> bool:
            return any(
                m.faces and seconds(m.header.stamp) >= since for m, _ in self.heard[before:]
            )

        return time.monotonic() - started if self.spin(within_s, come) else math.inf

    # services

    def call(self, kind: Any, name: str, request: Any, within_s: float = PATIENCE_S) -> Any:
        """
        Call a service of the node and return its response.

        Raises:
            LostError: if it does not answer.

        """
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, f'/emotion_perception/{name}')
        client = self._clients[name]
        if not self.spin(within_s, client.service_is_ready):
            raise LostError(f'there is no service {name}')
        future = client.call_async(request)
        if not self.spin(within_s, future.done):
            client.remove_pending_request(future)
            raise LostError(f'{name} did not answer within {within_s:g} s')
        return future.result()

    def state(self) -> str:
        """Return the lifecycle state."""
        return self.call(GetState, 'get_state', GetState.Request()).current_state.label

    def transition(self, number: int = 0, label: str = '') -> bool:
        """Ask for a transition by number or label; return whether it succeeded."""
        request = ChangeState.Request(transition=Transition(id=number, label=label))
        return self.call(ChangeState, 'change_state', request).success

    def bring(self, *steps: str) -> bool:
        """Go through transitions by name; return whether all succeeded."""
        return all(self.transition(TRANSITIONS[step]) for step in steps)

    def set_parameters(self, parameters: Sequence[Parameter]) -> list[Any]:
        """Ask for values and return a result for each."""
        request = SetParameters.Request(parameters=list(parameters))
        return self.call(SetParameters, 'set_parameters', request).results

    # what the node says

    def diagnosis(
        self, holds: Callable[[dict[str, str]], bool], within_s: float = PATIENCE_S
    ) -> dict[str, str] | None:
        """Return the next diagnostics for which `holds` is true; None where none come."""
        before = len(self.diagnostics)
        self.spin(within_s, lambda: any(holds(said) for said in self.diagnostics[before:]))
        return next((said for said in self.diagnostics[before:] if holds(said)), None)

    def until(self, holds: Callable[[], Any], what: str, within_s: float = PATIENCE_S) -> None:
        """
        Wait for a condition.

        Raises:
            LostError: if it does not come to hold.

        """
        if not self.spin(within_s, holds):
            raise LostError(f'waited {within_s:g} s for {what}')


@contextmanager
def robot() -> Iterator[Robot]:
    """Give a `Robot` and clean up."""
    made = Robot()
    try:
        yield made
    finally:
        made.close()


def orphaned_mb() -> float:
    """
    Return the shared memory of Fast DDS that no running process owns, in MB (10^6 bytes).

    Each file has a second one with `_el` after its name, which its owner keeps locked; `fastdds shm clean`
    takes away those whose lock is free.
    """
    total = 0
    for lock in Path('/dev/shm').glob('*fast*_el'):
        try:
            with lock.open() as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                total += Path(str(lock).removesuffix('_el')).stat().st_blocks * 512
        except (FileNotFoundError, BlockingIOError):
            continue  # gone meanwhile, or in use
    return total / 1e6


def chance(seed: int | None) -> tuple[int, random.Random]:
    """Return a seed, the given one or a new one, and what is drawn from it."""
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    return seed, random.Random(seed)
