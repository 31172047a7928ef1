"""kill -9 of the camera, of the node and of a subscriber, each started anew as a supervisor would do."""

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tqdm import tqdm

from benchmarks.processes import CAMERA, NODE, Process
from emotion_perception.ros.conversions import seconds
from stress.faults.counting import Count
from stress.faults.robot import (
    PATIENCE_S,
    LostError,
    Robot,
    chance,
    orphaned_mb,
    robot,
)

SUBSCRIBER = 'emotion_perception.ros.behavior_node'
VICTIMS = {'camera': CAMERA, 'node': NODE, 'subscriber': SUBSCRIBER}
RATE_HZ = 20.0
_PARAMETERS: dict[str, dict[str, Any]] = {
    'camera': {'rate_hz': RATE_HZ, 'width': 320, 'height': 240},
    'node': {'autostart': 'true'},
    'subscriber': {},
}


@dataclass
class Kill:
    """One of them killed: who, how long until all was well again, and the longest silence meanwhile."""

    victim: str
    recovered_s: float
    silence_s: float


def kill(kills: int, seed: int | None = None, progress: bool = False) -> Count:
    """
    Kill one of the three at random, at a random moment, and start it anew at once.

    Args:
        kills: number of kills.
        seed: of chance; None draws one.
        progress: show a bar.

    """
    seed, dice = chance(seed)
    before_mb = orphaned_mb()
    done: list[Kill] = []
    with robot() as r:
        running = {name: r.start(module, **_PARAMETERS[name]) for name, module in VICTIMS.items()}
        r.until(lambda: any(m.faces for m, _ in r.heard), 'the first emotion')
        order = [name for _ in range(-(-kills // 3)) for name in dice.sample(list(VICTIMS), 3)]
        ended = 0
        for victim in tqdm(order[:kills], 'kills', disable=not progress, leave=False):
            r.spin(dice.uniform(0.05, 1.5))
            done.append(_kill(r, running, victim))
            ended += _raise_the_dead(r, running)
        unclean = sum(process.stop() != 0 for process in running.values())
        left_mb = orphaned_mb() - before_mb
    lost = {
        'recoveries': sum(one.recovered_s > PATIENCE_S for one in done),
        'survivors that ended': ended,
        'unclean ends': unclean,
    }
    times = {name: [one.recovered_s for one in done if one.victim == name] for name in VICTIMS}
    return Count(
        'kill -9 of camera, node or subscriber', kills, lost, seed,
        recovered_s=[one.recovered_s for one in done],
        notes={
            **{f'{name}_longest_s': round(max(each), 2) for name, each in times.items() if each},
            'longest_silence_while_a_subscriber_died_s': round(
                max((one.silence_s for one in done if one.victim == 'subscriber'), default=0.0), 2
            ),
            'shared_memory_without_owner_mb': round(left_mb, 2),
        },
    )  # fmt: skip


def _kill(r: Robot, running: dict[str, Process], victim: str) -> Kill:
    """Kill and replace one; recovered is when an image taken after the kill comes back as an emotion."""
    running[victim].kill()
    killed = r.node.get_clock().now().nanoseconds * 1e-9
    started, before = time.monotonic(), len(r.heard)
    new = running[victim] = r.start(VICTIMS[victim], **_PARAMETERS[victim])
    if victim == 'subscriber':
        # it says that it hears by itself: it greets the face after half a second
        recovered = r.spin(PATIENCE_S, lambda: new.said('shows happiness'))
        recovered_s = time.monotonic() - started if recovered else float('inf')
    else:
        recovered_s = r.wait_for_emotion(killed)
    stamps = [seconds(message.header.stamp) for message, _ in r.heard[before:]]
    gaps = [later - earlier for earlier, later in pairwise(stamps)]
    return Kill(victim, recovered_s, max(gaps, default=0.0))


def _raise_the_dead(r: Robot, running: dict[str, Process]) -> int:
    """Replace whoever ended though nobody killed it; return how many did."""
    dead = [name for name, process in running.items() if not process.running]
    for name in dead:
        running[name] = r.start(VICTIMS[name], **_PARAMETERS[name])
        if r.wait_for_emotion(r.node.get_clock().now().nanoseconds * 1e-9) > PATIENCE_S:
            raise LostError(f'no emotion after {name} ended and was started anew')
    return len(dead)
