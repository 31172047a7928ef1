# SPDX-License-Identifier: Apache-2.0
"""Random lifecycle transitions, possible and impossible."""

import random
import time

from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from stress.faults.trial import TIMEOUT_S, Result, TrialPeer, trial_peer
from support.ros_peer import TRANSITIONS

NEXT_STATE = {
    ('unconfigured', 'configure'): 'inactive',
    ('inactive', 'activate'): 'active',
    ('active', 'deactivate'): 'inactive',
    ('inactive', 'cleanup'): 'unconfigured',
}
"""State and transition -> next state; every other request must be refused and change nothing."""

IMPOSSIBLE: tuple[tuple[int, str], ...] = (
    *((number, '') for number in (0, 8, 10, 30, 60, 61, 69, 97, 98, 99, 100, 255)),
    *((0, label) for label in ('create', 'destroy', 'transition_success', 'fly', ' ', '\u2603')),
)
"""Ids and labels of transitions that do not exist, or that only the node itself makes."""

_TOPICS = 'emotion', 'emotion/faces', 'emotion/image', 'emotion/events', 'emotion/nearest'
"""What the node publishes while it is configured."""

WARM_UP = 100
"""Transitions after which memory, file descriptors and threads are compared with the end."""


def random_transitions(tries: int, dice: random.Random) -> Result:
    """Request transitions, one of four impossible; check state, topics and images after each."""
    lost = dict.fromkeys(
        (
            'transitions with another result', 'missing publishers', 'topics left over',
            'images without emotions', 'images processed while not active', 'nodes that ended',
            'exit codes above 0', 'file descriptors left open', 'threads left over',
        ),
        0,
    )  # fmt: skip
    accepted, usage = 0, []
    unwanted: set[tuple[int, int]] = set()
    with trial_peer() as peer:
        node = peer.start_node(stalled_after_s=60.0)
        state, started_s = peer.state(), time.monotonic()
        for index in range(tries):
            # the last two lead back to unconfigured, where leaks can be compared
            last = index >= tries - 2
            name = {'inactive': 'cleanup', 'active': 'deactivate'}.get(state) if last else None
            if name:
                request, target = (TRANSITIONS[name], ''), NEXT_STATE[state, name]
            else:
                request, target = _draw(dice, state)
            done = _request(peer, *request)
            accepted += done
            state = target or state
            wrong = done != (target is not None) or peer.state() != state
            lost['transitions with another result'] += wrong
            if stamp := _check_state(peer, state, lost):
                unwanted.add((stamp.sec, stamp.nanosec))
            if state == 'unconfigured' and (index >= WARM_UP or last):
                usage.append((node.memory_mb, node.usage.num_fds(), node.usage.num_threads()))
        took_s = time.monotonic() - started_s
        stamps = [(m.header.stamp.sec, m.header.stamp.nanosec) for m in peer.arrays]
        lost['images processed while not active'] = sum(stamp in unwanted for stamp in stamps)
        lost['nodes that ended'] = int(not node.running)
        lost['exit codes above 0'] = int(node.stop() != 0)
    lost['file descriptors left open'] = max(usage[-1][1] - usage[0][1], 0)
    lost['threads left over'] = max(usage[-1][2] - usage[0][2], 0)
    return Result(
        'random lifecycle transitions, one of four impossible',
        tries,
        lost,
        notes={
            'accepted': accepted,
            'memory_growth_mb': round(usage[-1][0] - usage[0][0], 2),
            'file_descriptors': usage[-1][1],
            'threads': usage[-1][2],
            'each_ms': round(took_s / tries * 1e3, 1),
        },
    )


def _request(peer: TrialPeer, number: int, label: str = '') -> bool:
    request = ChangeState.Request(transition=Transition(id=number, label=label))
    return peer.call(ChangeState, 'change_state', request, TIMEOUT_S).success


def _draw(dice: random.Random, state: str) -> tuple[tuple[int, str], str | None]:
    """Return id and label of a transition, and the next state; None for an impossible one."""
    if dice.random() < 0.25:
        if dice.random() < 0.5:
            return dice.choice(IMPOSSIBLE), None
        wrong = [name for name in TRANSITIONS if (state, name) not in NEXT_STATE]
        return (TRANSITIONS[dice.choice(wrong)], ''), None
    name = dice.choice([name for (before, name) in NEXT_STATE if before == state])
    request = (0, name) if dice.random() < 0.2 else (TRANSITIONS[name], '')
    return request, NEXT_STATE[state, name]


def _publishers(peer: TrialPeer) -> int:
    return sum(peer.node.count_publishers(topic) for topic in _TOPICS)


def _check_state(peer: TrialPeer, state: str, lost: dict[str, int]) -> Time | None:
    """Check topics and images; return the stamp of an image that must not be processed, if any."""
    subscribers = peer.publisher().get_subscription_count
    if state == 'unconfigured':
        gone = peer.spin_until(lambda: not _publishers(peer) and not subscribers(), 10)
        lost['topics left over'] += not gone
    else:
        lost['missing publishers'] += not peer.spin_until(
            lambda: _publishers(peer) == len(_TOPICS), 10
        )
    if state == 'inactive':
        lost['topics left over'] += not peer.spin_until(lambda: not subscribers(), 10)
    if state == 'active':
        peer.spin_until(subscribers, 10)
        array = peer.process_portrait()
        lost['images without emotions'] += array is None or not array.faces
        return None
    stamp = peer.send_portrait()
    peer.spin(0.002)
    return stamp
