# SPDX-License-Identifier: Apache-2.0
"""Nodes in processes of their own and a subscriber in this one that measures latency."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil
import rclpy
from rclpy.executors import SingleThreadedExecutor

from emotion_msgs.msg import EmotionArray
from emotion_perception.ros.conversions import seconds
from emotion_perception.ros.processes import NodeProcess, free_domain

DOMAINS = range(101, 201)
START_TIMEOUT_S = 20.0


def cpu_s(process: NodeProcess) -> float:
    """Return the CPU time of a process so far, user and system, in seconds."""
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


def memory_mb(process: NodeProcess) -> float:
    """Return the resident memory of a process in MB (10^6 bytes)."""
    return psutil.Process(process.pid).memory_info().rss / 1e6


def image_memory_mb(process: NodeProcess) -> float:
    """Return how much of `memory_mb` DDS shares with other programs: images, nearly all of it."""
    maps = psutil.Process(process.pid).memory_maps(grouped=True)
    return sum(part.rss for part in maps if part.path.startswith('/dev/shm/')) / 1e6


class RosSession:
    """
    A subscriber and the processes that it measures, in a ROS domain of their own.

    Attributes:
        node: rclpy node of the subscriber.
        received: each EmotionArray with its latency, stamp to receipt in seconds.

    """

    def __init__(self) -> None:
        """Join a free domain and subscribe to `emotion/faces`."""
        self._domain = free_domain(DOMAINS)
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=self._domain)
        self.node = rclpy.create_node('benchmark', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._processes: list[NodeProcess] = []
        self.received: list[tuple[EmotionArray, float]] = []
        self.subscribe('emotion/faces')

    def subscribe(self, topic: str) -> None:
        """Add a topic of EmotionArray to those that are received."""
        self.node.create_subscription(EmotionArray, topic, self._on_faces, 500)

    def latency_s(self, message: Any) -> float:
        """Return the time since the stamp of a message, in seconds."""
        return self.node.get_clock().now().nanoseconds * 1e-9 - seconds(message.header.stamp)

    def _on_faces(self, message: EmotionArray) -> None:
        self.received.append((message, self.latency_s(message)))

    def start(
        self, module: str, namespace: str = '', arguments: Sequence[str] = (), **parameters: Any
    ) -> NodeProcess:
        """Start a module with a node in the same domain; `arguments` are not those of ROS."""
        process = NodeProcess(
            module,
            arguments,
            parameters,
            remappings={'__ns': f'/{namespace}'} if namespace else None,
            environment={'ROS_DOMAIN_ID': str(self._domain)},
        )
        self._processes.append(process)
        return process

    def wait_for_nodes(self, *namespaces: str) -> None:
        """Wait until the emotion node of each namespace publishes and is connected."""
        topics = [f'{name}/emotion/faces'.lstrip('/') for name in namespaces or ('',)]
        self.spin(START_TIMEOUT_S, lambda: all(map(self.node.count_publishers, topics)))
        # whether the node has found the other subscriptions cannot be seen from here
        self.spin(0.7)

    def spin(self, duration_s: float, until: Callable[[], Any] = lambda: False) -> bool:
        """Receive until a condition holds or the time is over; return whether it holds."""
        deadline = time.monotonic() + duration_s
        while time.monotonic() < deadline:
            if until():
                return True
            self._executor.spin_once(min(0.02, max(deadline - time.monotonic(), 0)))
        return bool(until())

    def close(self) -> None:
        """Stop all processes and leave ROS."""
        for process in self._processes:
            process.stop()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)


@contextmanager
def ros_session() -> Iterator[RosSession]:
    """Give a `RosSession` and close it at the end."""
    session = RosSession()
    try:
        yield session
    finally:
        session.close()
