# SPDX-License-Identifier: Apache-2.0
"""The demonstration: camera and node in processes of their own, and what a subscriber receives."""

import argparse
import importlib.util
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emotion_perception.arguments import positive_number
from emotion_perception.behavior import People
from emotion_perception.imaging.sources import PORTRAIT
from emotion_perception.ros.conversions import (
    Emotion,
    EmotionArray,
    bgr_to_image,
    image_to_bgr,
    seconds,
)
from emotion_perception.ros.node_main import ros_context
from emotion_perception.ros.processes import CAMERA_NODE, EMOTION_NODE, NodeProcess
from emotion_perception.ros.stamps import now_s

_START_LIMIT_S = 20.0
_EMPTY_ROOM = np.full((480, 640, 3), 128, np.uint8)
_EMPTY_ROOM_S = 1 / 15
_LEAVE_LIMIT_S = 5.0
_SIGNAL_S = 0.5
_LIVE = 'emotion_perception.cli', ['live', '--port', '0']
_ADDRESS = 'live page: '


class DemoSubscriber(Node):
    """
    Subscribes to the emotion topics as any other process would, and counts.

    Attributes:
        people: those who have appeared and not left.
        stamps_s: stamp of each EmotionArray received until `finish`, in seconds.
        annotated_image: the latest annotated image, BGR uint8 [H, W, 3], once subscribed.

    """

    def __init__(
        self, on_emotion: Callable[[Emotion, float], None], on_event: Callable[[str], None]
    ):
        """
        Subscribe.

        `on_emotion` gets each Emotion and its latency in seconds, `on_event` each event as a text.
        """
        super().__init__('demo')
        self.people = People(
            self,
            on_appear=lambda person: on_event(f'person {person.id} appears'),
            on_expression=lambda person, before, now: on_event(
                f'person {person.id} shows {now} ({person.confidence:.0%})'
            ),
            on_attention=lambda person: on_event(
                f'person {person.id} looks {"here" if person.looking else "away"}'
            ),
            on_leave=lambda person: on_event(f'person {person.id} leaves'),
        )
        self.stamps_s: list[float] = []
        self.annotated_image: np.ndarray | None = None
        self._latencies_s: list[float] = []
        self._finished = False
        self._faces = self._dropped = 0
        self._on_emotion = on_emotion
        self.create_subscription(Emotion, 'emotion', self._on_face, 50)
        self.create_subscription(EmotionArray, 'emotion/faces', self._on_faces, 50)

    def _latency_s(self, message: Emotion | EmotionArray) -> float:
        return now_s(self) - seconds(message.header.stamp)

    def _on_face(self, message: Emotion) -> None:
        # what came while the camera was stopped has waited
        if not self._finished:
            self._on_emotion(message, self._latency_s(message))

    def _on_faces(self, message: EmotionArray) -> None:
        if self._finished:
            return
        self._latencies_s.append(self._latency_s(message))
        self.stamps_s.append(seconds(message.header.stamp))
        self._faces += len(message.faces)
        self._dropped = message.images_skipped

    def subscribe_annotated_image(self) -> None:
        """Subscribe to the annotated image; the node draws it only from then on."""
        self.create_subscription(Image, 'emotion/image', self._on_image, 1)

    def _on_image(self, message: Image) -> None:
        if not self._finished:
            self.annotated_image = image_to_bgr(message)

    def finish(self, camera: NodeProcess, stopped: threading.Event) -> None:
        """Stop camera and counts; show an empty room until everybody has left, or `stopped`."""
        camera.stop()
        self._finished = True
        publisher = self.create_publisher(Image, 'image', qos_profile_sensor_data)
        deadline = time.monotonic() + _LEAVE_LIMIT_S
        while self.people.people() and time.monotonic() < deadline and not stopped.is_set():
            stamp = self.get_clock().now().to_msg()
            publisher.publish(bgr_to_image(_EMPTY_ROOM, Header(stamp=stamp, frame_id='camera')))
            next_s = time.monotonic() + _EMPTY_ROOM_S
            while (left_s := next_s - time.monotonic()) > 0:
                rclpy.spin_once(self, timeout_sec=left_s)

    def summary(self) -> str:
        """Return one line about the whole run."""
        span_s = self.stamps_s[-1] - self.stamps_s[0]
        rate_hz = (len(self.stamps_s) - 1) / span_s if span_s > 0 else 0.0
        p50, p99 = np.percentile(self._latencies_s, (50, 99)) * 1000
        return (
            f'{len(self.stamps_s)} frames seen, {self._dropped} skipped, {self._faces} faces, '
            f'{rate_hz:.1f} Hz, latency from camera to /emotion p50 {p50:.1f} ms, p99 {p99:.1f} ms'
        )


class EmotionPrinter:
    """Prints events, and each emotion on a line, which in a terminal is updated in place."""

    def __init__(self) -> None:
        """Find out whether the output is a terminal."""
        self._in_place = sys.stdout.isatty()
        self._shown: tuple[int, str] | None = None

    def __call__(self, emotion: Emotion, latency_s: float) -> None:
        """Print one emotion and its latency."""
        bar = '#' * round(emotion.confidence * 20)
        line = (
            f'face {emotion.face_id:<3} {emotion.label:<10} {emotion.confidence:5.1%} {bar:<20} '
            f'{latency_s * 1000:6.1f} ms'
        )
        face = emotion.face_id, emotion.label
        if not self._in_place:
            print(line, flush=True)
        elif self._shown in (None, face):
            print(f'\r{line}', end='', flush=True)
        else:
            print(f'\n{line}', end='', flush=True)
        self._shown = face

    def print_event(self, text: str) -> None:
        """Print what a person does."""
        line_is_open = self._in_place and self._shown is not None
        print('\n' * line_is_open + text, flush=True)
        self._shown = None


class LivePage:
    """The live page for as long as the demo runs; without aiohttp there is none."""

    def __init__(self) -> None:
        """Begin without it: the nodes start faster by themselves."""
        self._process: NodeProcess | None = None
        self._printed = False

    def start(self) -> None:
        """Start serving."""
        if importlib.util.find_spec('aiohttp') is not None:
            self._process = NodeProcess(*_LIVE)

    def address(self) -> str:
        """Return the line with its address, once; before and afterwards nothing."""
        if self._printed or self._process is None:
            return ''
        line = next((text for _, text in list(self._process.log) if _ADDRESS in text), '')
        self._printed = bool(line)
        return line.strip()

    def stop(self) -> None:
        """Stop serving."""
        if self._process is not None:
            self._process.stop()


def _receive(
    subscriber: DemoSubscriber,
    processes: Sequence[NodeProcess],
    live: LivePage,
    print_event: Callable[[str], None],
    run_s: float,
    stopped: threading.Event,
) -> str:
    """Receive for `run_s` seconds after the first message; return an error or an empty text."""
    deadline = time.monotonic() + _START_LIMIT_S
    started = image_subscribed = False
    while time.monotonic() < deadline and not stopped.is_set():
        rclpy.spin_once(subscriber, timeout_sec=0.1)
        if not all(process.running for process in processes):
            # Ctrl-C also ends the processes
            if stopped.wait(_SIGNAL_S):
                break
            return 'a process ended early; its output is printed above'
        if subscriber.stamps_s and not started:
            started, deadline = True, time.monotonic() + run_s
            live.start()
        if line := live.address():
            print_event(line)
        if started and not image_subscribed and deadline - time.monotonic() < min(1.0, run_s / 2):
            subscriber.subscribe_annotated_image()
            image_subscribed = True
    if started:
        return ''
    if stopped.is_set():
        return 'stopped before the first frame'
    return f'no message on /emotion/faces in {_START_LIMIT_S:.0f} s'


def _run(camera: str, run_s: float) -> tuple[DemoSubscriber, str]:
    """Run camera, node and subscriber; return the subscriber, and an error or an empty text."""
    # a KeyboardInterrupt inside rclpy's extension turns into another exception: only note Ctrl-C
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    processes: list[NodeProcess] = []
    live = LivePage()
    quiet = ['--ros-args', '--log-level', 'warn']
    subscriber, error = None, ''
    try:
        with ros_context([], catch_signals=False):
            printer = EmotionPrinter()
            subscriber = DemoSubscriber(printer, printer.print_event)
            for module, parameters in (
                (EMOTION_NODE, {'autostart': True}),
                (CAMERA_NODE, {'source': f'"{camera}"'}),
            ):
                processes.append(NodeProcess(module, quiet, parameters))
            error = _receive(subscriber, processes, live, printer.print_event, run_s, stopped)
            if not error and not stopped.is_set():
                subscriber.finish(processes[-1], stopped)
    finally:
        live.stop()
        for process in processes:
            process.stop()
            if error and not stopped.is_set():
                print(process.output, end='', file=sys.stderr)
    assert subscriber is not None
    return subscriber, error


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='emotion_demo', description=__doc__)
    parser.add_argument(
        '--camera',
        default=PORTRAIT,
        help='number or path of a camera, path of a video or image; default: the NASA portrait',
    )
    parser.add_argument(
        '--seconds', type=positive_number, default=6.0, help='how long to run (default: 6)'
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('demo'),
        help='folder for the annotated image (default: demo)',
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the demonstration; return 0 if faces were received."""
    args = _parse(sys.argv[1:] if arguments is None else arguments)
    camera = args.camera
    is_path = not ('://' in camera or ' ! ' in camera or camera.isdigit())
    if camera != PORTRAIT and is_path:
        camera = str(Path(camera).resolve())
    subscriber, error = _run(camera, args.seconds)
    if error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    print(f'\n{subscriber.summary()}')
    if subscriber.annotated_image is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        path = args.out / 'emotion.png'
        if not cv2.imwrite(str(path), subscriber.annotated_image):
            print(f'demo: {path} cannot be written', file=sys.stderr)
            return 1
        print(f'annotated image: {path}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
