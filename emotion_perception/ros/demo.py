"""The demonstration: a camera and the node in processes of their own, and what a listener hears of them."""

import argparse
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image

from emotion_perception.imaging.sources import PORTRAIT
from emotion_perception.ros.conversions import Emotion, EmotionArray, image_to_bgr, seconds
from emotion_perception.ros.node_main import ros_context

_START_LIMIT_S = 20.0


class Listener(Node):
    """Hears the emotion topics as any other process would, and keeps count."""

    def __init__(self, show) -> None:
        """Subscribe; `show` is called with each Emotion and its latency in seconds."""
        super().__init__('demo_listener')
        self._show = show
        self.latencies: list[float] = []
        self.stamps: list[float] = []
        self.faces = 0
        self.skipped = 0
        self.picture: np.ndarray | None = None
        self.create_subscription(Emotion, 'emotion', self._on_emotion, 50)
        self.create_subscription(EmotionArray, 'emotion/faces', self._on_faces, 50)

    def _latency(self, message: Emotion | EmotionArray) -> float:
        return self.get_clock().now().nanoseconds * 1e-9 - seconds(message.header.stamp)

    def _on_emotion(self, message: Emotion) -> None:
        self._show(message, self._latency(message))

    def _on_faces(self, message: EmotionArray) -> None:
        self.latencies.append(self._latency(message))
        self.stamps.append(seconds(message.header.stamp))
        self.faces += len(message.faces)
        self.skipped = message.images_skipped

    def ask_for_picture(self) -> None:
        """Subscribe to the annotated image; it is drawn only from then on."""
        self.create_subscription(Image, 'emotion/image', self._on_picture, 1)

    def _on_picture(self, message: Image) -> None:
        self.picture = image_to_bgr(message)

    def summary(self) -> str:
        """Return one line about the whole run."""
        span = self.stamps[-1] - self.stamps[0]
        rate = (len(self.stamps) - 1) / span if span > 0 else 0.0
        p50, p99 = np.percentile(self.latencies, (50, 99)) * 1000
        return (
            f'{len(self.stamps)} frames seen, {self.skipped} skipped, {self.faces} faces, {rate:.1f} Hz, '
            f'latency from camera to /emotion p50 {p50:.1f} ms, p99 {p99:.1f} ms'
        )


class Printer:
    """Prints each emotion: a line each, or in a terminal one line a face that changes in place."""

    def __init__(self) -> None:
        """Look whether there is a terminal."""
        self._in_place = sys.stdout.isatty()
        self._shown: tuple[int, str] | None = None

    def __call__(self, emotion: Emotion, latency_s: float) -> None:
        """Print one."""
        bar = '#' * round(emotion.confidence * 20)
        line = (
            f'face {emotion.face_id:<3} {emotion.label:<10} {emotion.confidence:5.1%} {bar:<20} '
            f'{latency_s * 1000:6.1f} ms'
        )
        what = emotion.face_id, emotion.label
        if self._in_place and self._shown == what:
            print(f'\r{line}', end='', flush=True)
        else:
            print(
                f'{chr(10) if self._in_place and self._shown else ""}{line}',
                end='' if self._in_place else '\n',
                flush=True,
            )
        self._shown = what


def _start(module: str, **parameters: object) -> subprocess.Popen:
    command = [
        sys.executable,
        '-m',
        f'emotion_perception.{module}',
        '--ros-args',
        '--log-level',
        'warn',
    ]
    for name, value in parameters.items():
        command += ['-p', f'{name}:={value}']
    return subprocess.Popen(command)


def _stop(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    for process in processes:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()


def _watch(
    listener: Listener,
    processes: list[subprocess.Popen],
    run_s: float,
    stopped: threading.Event,
) -> str:
    """Listen for `run_s` seconds after the first answer; return why it ended early, empty if it did not."""
    started = time.monotonic()
    deadline = started + _START_LIMIT_S
    asked = False
    while time.monotonic() < deadline:
        rclpy.spin_once(listener, timeout_sec=0.1)
        if stopped.is_set():
            return ''
        if any(process.poll() is not None for process in processes):
            return 'a process ended before the demonstration did; its message stands above'
        if listener.stamps and deadline == started + _START_LIMIT_S:
            deadline = time.monotonic() + run_s
        if listener.stamps and not asked and deadline - time.monotonic() < min(1.0, run_s / 2):
            listener.ask_for_picture()
            asked = True
    return (
        '' if listener.stamps else f'nothing was heard on /emotion/faces in {_START_LIMIT_S:.0f} s'
    )


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='demo', description=__doc__)
    parser.add_argument(
        '--camera', default=PORTRAIT,
        help='number or path of a camera, path of a video or picture; without it the NASA portrait',
    )  # fmt: skip
    parser.add_argument('--seconds', type=float, default=6.0, help='how long to listen (6)')
    parser.add_argument(
        '--out', type=Path, default=Path('demo'), help='folder of the annotated picture (demo)'
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the demonstration; 0 if emotions were heard."""
    args = _parse(sys.argv[1:] if arguments is None else arguments)
    camera = (
        args.camera
        if args.camera == PORTRAIT or args.camera.isdigit()
        else str(Path(args.camera).resolve())
    )
    processes: list[subprocess.Popen] = []
    listener: Listener | None = None
    # a KeyboardInterrupt inside rclpy's extension comes out as another error: only note Ctrl-C
    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    trouble = ''
    try:
        with ros_context([], catch_signals=False):
            listener = Listener(Printer())
            processes.append(_start('ros.emotion_node', autostart='true'))
            processes.append(_start('ros.camera_node', source=f'"{camera}"'))
            trouble = _watch(listener, processes, args.seconds, stopped)
    finally:
        _stop(processes)
    if trouble or listener is None or not listener.stamps:
        print(f'demo: {trouble or "stopped before the first frame"}', file=sys.stderr)
        return 1
    print(f'\n{listener.summary()}')
    if listener.picture is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        path = args.out / 'emotion.png'
        if not cv2.imwrite(str(path), listener.picture):
            print(f'demo: {path} cannot be written', file=sys.stderr)
            return 1
        print(f'annotated picture: {path}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
