"""A VGA camera at 30 Hz in one process, the node in another: nothing is lost, nothing waits."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import rclpy

from benchmarks.processes import free_domain
from emotion_msgs.msg import EmotionArray

FRAMES = 150


def listen(context, domain):
    """Let a camera send `FRAMES` images to the node; return (EmotionArray, latency in ns) of each answer."""
    environment = os.environ | {'ROS_DOMAIN_ID': str(domain)}
    node = rclpy.create_node('counter', context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    answers = []

    def note(message):
        stamp = message.header.stamp
        now = node.get_clock().now().nanoseconds
        answers.append((message, now - stamp.sec * 10**9 - stamp.nanosec))

    node.create_subscription(EmotionArray, 'emotion/faces', note, 200)

    def spin(condition, limit_s):
        deadline = time.monotonic() + limit_s
        while not condition() and time.monotonic() < deadline:
            executor.spin_once(0.05)

    def start(module, parameter):
        command = [
            sys.executable,
            '-m',
            f'emotion_perception.{module}',
            '--ros-args',
            '-p',
            parameter,
        ]
        return subprocess.Popen(command, env=environment)

    processes = [start('ros.emotion_node', 'autostart:=true')]
    try:
        spin(lambda: node.count_publishers('emotion/faces'), 30)
        spin(lambda: False, 1)
        # the camera begins when it has found the node
        processes.append(start('ros.camera_node', f'frames:={FRAMES}'))
        spin(lambda: len(answers) >= FRAMES, 30)
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
            process.wait(10)
        executor.shutdown()
        node.destroy_node()
    return answers


@pytest.fixture
def answers(monkeypatch):
    """Listen, again where other work kept the processor from a frame; three times at most."""
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    domain = free_domain(range(101, 201))
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    for _ in range(3):
        heard = listen(context, domain)
        if len(heard) == FRAMES:
            break
    rclpy.shutdown(context=context)
    if len(heard) < FRAMES and os.getloadavg()[0] > 2 * os.cpu_count():
        pytest.skip(f'other work keeps this machine busy: load {os.getloadavg()[0]:.1f}')
    return heard


def test_no_frame_is_lost(answers):
    arrays = [message for message, _ in answers]
    assert len(arrays) == FRAMES
    last = arrays[-1]
    assert (last.images_received, last.images_skipped) == (FRAMES, 0)
    assert all(len(message.faces) == 1 for message in arrays)
    stamps = np.array([m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in arrays])
    assert (np.diff(stamps) > 0).all()
    latencies_ms = np.array([age for _, age in answers]) / 1e6
    print(
        'latency camera to listener, ms: p50 {:.1f}, p99 {:.1f}'.format(
            *np.percentile(latencies_ms, (50, 99))
        )
    )
    # nothing queues: the median stays within one camera period even on a busy machine
    assert np.median(latencies_ms) < 33
