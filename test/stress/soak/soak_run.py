# SPDX-License-Identifier: Apache-2.0
"""Camera, node and subscriber in separate processes, sampled while a program lasts."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np

from emotion_perception.ros.conversions import seconds
from stress.faults.trial import TrialPeer, trial_peer
from stress.soak.visitors_camera import Program
from support.processes import MeasuredProcess

NODE_NAME = 'emotion_perception'
_START_TIMEOUT_S = 60.0
_SILENCE_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 20.0
_SLOWEST = 3.0
"""A run ends when it takes so many times as long as planned."""


@dataclass(frozen=True)
class Sample:
    """
    The node at one moment, and what happened since the sample before.

    Attributes:
        time_s: since the first result.
        image: number of the newest image that was processed.
        resident_mb: memory of the process.
        private_mb: of it the part that is neither shared nor mapped from files.
        threads, file_descriptors: of the process.
        endpoints: publishers, subscriptions and services of the node.
        topics: in the ROS graph.
        cpu_share: of a core.
        sent, processed, skipped: images since the first result.
        faces: received since the first result.
        highest_id: highest face_id so far.
        latency_p50_ms, latency_p99_ms, latency_max_ms: stamp to receipt.

    """

    time_s: float
    image: int
    resident_mb: float
    private_mb: float
    threads: int
    file_descriptors: int
    endpoints: int
    topics: int
    cpu_share: float
    sent: int
    processed: int
    skipped: int
    faces: int
    highest_id: int
    latency_p50_ms: float
    latency_p99_ms: float
    latency_max_ms: float


@dataclass
class Run:
    """
    A finished or interrupted run.

    Attributes:
        program: what the camera showed.
        samples: the node, again and again.
        all_forgotten: whether no face was tracked after everybody left; None if it ended early.
        ended: why it ended early; empty if it did not.

    """

    program: Program
    samples: list[Sample] = field(default_factory=list)
    all_forgotten: bool | None = None
    ended: str = ''


class Sampler:
    """Samples the process of the node and what the peer received from it."""

    def __init__(self, peer: TrialPeer, node: MeasuredProcess):
        """Start with the first result that the peer received."""
        self._peer, self._node = peer, node
        self._first = self._newest = peer.arrays[0]
        self._processed = self._faces = self._highest_id = 0
        self._cpu_s, self._sampled_s = node.cpu_s, seconds(self._first.header.stamp)

    @property
    def image(self) -> int:
        """Number of the newest processed image, which the camera writes into the frame_id."""
        arrays = self._peer.arrays
        return int((arrays[-1] if arrays else self._newest).header.frame_id)

    def sample(self) -> Sample | None:
        """Return a sample; None if nothing was received since the one before."""
        arrays = list(self._peer.arrays)
        if not arrays:
            return None
        ids = [face.face_id for array in arrays for face in array.faces]
        self._newest = arrays[-1]
        self._processed += len(arrays)
        self._faces += len(ids)
        self._highest_id = max([self._highest_id, *ids])
        p50, p99, longest = np.percentile(self._peer.latencies_s, (50, 99, 100)) * 1000
        self._peer.clear()
        graph, usage = self._peer.node, self._node.usage
        endpoints = (
            graph.get_publisher_names_and_types_by_node,
            graph.get_subscriber_names_and_types_by_node,
            graph.get_service_names_and_types_by_node,
        )
        cpu_s, now_s = self._node.cpu_s, seconds(self._newest.header.stamp)
        share = (cpu_s - self._cpu_s) / max(now_s - self._sampled_s, 1e-6)
        self._cpu_s, self._sampled_s = cpu_s, now_s
        memory = usage.memory_info()
        return Sample(
            time_s=round(now_s - seconds(self._first.header.stamp), 2),
            image=self.image,
            resident_mb=round(memory.rss / 1e6, 3),
            private_mb=round((memory.rss - memory.shared) / 1e6, 3),
            threads=usage.num_threads(),
            file_descriptors=usage.num_fds(),
            endpoints=sum(len(names(NODE_NAME, '/')) for names in endpoints),
            topics=len(graph.get_topic_names_and_types()),
            cpu_share=round(share, 3),
            sent=self.image - int(self._first.header.frame_id) + 1,
            processed=self._processed,
            skipped=self._newest.images_skipped - self._first.images_skipped,
            faces=self._faces,
            highest_id=self._highest_id,
            latency_p50_ms=round(float(p50), 2),
            latency_p99_ms=round(float(p99), 2),
            latency_max_ms=round(float(longest), 2),
        )


def soak(
    program: Program,
    every_s: float,
    hold_up_s: float = 0.0,
    on_sample: Callable[[Sample], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Run:
    """
    Show a program to the node and sample it.

    Args:
        program: what the camera shows.
        every_s: time between two samples.
        hold_up_s: for so long at the start the node is stopped (SIGSTOP) again and again. That
            fills the shared memory of the transport, which would look like a leak later.
        on_sample: receives each sample.
        stopped: returns whether to end early.

    Raises:
        TimeoutError: if node or camera do not start.

    """
    run = Run(program)
    with trial_peer() as peer:
        node = peer.start_node(autostart=True)
        publishers = peer.node.count_publishers
        peer.until(lambda: publishers('emotion/faces'), _START_TIMEOUT_S, 'the node')
        peer.spin(1)
        camera = peer.group.start('stress.soak.visitors_camera', **asdict(program))
        peer.until(lambda: peer.arrays, _START_TIMEOUT_S, 'the first result')
        sampler, started_s = Sampler(peer, node), time.monotonic()
        sampled_s = started_s
        limit_s = _SLOWEST * program.frames / program.rate_hz + _END_TIMEOUT_S
        while sampler.image < program.frames and not run.ended:
            if time.monotonic() - started_s < hold_up_s:
                node.signal(signal.SIGSTOP)
                peer.spin(random.uniform(0.1, 1.5))
                node.signal(signal.SIGCONT)
            peer.spin_until(stopped, every_s)
            now_s = time.monotonic()
            if sample := sampler.sample():
                run.samples.append(sample)
                on_sample(sample)
                sampled_s = now_s
            if stopped():
                run.ended = 'stopped by hand'
            elif not (node.running and camera.running):
                name, process = ('camera', camera) if node.running else ('node', node)
                run.ended = f'the {name} ended: {process.output.strip()[-300:]}'
            elif now_s - sampled_s > _SILENCE_TIMEOUT_S:
                run.ended = 'the node is silent'
            elif now_s - started_s > limit_s:
                run.ended = 'the machine is too slow'
        if not run.ended:
            run.all_forgotten = peer.has_status(tracked_faces=0)
    return run
