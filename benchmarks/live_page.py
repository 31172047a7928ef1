# SPDX-License-Identifier: Apache-2.0
"""The live page beside the node: what it costs, and what remains for the node."""

import importlib.util
import re
import statistics
from functools import partial
from typing import Any

from benchmarks.face_images import image_file
from benchmarks.networks import measure_fixed_job
from benchmarks.node_load import ROUNDS, VGA
from benchmarks.ros_session import START_TIMEOUT_S, RosSession, cpu_s, memory_mb, ros_session
from benchmarks.timing import measure_in_rounds, percentiles_ms
from emotion_perception.ros.processes import CAMERA_NODE, EMOTION_NODE, NodeProcess
from emotion_perception.ros.publishers import EXTRA_PUBLISHERS

RATE_HZ = 30.0
PAGES = (
    ('no live page', '', 0),
    ('a page without a picture', 'none', 1),
    ('a page with a blurred picture', 'blurred', 1),
    ('a page with the full picture', 'full', 1),
    ('eight pages with a blurred picture', 'blurred', 8),
)
"""Name, option `--picture` of `emotion-perception live`, and how many pages read it."""
EVERYTHING_FACES = (1, 10)
"""Numbers of faces with which everything is measured at once."""


def measure_live_page(run_s: float, faces: int = 1, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """
    Measure each of `PAGES` in turn, then a page beside a node that does all that it can.

    Always on are head poses, positions and the annotated image that the page asks for. The last
    rows also have the topics of the `EXTRA_PUBLISHERS` whose packages are installed, which they
    name.

    Args:
        run_s: duration of each in seconds.
        faces: in each image, but in the last rows, which have `EVERYTHING_FACES`.
        rounds: how often.

    Returns:
        Rows with ``page``; ``sent`` and ``processed`` images, ``latency`` in ms; ``node_share``
        and ``page_share`` of a core, ``node_mb`` and ``page_mb``; ``fixed_job``: see
        `measure_fixed_job`.

    """
    pages = [partial(measure_page, *page, run_s, faces) for page in PAGES]
    packages = filter(importlib.util.find_spec, sorted(EXTRA_PUBLISHERS))
    topics = dict.fromkeys(packages, True)
    if 'hri_msgs' in topics:
        topics |= {'hri_images': True, 'hri_landmarks': True}
    for count in EVERYTHING_FACES:
        name = ', '.join(
            ['a blurred picture', f'{count} faces' if count > 1 else '1 face', *topics]
        )
        pages.append(partial(measure_page, name, 'blurred', 1, run_s, count, **topics))
    return measure_in_rounds(pages, rounds)


def measure_page(
    page: str, picture: str, readers: int, run_s: float, faces: int, **parameters: Any
) -> dict[str, Any]:
    """Measure one of `PAGES` beside a node with further parameters: see `measure_live_page`."""
    frames = round(RATE_HZ * run_s)
    with ros_session() as session, image_file(VGA, faces) as source:
        node = session.start(EMOTION_NODE, autostart=True, field_of_view_deg=60, **parameters)
        session.wait_for_nodes()
        live = _open_pages(session, picture, readers) if picture else None
        session.start(CAMERA_NODE, source=source, rate_hz=RATE_HZ, frames=frames)
        session.spin(10, lambda: session.received)
        processes = [process for process in (node, live) if process is not None]
        used_s = [cpu_s(process) for process in processes]
        session.spin(run_s + 3, lambda: len(session.received) >= frames)
        shares = [
            round((cpu_s(process) - before_s) / run_s, 3)
            for process, before_s in zip(processes, used_s, strict=True)
        ]
        positions = [face.distance for message, _ in session.received for face in message.faces]
        row = {
            'page': page,
            'sent': frames,
            'processed': len(session.received),
            'latency': percentiles_ms([latency for _, latency in session.received]),
            'distance_m': round(statistics.median(positions), 2),
            'node_share': shares[0],
            'page_share': shares[1] if live else 0.0,
            'page_mb': round(memory_mb(live), 1) if live else 0.0,
            'node_mb': round(memory_mb(node), 1),
        }
    return row | {'fixed_job': measure_fixed_job(run_s / 2)}


def _open_pages(session: RosSession, picture: str, count: int) -> NodeProcess:
    """Return the process of the live page when `count` pages have opened."""
    arguments = ['live', '--port', '0', '--picture', picture]
    live = session.start('emotion_perception.cli', arguments=arguments)
    address = re.compile(r'^live page: (http://\S+)$', re.M)
    if not session.spin(START_TIMEOUT_S, lambda: address.search(live.output)):
        raise RuntimeError(f'the live page does not start: {live.output}')
    found = address.search(live.output)
    assert found is not None
    readers = [session.start('benchmarks.page_reader', arguments=[found[1]]) for _ in range(count)]
    session.spin(START_TIMEOUT_S, lambda: all(one.seconds_until('open') for one in readers))
    return live
