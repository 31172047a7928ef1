"""The lifecycle driven at random over its services, and after each transition a look at what its state promises."""

import random
import time
from dataclasses import dataclass, field

from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import Transition
from tqdm import tqdm

from benchmarks.processes import Process
from stress.faults.counting import Count
from stress.faults.robot import TRANSITIONS, Robot, chance, robot

ALLOWED = {
    ('unconfigured', 'configure'): 'inactive',
    ('inactive', 'activate'): 'active',
    ('active', 'deactivate'): 'inactive',
    ('inactive', 'cleanup'): 'unconfigured',
}
"""State and transition -> the next state; whatever else is asked for must be refused and change nothing."""

IMPOSSIBLE: list[tuple[int, str]] = [
    *((number, '') for number in (0, 8, 10, 30, 60, 61, 69, 97, 98, 99, 100, 255)),
    *((0, label) for label in ('create', 'destroy', 'transition_success', 'fly', ' ', '\N{SNOWMAN}')),
]  # fmt: skip
"""Numbers and labels of transitions that no state has, or that only the node itself may make."""

WARM_UP = 100
"""Transitions after which memory, handles and threads are compared with those at the end."""


@dataclass
class Ledger:
    """What was tried and what went wrong, while it goes on."""

    lost: dict[str, int] = field(
        default_factory=lambda: {
            'transitions that did not do what was asked': 0,
            'publishers': 0,
            'topics or services that a state must not have': 0,
            'images': 0,
            'answers to images of another state': 0,
        }
    )
    size: list[tuple[float, int, int]] = field(default_factory=list)

    def weigh(self, node: Process) -> None:
        """Note memory, handles and threads."""
        self.size.append((node.memory_mb(), node.handles(), node.threads()))


def drive(tries: int, seed: int | None = None, progress: bool = False) -> Count:
    """
    Ask for transitions at random, three of four possible ones, and look after each.

    Args:
        tries: number of transitions.
        seed: of chance; None draws one.
        progress: show a bar.

    """
    seed, dice = chance(seed)
    ledger, accepted = Ledger(), 0
    forbidden: list[Time] = []
    with robot() as r:
        node = r.start_node(stalled_after_s=60.0)
        state = r.state()
        started = time.monotonic()
        for index in tqdm(range(tries), 'transitions', disable=not progress, leave=False):
            # leaks show in one and the same state
            last = index >= tries - 2
            name = {'inactive': 'cleanup', 'active': 'deactivate'}.get(state) if last else None
            number, label, target = (
                _draw(dice, state)
                if name is None
                else (TRANSITIONS[name], '', ALLOWED[state, name])
            )
            done = r.transition(number, label)
            accepted += done
            state = state if target is None else target
            wrong = done != (target is not None) or r.state() != state
            ledger.lost['transitions that did not do what was asked'] += wrong
            if unread := _look(r, state, ledger.lost):
                forbidden.append(unread)
            if state == 'unconfigured' and (index >= WARM_UP or last):
                ledger.weigh(node)
        took_s = time.monotonic() - started
        never = {(stamp.sec, stamp.nanosec) for stamp in forbidden}
        stamps = [message.header.stamp for message, _ in r.heard]
        ledger.lost['answers to images of another state'] = sum(
            (stamp.sec, stamp.nanosec) in never for stamp in stamps
        )
        ledger.lost['nodes that ended'] = int(not node.running)
        ledger.lost['unclean ends'] = int(node.stop() != 0)
    first, final = ledger.size[0], ledger.size[-1]
    ledger.lost['handles left open'] = max(final[1] - first[1], 0)
    ledger.lost['threads left over'] = max(final[2] - first[2], 0)
    return Count(
        'lifecycle transitions at random, one of four impossible', tries, ledger.lost, seed,
        notes={
            'accepted': accepted,
            'memory_growth_mb': round(final[0] - first[0], 2),
            'handles': final[1],
            'threads': final[2],
            'each_ms': round(took_s / tries * 1e3, 1),
        },
    )  # fmt: skip


def _draw(dice: random.Random, state: str) -> tuple[int, str, str | None]:
    """Return number and label of a transition, and the state that it leads to; None where to none."""
    if dice.random() < 0.25:
        if dice.random() < 0.5:
            return *dice.choice(IMPOSSIBLE), None
        wrong = [name for name in TRANSITIONS if (state, name) not in ALLOWED]
        return TRANSITIONS[dice.choice(wrong)], '', None
    name = dice.choice([name for (at, name) in ALLOWED if at == state])
    by_label = dice.random() < 0.2
    return (0 if by_label else TRANSITIONS[name]), name * by_label, ALLOWED[state, name]


def _look(r: Robot, state: str, lost: dict[str, int]) -> Time | None:
    """
    Check what a state promises; topics and services take a moment to be known to others.

    Returns:
        The stamp of an image that must never be answered; None in the state that answers them.

    """
    if state == 'unconfigured':
        gone = r.spin(10, lambda: not _published(r) and not r.images.get_subscription_count())
        lost['topics or services that a state must not have'] += not gone
    else:
        lost['publishers'] += not r.spin(10, lambda: _published(r) == 3)
    if state == 'inactive':
        gone = r.spin(10, lambda: not r.images.get_subscription_count())
        lost['topics or services that a state must not have'] += not gone
    if state == 'active':
        r.spin(10, r.images.get_subscription_count)
        found, _ = r.answer()
        lost['images'] += found is None or not found.faces
        return None
    unread = r.send()
    r.spin(0.002)
    return unread


def _published(r: Robot) -> int:
    return sum(r.node.count_publishers(f'emotion{name}') for name in ('', '/faces', '/image'))


def shut_down(seed: int | None = None, progress: bool = False) -> Count:
    """Shut the node down from each state; then nothing more is possible, and it still ends cleanly."""
    seed, dice = chance(seed)
    ways: dict[str, tuple[tuple[str, ...], int]] = {
        'unconfigured': ((), Transition.TRANSITION_UNCONFIGURED_SHUTDOWN),
        'inactive': (('configure',), Transition.TRANSITION_INACTIVE_SHUTDOWN),
        'active': (('configure', 'activate'), Transition.TRANSITION_ACTIVE_SHUTDOWN),
    }
    lost = {'shutdowns': 0, 'topics or services that a state must not have': 0, 'transitions after the end': 0, 'unclean ends': 0}  # fmt: skip
    tried = 0
    for steps, number in tqdm(ways.values(), 'shutdowns', disable=not progress, leave=False):
        with robot() as r:
            node = r.start_node()
            r.bring(*steps)
            lost['shutdowns'] += not r.transition(number) or r.state() != 'finalized'
            gone = r.spin(10, lambda r=r: not _published(r))
            lost['topics or services that a state must not have'] += not gone
            for other in dice.sample([*TRANSITIONS.values(), 5, 6, 7, 8, 97], 6):
                lost['transitions after the end'] += r.transition(other)
                tried += 1
            lost['transitions after the end'] += r.state() != 'finalized'
            lost['unclean ends'] += not node.running or node.stop() != 0
            tried += 1
    return Count('shutdown from each state, then any transition', tried, lost, seed)
