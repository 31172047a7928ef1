# SPDX-License-Identifier: Apache-2.0
"""The node beside a camera process: latency, dropped frames, CPU, memory, start time."""

import time
from functools import partial
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from sensor_msgs.msg import Image

from benchmarks.face_images import image_file
from benchmarks.networks import measure_fixed_job
from benchmarks.ros_session import (
    START_TIMEOUT_S,
    RosSession,
    cpu_s,
    image_memory_mb,
    memory_mb,
    ros_session,
)
from benchmarks.slow_node import PROCESSING_S
from benchmarks.timing import measure_in_rounds, percentiles_ms
from emotion_perception.detection.keyframes import ALONE_AFTER_S
from emotion_perception.ros.conversions import seconds
from emotion_perception.ros.processes import CAMERA_NODE, EMOTION_NODE, NodeProcess

VGA, HD = (640, 480), (1280, 720)
STREAMS = (
    (15.0, VGA, 1),
    (30.0, VGA, 1),
    (60.0, VGA, 1),
    (30.0, VGA, 3),
    (30.0, VGA, 10),
    (30.0, VGA, 20),
    (30.0, HD, 1),
)
"""Rate in Hz, size and faces of each measured stream."""
OVERLOAD_HZ = 60.0
_ANNOUNCED_S = 4.0
"""After so long a camera announces itself no more often than for the rest of its life."""
ROUNDS = 3
"""How often each stream is measured: the slowest images differ from run to run."""


def measure_stream(
    rate_hz: float,
    size: tuple[int, int],
    faces: int,
    run_s: float,
    node_module: str = EMOTION_NODE,
) -> dict[str, Any]:
    """
    Send images from a camera process to the node and receive the results in this process.

    Args:
        rate_hz: of the camera.
        size: width and height of its images.
        faces: in each image.
        run_s: duration in seconds.
        node_module: that runs the node.

    Returns:
        ``sent``, ``processed`` and ``skipped`` images, ``found`` (median number of faces),
        ``latency`` in ms, ``oldest_reading_ms`` (99th percentile over the images of the age of the
        oldest reading of a face), ``cpu_ms`` of the node for each image, ``cpu_share`` of a core,
        ``memory_mb`` and the part of it that is ``image_memory_mb``; ``fixed_job``: see
        `measure_fixed_job`.

    """
    frames = round(rate_hz * run_s)
    with ros_session() as session, image_file(size, faces) as source:
        node = session.start(node_module, autostart=True)
        session.wait_for_nodes()
        session.start(
            CAMERA_NODE,
            source=source, width=size[0], height=size[1], rate_hz=rate_hz, frames=frames,
        )  # fmt: skip
        session.spin(10, lambda: session.received)
        used_s, first = cpu_s(node), len(session.received)
        session.spin(run_s + 3, lambda: len(session.received) >= frames)
        used_s, processed = cpu_s(node) - used_s, len(session.received) - first
        memory, of_images = memory_mb(node), image_memory_mb(node)
        received = list(session.received)
    oldest_s = [
        max(seconds(face.reading_age) for face in message.faces)
        for message, _ in received
        if message.faces
    ]
    counts = sorted(len(message.faces) for message, _ in received)
    return {
        'rate_hz': rate_hz,
        'width': size[0],
        'height': size[1],
        'faces': faces,
        'found': counts[len(counts) // 2] if counts else 0,
        'sent': frames,
        'processed': len(received),
        'skipped': received[-1][0].images_skipped if received else 0,
        'latency': percentiles_ms([latency for _, latency in received]),
        'oldest_reading_ms': percentiles_ms(oldest_s).get('p99', 0.0),
        'cpu_ms': round(used_s / max(processed, 1) * 1000, 2),
        # not over the elapsed time, which holds the wait for images that were dropped
        'cpu_share': round(used_s / max(processed, 1) * rate_hz, 3),
        'memory_mb': round(memory, 1),
        'image_memory_mb': round(of_images, 1),
        'fixed_job': measure_fixed_job(run_s / 2),
    }


def measure_streams(run_s: float, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Measure each of `STREAMS`, all in turn, some times over."""
    return measure_in_rounds([partial(measure_stream, *one, run_s) for one in STREAMS], rounds)


def measure_slow_machine(run_s: float) -> list[dict[str, Any]]:
    """Measure streams of VGA at 30 Hz with networks that take `SLOWDOWN` times as long."""
    return [
        measure_stream(30.0, VGA, faces, run_s, 'benchmarks.slow_machine_node')
        for faces in (1, 3, 10, 20)
    ]


def measure_start(rounds: int) -> list[dict[str, float]]:
    """Return for each start the seconds until the node is ready and until its first emotion."""
    with ros_session() as session:
        session.start(CAMERA_NODE, rate_hz=30.0)
        session.spin(START_TIMEOUT_S, lambda: session.node.count_publishers('image'))
        session.spin(_ANNOUNCED_S)
        return [_start(session) for _ in range(rounds)]


def _start(session: RosSession) -> dict[str, float]:
    # what the node before has still sent
    session.spin(1.0)
    session.received.clear()
    node = session.start(EMOTION_NODE, autostart=True)
    session.spin(START_TIMEOUT_S, lambda: any(m.faces for m, _ in session.received))
    first_s = time.monotonic() - node.started_s
    node.stop()
    return {
        'ready_s': round(node.seconds_until('ready:') or float('nan'), 3),
        'first_emotion_s': round(first_s, 3),
    }


def _cost(session: RosSession, node: NodeProcess, state: str, run_s: float) -> dict[str, Any]:
    """Return the CPU share and memory of the node over some time."""
    used_s = cpu_s(node)
    session.spin(run_s)
    share = (cpu_s(node) - used_s) / run_s
    return {'state': state, 'cpu_share': round(share, 3), 'memory_mb': round(memory_mb(node), 1)}


def _change_state(session: RosSession, transition: int) -> None:
    client: Any = session.node.create_client(ChangeState, '/emotion_perception/change_state')
    client.wait_for_service(10)
    request = ChangeState.Request(transition=Transition(id=transition))
    future = client.call_async(request)
    session.spin(10, future.done)
    session.spin(1)


def measure_states(run_s: float) -> list[dict[str, Any]]:
    """Return the CPU share and memory of the node in each lifecycle state, VGA at 30 Hz."""
    with ros_session() as session, image_file(VGA, 1) as source:
        session.start(CAMERA_NODE, source=source)
        node = session.start(EMOTION_NODE)
        session.spin(START_TIMEOUT_S, lambda: node.seconds_until('unconfigured'))
        session.spin(1)
        rows = [_cost(session, node, 'unconfigured, camera at 30 Hz', run_s)]
        _change_state(session, Transition.TRANSITION_CONFIGURE)
        rows.append(_cost(session, node, 'inactive, camera at 30 Hz', run_s))
        _change_state(session, Transition.TRANSITION_ACTIVATE)
        rows.append(_cost(session, node, 'active, one face', run_s))
        session.node.create_subscription(Image, 'emotion/image', lambda _: None, 1)
        session.spin(1)
        rows.append(_cost(session, node, 'active, one face, /emotion/image subscribed', run_s))
    for faces in (0, 10):
        with ros_session() as session, image_file(VGA, faces) as source:
            session.start(CAMERA_NODE, source=source)
            node = session.start(EMOTION_NODE, autostart=True)
            session.wait_for_nodes()
            rows.append(_cost(session, node, f'active, {faces} faces', run_s))
            if not faces:
                session.spin(ALONE_AFTER_S)
                state = f'active, 0 faces, after {ALONE_AFTER_S:g} s'
                rows.append(_cost(session, node, state, run_s))
    with ros_session() as session:
        node = session.start(EMOTION_NODE, autostart=True)
        session.wait_for_nodes()
        rows.append(_cost(session, node, 'active, no camera', run_s))
    return rows


def measure_overload(run_s: float) -> dict[str, Any]:
    """
    Send 60 images a second to a node that takes 100 ms for each.

    Returns:
        ``received``, ``processed`` and ``skipped`` images; ``age`` at publication in ms and
        ``oldest_ms``; ``memory_mb`` of each second.

    """
    memory: list[float] = []
    with ros_session() as session:
        node = session.start('benchmarks.slow_node', autostart=True)
        session.wait_for_nodes()
        session.start(CAMERA_NODE, rate_hz=OVERLOAD_HZ)
        session.spin(10, lambda: session.received)
        started_s, used_s = time.monotonic(), cpu_s(node)
        while time.monotonic() - started_s < run_s:
            session.spin(1)
            memory.append(round(memory_mb(node), 2))
        share = (cpu_s(node) - used_s) / (time.monotonic() - started_s)
        messages = [message for message, _ in session.received]
    ages_s = [message.age for message in messages]
    return {
        'run_s': run_s,
        'rate_hz': OVERLOAD_HZ,
        'processing_s': PROCESSING_S,
        'received': messages[-1].images_received,
        'processed': len(messages),
        'skipped': messages[-1].images_skipped,
        'age': percentiles_ms(ages_s),
        'oldest_ms': round(max(ages_s) * 1000, 1),
        'cpu_share': round(share, 3),
        'memory_mb': memory,
    }


def measure_cameras(run_s: float, rate_hz: float = 30.0) -> list[dict[str, Any]]:
    """Return what one, two and three cameras cost, VGA with one face, a node process each."""
    return [_cameras(count, run_s, rate_hz) for count in (1, 2, 3)]


def _cameras(count: int, run_s: float, rate_hz: float) -> dict[str, Any]:
    frames = round(run_s * rate_hz)
    names = [f'camera{k}' for k in range(count)]
    with ros_session() as session, image_file(VGA, 1) as source:
        nodes = [session.start(EMOTION_NODE, name, autostart=True) for name in names]
        for name in names:
            session.subscribe(f'{name}/emotion/faces')
        session.wait_for_nodes(*names)
        for name in names:
            session.start(CAMERA_NODE, name, source=source, rate_hz=rate_hz, frames=frames)
        session.spin(10, lambda: session.received)
        used_s = sum(map(cpu_s, nodes))
        session.spin(run_s + 2, lambda: len(session.received) >= frames * count)
        used_s = sum(map(cpu_s, nodes)) - used_s
        return {
            'cameras': count,
            'sent': frames * count,
            'processed': len(session.received),
            'latency': percentiles_ms([latency for _, latency in session.received]),
            'cpu_share': round(used_s / run_s, 3),
            'memory_mb': round(sum(map(memory_mb, nodes)), 1),
        }
