"""Many participants in one domain: each finds the node and hears it, also after the node was started anew."""

import time

from stress.faults.counting import Count
from stress.faults.listeners import AUDIENCE, Ear
from stress.faults.robot import Robot, robot

PATIENCE_S = 60.0
"""Longer than elsewhere: each participant makes itself known to each other one."""


def join(participants: int, images: int, progress: bool = False) -> Count:
    """
    Let so many join beside a node at work, then start the node anew among them.

    Args:
        participants: of the domain, all in one process, each with a subscriber of `emotion/faces`.
        images: sent and answered after each of both.
        progress: not used; there is nothing to count up.

    """
    lost = {'participants that did not hear': 0, 'images without an answer': 0, 'processes that ended': 0}  # fmt: skip
    times = []
    with robot() as r:
        ear = Ear(r)
        node = r.start_node(autostart='true')
        r.answer()
        crowd = r.start(AUDIENCE, participants=participants)
        r.until(lambda: crowd.said('listen'), 'the crowd', PATIENCE_S)
        for anew in (False, True):
            if anew:
                lost['processes that ended'] += node.stop() != 0
                node = r.start_node(autostart='true')
            deaf, took_s = _all_hear(r, ear, participants)
            lost['participants that did not hear'] += deaf
            times.append(took_s)
            lost['images without an answer'] += sum(r.answer(5)[0] is None for _ in range(images))
        lost['processes that ended'] += (not node.running) + (not crowd.running)
        memory = node.memory_mb()
    return Count(
        f'{participants} participants in one domain; the node starts anew among them', 2 * participants, lost,
        recovered_s=times,
        notes={'node_mb': round(memory, 1)},
    )  # fmt: skip


def _all_hear(r: Robot, ear: Ear, participants: int) -> tuple[int, float]:
    """Send images until all and the sender itself heard an answer; return who did not, and the seconds it took."""
    started, base, answer = time.monotonic(), dict(ear.heard), None

    def met() -> int:
        return sum(counts[0] > base.get(name, [0])[0] for name, counts in list(ear.heard.items()))

    while time.monotonic() - started < PATIENCE_S:
        answer = answer or r.answer(0.5)[0]
        if r.spin(0.1, lambda: met() == participants) and answer:
            break
        r.send()
    return participants - met() + (answer is None), time.monotonic() - started
