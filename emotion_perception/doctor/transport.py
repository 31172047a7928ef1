# SPDX-License-Identifier: Apache-2.0
"""The check that images reach another process: a child process publishes, this one counts."""

import array
import os
import subprocess
import sys
import time
from pathlib import Path

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING, CheckResult
from emotion_perception.doctor.ros_setup import export_command
from emotion_perception.ros.node_main import ros_context

IMAGES = 30
_WIDTH, _HEIGHT, _RATE_HZ = 640, 480, 30.0
_TIMEOUT_S = 15.0
_DISCOVERY_S = 6.0
_SETTLE_S = 0.3
_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
_OK_FRACTION, _PROBLEM_FRACTION = 0.9, 0.5
"""A busy CPU loses some images; a shared-memory segment that is too small loses most or all."""


def rate_received(latencies_ms: list[float], child_error: str, advice: str) -> CheckResult:
    """Return the result for the images received; `child_error` is empty if the child succeeded."""
    received = len(latencies_ms)
    values: dict[str, float] = {'sent': IMAGES, 'received': received}
    if child_error:
        text = f'a second process could not send: {child_error}'
        return CheckResult('images', PROBLEM, text, 'fix the problems above first', values)
    text = f'{received} of {IMAGES} images of 640x480 reached another process'
    if latencies_ms:
        values['latency_p50_ms'] = round(sorted(latencies_ms)[received // 2], 2)
        text += f', latency p50 {values["latency_p50_ms"]:.1f} ms'
    if received < _PROBLEM_FRACTION * IMAGES:
        return CheckResult('images', PROBLEM, text, advice, values)
    if received < _OK_FRACTION * IMAGES:
        return CheckResult('images', WARNING, text, f'reduce the CPU load, or {advice}', values)
    return CheckResult('images', OK, text, '', values)


def check_loopback(node: Node) -> CheckResult:
    """Let a child process publish `IMAGES` images, and count those that `node` receives."""
    topic = f'/emotion_perception_doctor_{os.getpid()}/image'
    latencies_ms: list[float] = []

    def on_image(image: Image) -> None:
        stamp = image.header.stamp
        latencies_ms.append((time.time_ns() - stamp.sec * 10**9 - stamp.nanosec) / 1e6)

    subscription = node.create_subscription(Image, topic, on_image, _QOS)
    package_parent = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (package_parent, os.environ.get('PYTHONPATH', ''))))
    child = subprocess.Popen(
        [sys.executable, '-m', __name__, topic],
        env={**os.environ, 'PYTHONPATH': path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + _TIMEOUT_S
        while len(latencies_ms) < IMAGES and time.monotonic() < deadline and child.poll() is None:
            rclpy.spin_once(node, timeout_sec=0.05)
        deadline = time.monotonic() + _SETTLE_S
        while len(latencies_ms) < IMAGES and time.monotonic() < deadline:
            rclpy.spin_once(node, timeout_sec=0.05)
    finally:
        if len(latencies_ms) < IMAGES:
            child.terminate()
        try:
            stderr = child.communicate(timeout=5)[1]
        except subprocess.TimeoutExpired:
            child.kill()
            stderr = child.communicate()[1]
        node.destroy_subscription(subscription)
    error = ''
    if child.returncode and not latencies_ms:
        error = (stderr.strip().splitlines() or [f'exit code {child.returncode}'])[-1]
    advice = f'{export_command()}   (in the shell of the camera driver too)'
    return rate_received(latencies_ms, error, advice)


def main(topic: str) -> int:
    """Publish `IMAGES` images once there is a subscriber; this is the child process."""
    with ros_context([]):
        node = Node(f'emotion_perception_doctor_child_{os.getpid()}')
        publisher = node.create_publisher(Image, topic, _QOS)
        deadline = time.monotonic() + _DISCOVERY_S
        while not publisher.get_subscription_count() and time.monotonic() < deadline:
            time.sleep(0.05)
        if not publisher.get_subscription_count():
            print('the two processes did not discover each other', file=sys.stderr)
            return 1
        # whether the subscriber has discovered this publisher cannot be seen from here
        time.sleep(_SETTLE_S)
        image = Image(width=_WIDTH, height=_HEIGHT, encoding='bgr8', step=3 * _WIDTH)
        image.data = array.array('B', bytes(3 * _WIDTH * _HEIGHT))
        for _ in range(IMAGES):
            image.header.stamp.sec, image.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
            publisher.publish(image)
            time.sleep(1 / _RATE_HZ)
        # the shared memory disappears with this process: let the last images be read first
        time.sleep(_SETTLE_S)
        node.destroy_node()
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
