"""The node from its start through its states: how long it takes, and what it costs in each."""

import time
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from sensor_msgs.msg import Image

from benchmarks.processes import CAMERA, NODE, Bench, Process, bench, picture, stream


def start_up(rounds: int) -> list[dict[str, float]]:
    """Return for each start the seconds until the node says it is ready, and until the first emotion."""
    found = []
    for _ in range(rounds):
        with bench() as b:
            b.start(CAMERA, rate_hz=30.0)
            b.spin(15, lambda: b.node.count_publishers('image'))
            b.spin(0.5)
            node = b.start(NODE, autostart='true')
            b.spin(20, lambda: any(message.faces for message, _ in b.heard))
            found.append(
                {
                    'ready_s': round(node.said('ready:') or float('nan'), 3),
                    'first_emotion_s': round(time.monotonic() - node.started, 3),
                }
            )
    return found


def states(run_s: float) -> list[dict[str, Any]]:
    """Return the CPU share and memory of the node in each state, at 30 Hz and VGA where it works."""
    rows = []

    def note(name: str, b: Bench, node: Process) -> None:
        before = node.cpu_s()
        b.spin(run_s)
        share = (node.cpu_s() - before) / run_s
        rows.append(
            {'state': name, 'cpu_share': round(share, 3), 'memory_mb': round(node.memory_mb(), 1)}
        )

    def change(b: Bench, transition: int) -> None:
        client: Any = b.node.create_client(ChangeState, '/emotion_perception/change_state')
        client.wait_for_service(10)
        request = ChangeState.Request()
        request.transition.id = transition
        future = client.call_async(request)
        b.spin(10, future.done)

    with bench() as b, picture((640, 480), 1) as one:
        b.start(CAMERA, source=one)
        node = b.start(NODE)
        b.spin(20, lambda: node.said('unconfigured'))
        b.spin(1)
        note('unconfigured, camera at 30 Hz', b, node)
        change(b, Transition.TRANSITION_CONFIGURE)
        note('inactive, camera at 30 Hz', b, node)
        change(b, Transition.TRANSITION_ACTIVATE)
        b.spin(1)
        note('active, one face', b, node)
        b.node.create_subscription(Image, 'emotion/image', lambda _: None, 1)
        b.spin(1)
        note('active, one face, somebody watches /emotion/image', b, node)
    for faces in (0, 10):
        row = stream(30, (640, 480), faces, run_s)
        rows.append(
            {
                'state': f'active, {faces} faces',
                'cpu_share': row['cpu_share'],
                'memory_mb': row['memory_mb'],
            }
        )
    with bench() as b:
        node = b.start(NODE, autostart='true')
        b.spin(20, lambda: node.said('reading'))
        b.spin(1)
        note('active, no camera', b, node)
    return rows
