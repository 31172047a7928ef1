"""Whether images reach another process: a child publishes some, this process counts them."""

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
_LIMIT_S = 15.0
_WAIT_FOR_LISTENER_S = 6.0
_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
_ENOUGH, _TOO_FEW = 0.9, 0.5
"""Shares of the images: a busy processor costs some; a segment that is too small costs most or all."""


def judge(received: int, latencies_ms: list[float], trouble: str, do: str) -> CheckResult:
    """
    Say what the count means.

    Args:
        received: of `IMAGES`.
        latencies_ms: of those.
        trouble: what the child said when it failed.
        do: what makes room for images.

    """
    values: dict[str, float] = {'sent': IMAGES, 'received': received}
    text = f'{received} of {IMAGES} images of 640x480 reached another process'
    if latencies_ms:
        values['latency_ms'] = round(sorted(latencies_ms)[len(latencies_ms) // 2], 2)
        text += f', p50 {values["latency_ms"]:.1f} ms'
    if trouble:
        text = f'a second process could not send: {trouble}'
        return CheckResult('images', PROBLEM, text, 'mend the problems above first', values)
    if received < _TOO_FEW * IMAGES:
        return CheckResult('images', PROBLEM, text, do, values)
    if received < _ENOUGH * IMAGES:
        return CheckResult('images', WARNING, text, f'free the processor, or {do}', values)
    return CheckResult('images', OK, text, '', values)


def check_loopback(node: Node) -> CheckResult:
    """Start a child that publishes `IMAGES` images at 30 Hz and count what arrives on `node`."""
    topic = f'/emotion_perception_doctor_{os.getpid()}/image'
    latencies_ms: list[float] = []

    def count(image: Image) -> None:
        stamp = image.header.stamp
        now_ns = time.time_ns()
        latencies_ms.append((now_ns - stamp.sec * 10**9 - stamp.nanosec) / 1e6)

    subscription = node.create_subscription(Image, topic, count, _QOS)
    parent = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (parent, os.environ.get('PYTHONPATH', ''))))
    child = subprocess.Popen(
        [sys.executable, '-m', __name__, topic],
        env={**os.environ, 'PYTHONPATH': path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + _LIMIT_S
        while len(latencies_ms) < IMAGES and time.monotonic() < deadline and child.poll() is None:
            rclpy.spin_once(node, timeout_sec=0.05)
        # what is still under way when the child has ended
        settled = time.monotonic() + 0.3
        while len(latencies_ms) < IMAGES and time.monotonic() < settled:
            rclpy.spin_once(node, timeout_sec=0.05)
    finally:
        if len(latencies_ms) < IMAGES and child.poll() is None:
            child.kill()
        try:
            said = child.communicate(timeout=5)[1]
        except subprocess.TimeoutExpired:
            child.kill()
            said = child.communicate()[1]
        node.destroy_subscription(subscription)
    lines = said.strip().splitlines()
    trouble = (lines[-1] if lines else f'exit code {child.returncode}') if child.returncode else ''
    do = f'{export_command()}   (in the shell of the camera driver too)'
    return judge(len(latencies_ms), latencies_ms, '' if latencies_ms else trouble, do)


def main(topic: str) -> int:
    """Publish `IMAGES` images, once somebody listens; the child's part."""
    with ros_context([]):
        node = Node(f'emotion_perception_doctor_child_{os.getpid()}')
        publisher = node.create_publisher(Image, topic, _QOS)
        deadline = time.monotonic() + _WAIT_FOR_LISTENER_S
        while not publisher.get_subscription_count() and time.monotonic() < deadline:
            time.sleep(0.05)
        if not publisher.get_subscription_count():
            print('the two processes did not find each other', file=sys.stderr)
            return 1
        # the listener has to have found this publisher too, which cannot be seen from here
        time.sleep(0.3)
        image = Image(width=_WIDTH, height=_HEIGHT, encoding='bgr8', step=3 * _WIDTH)
        image.data = array.array('B', bytes(3 * _WIDTH * _HEIGHT))
        for _ in range(IMAGES):
            now_ns = time.time_ns()
            image.header.stamp.sec, image.header.stamp.nanosec = divmod(now_ns, 10**9)
            publisher.publish(image)
            time.sleep(1 / _RATE_HZ)
        # shared memory goes with this process: let what was sent be read first
        time.sleep(0.3)
        node.destroy_node()
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
