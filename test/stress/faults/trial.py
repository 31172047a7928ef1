# SPDX-License-Identifier: Apache-2.0
"""What every trial needs: a node in a process of its own, a peer beside it, and a result."""

import math
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from builtin_interfaces.msg import Time
from tabulate import tabulate

from emotion_msgs.msg import EmotionArray
from emotion_perception.ros.conversions import seconds, time_message
from emotion_perception.ros.processes import EMOTION_NODE, free_domain
from support.processes import MeasuredProcess, ProcessGroup
from support.ros_peer import RosPeer, portrait_message

TIMEOUT_S = 20.0
"""What does not happen within this time counts as lost; it takes a fraction of it."""
DOMAINS = range(101, 201)
_UNITS = {'_ms': ' ms', '_s': ' s', '_mb': ' MB'}


@dataclass(frozen=True)
class Result:
    """
    What was tried and what was lost.

    Attributes:
        what: was tried, in words.
        tried: how often.
        lost: what must not happen -> how often it did.
        seed: of the random choices; None where there are none.
        recovered_s: seconds from each fault until the node worked again.
        notes: further figures, with units in their names.

    """

    what: str
    tried: int
    lost: dict[str, int]
    seed: int | None = None
    recovered_s: list[float] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing was lost."""
        return not any(self.lost.values())

    def to_record(self) -> dict[str, Any]:
        """Return it for the record, with the number, median and maximum of the recoveries."""
        record = asdict(self)
        if times := sorted(record.pop('recovered_s')):
            record['recoveries'] = len(times)
            record['median_s'] = round(times[len(times) // 2], 3)
            record['longest_s'] = round(times[-1], 3)
        return record


def _note(name: str, value: Any) -> str:
    """Return a note in words: `longest_gap_s` and 0.1 as `longest gap 0.1 s`."""
    for suffix, unit in _UNITS.items():
        if name.endswith(suffix):
            return f'{name.removesuffix(suffix).replace("_", " ")} {value}{unit}'
    return f'{name.replace("_", " ")} {value}'


def trials_table(trials: dict[str, dict[str, Any]]) -> str:
    """Return the records of trials as a Markdown table."""
    rows = [
        (
            trial['what'],
            trial['tried'],
            ', '.join(f'{n} {what}' for what, n in trial['lost'].items() if n) or 'nothing',
            f'{trial["longest_s"]:.2f} s' if 'longest_s' in trial else '',
            '; '.join(_note(name, value) for name, value in trial['notes'].items()),
        )
        for trial in trials.values()
    ]  # fmt: skip
    headers = ('what was tried', 'how often', 'lost', 'longest recovery', 'notes')
    return tabulate(rows, headers, 'github', disable_numparse=True)


def seeds_sentence(trials: dict[str, dict[str, Any]]) -> str:
    """Return the seed that repeats the run, as a sentence."""
    seeds = sorted({trial['seed'] for trial in trials.values() if trial['seed'] is not None})
    return f'Seed {", ".join(map(str, seeds))}.'


class TrialPeer(RosPeer):
    """
    A `RosPeer` in a ROS domain of its own that also starts processes there.

    Attributes:
        group: the processes.

    """

    def __init__(self) -> None:
        """Join a free domain."""
        os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        domain = free_domain(DOMAINS)
        super().__init__(domain)
        self.group = ProcessGroup(domain)
        self._portrait = portrait_message(320, 240)

    def start_node(self, **parameters: Any) -> MeasuredProcess:
        """Start the emotion node."""
        return self.group.start(EMOTION_NODE, **parameters)

    def send_portrait(self, stamp: Time | None = None) -> Time:
        """Publish an image with one happy face, stamped now or with `stamp`; return the stamp."""
        stamp = stamp or time_message(self.node.get_clock().now().nanoseconds)
        self._portrait.header.stamp = stamp
        self.send(self._portrait)
        return stamp

    def process_portrait(
        self, timeout_s: float = TIMEOUT_S, every_s: float = 0.1
    ) -> EmotionArray | None:
        """Publish images until one of them was processed; return its result, None without one."""
        deadline, first_s, before = time.monotonic() + timeout_s, self.now_s(), len(self.arrays)

        def result() -> EmotionArray | None:
            new = (m for m in self.arrays[before:] if seconds(m.header.stamp) >= first_s - 1e-6)
            return next(new, None)

        while time.monotonic() < deadline:
            self.send_portrait()
            if array := self.spin_until(result, every_s):
                return array
        return None

    def process_portraits(self, images: int, every_s: float = 0.0) -> tuple[int, float]:
        """Publish images one by one; return how many were lost and the longest wait in s."""
        lost, longest_s = 0, 0.0
        for _ in range(images):
            before, started_s = len(self.arrays), time.monotonic()
            self.send_portrait()
            lost += not self.spin_until(lambda before=before: len(self.arrays) > before, 5)
            longest_s = max(longest_s, time.monotonic() - started_s)
            self.spin(every_s)
        return lost, longest_s

    def seconds_until_emotion(self, since_s: float) -> float:
        """Wait for an emotion of an image stamped after `since_s`; inf if none comes."""
        started_s, before = time.monotonic(), len(self.arrays)

        def found() -> bool:
            new = self.arrays[before:]
            return any(m.faces and seconds(m.header.stamp) >= since_s for m in new)

        return time.monotonic() - started_s if self.spin_until(found, TIMEOUT_S) else math.inf

    def has_status(self, **conditions: Any) -> bool:
        """Return whether diagnostics show these values in time (see `wait_for_status`)."""
        try:
            self.wait_for_status(timeout_s=TIMEOUT_S, **conditions)
        except TimeoutError:
            return False
        return True


@contextmanager
def trial_peer() -> Iterator[TrialPeer]:
    """Give a `TrialPeer`; stop its processes and leave the domain at the end."""
    peer = TrialPeer()
    try:
        yield peer
    finally:
        peer.group.stop()
        peer.close()


Trial = Callable[[int, random.Random], Result]
"""Takes how often to try and the source of random choices."""
