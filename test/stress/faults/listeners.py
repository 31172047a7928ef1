"""Two hundred subscribers, and some that never read: nobody is lost, and nobody holds up the others."""

import json
import signal
import time
from typing import Any

from std_msgs.msg import String
from tqdm import tqdm

from benchmarks.processes import Process
from stress.faults.audience import QOS
from stress.faults.counting import Count
from stress.faults.robot import PATIENCE_S, LostError, Robot, robot

AUDIENCE = 'stress.faults.audience'


class Ear:
    """Keeps what each member of the audience said last."""

    def __init__(self, r: Robot):
        """Begin to listen."""
        self.heard: dict[str, list[int]] = {}
        r.node.create_subscription(String, 'audience', self._note, QOS)

    def _note(self, message: Any) -> None:
        name, counts = json.loads(message.data)
        self.heard[name] = counts

    def counts(self) -> list[int]:
        """Return how many messages each subscriber has heard."""
        return [count for each in self.heard.values() for count in each]


def _answered(r: Robot, images: int, every_s: float, desc: str | None) -> tuple[int, float]:
    """Send images, each once the one before is answered; return unanswered ones and the longest wait in s."""
    lost, longest = 0, 0.0
    for _ in tqdm(range(images), desc, disable=desc is None, leave=False):
        before, started = len(r.heard), time.monotonic()
        r.send()
        came = r.spin(5, lambda before=before: len(r.heard) > before)
        lost += not came
        longest = max(longest, time.monotonic() - started)
        r.spin(every_s)
    return lost, longest


def many(subscribers: int, images: int, progress: bool = False) -> Count:
    """
    Let many subscribers in one process listen; each must hear each answer.

    Args:
        subscribers: of `emotion/faces`.
        images: that are sent and answered.
        progress: show a bar.

    """
    with robot() as r:
        ear = Ear(r)
        node = r.start_node(autostart='true')
        crowd = r.start(AUDIENCE, subscribers=subscribers)
        # one more is the Robot itself
        r.until(
            lambda: r.node.count_subscribers('emotion/faces') > subscribers, 'all subscribers', 60
        )
        _settle(r, ear, subscribers)
        base, heard = ear.counts(), len(r.heard)
        lost, longest = _answered(r, images, 0.05, 'images' if progress else None)
        published = len(r.heard) - heard

        def all_heard() -> bool:
            return all(
                now - then >= published for now, then in zip(ear.counts(), base, strict=True)
            )

        r.spin(PATIENCE_S, all_heard)
        missing = sum(published - (b - a) for a, b in zip(base, ear.counts(), strict=True))
        ended = sum(not each.running for each in (node, crowd))
    return Count(
        f'{subscribers} subscribers of emotion/faces', published * subscribers,
        {'messages': missing, 'images without an answer': lost, 'processes that ended': ended},
        notes={'images': published, 'longest_answer_s': round(longest, 3)},
    )  # fmt: skip


def _settle(r: Robot, ear: Ear, subscribers: int) -> None:
    """Send images until every subscriber has heard one; then let what is on its way arrive."""

    def met() -> bool:
        return len(ear.counts()) == subscribers and min(ear.counts()) > 0

    for _ in range(60):
        r.answer(1)
        if r.spin(0.5, met):
            break
    else:
        raise LostError('not every subscriber hears the node')
    r.spin(1.0)


def deaf(images: int, subscribers: int = 3, progress: bool = False) -> Count:
    """
    Let subscribers never read, and one be stopped in the middle; the others must hear all, at once.

    Args:
        images: that are sent and answered in each of three parts.
        subscribers: of `emotion/faces` in the process that never reads; it wants `emotion` and the
            annotated picture as well.
        progress: show a bar.

    """
    desc = 'images' if progress else None
    with robot() as r:
        node = r.start_node(autostart='true')
        r.answer()
        lost, alone_s = _answered(r, images, 0.02, desc)
        never = r.start(AUDIENCE, subscribers=subscribers, reads='false', pictures='true')
        r.until(lambda: never.said('listen'), 'the one that never reads')
        r.until(lambda: r.node.count_subscribers('emotion/image'), 'the one that never reads')
        memory = node.memory_mb()
        more, deaf_s = _answered(r, images, 0.02, desc)
        lost += more
        stopped = r.start(AUDIENCE, subscribers=subscribers, pictures='true')
        r.until(lambda: r.node.count_subscribers('emotion/image') > 1, 'the one that is stopped')
        r.spin(1)
        stopped.signal(signal.SIGSTOP)
        more, stopped_s = _answered(r, images, 0.02, desc)
        lost += more
        growth = node.memory_mb() - memory
        stopped.signal(signal.SIGCONT)
        ended = _ended(node, never, stopped)
    return Count(
        'subscribers that never read, one of them stopped', 3 * images,
        {'messages': lost, 'processes that ended': ended},
        notes={
            'longest_answer_alone_s': round(alone_s, 3),
            'with_one_that_never_reads_s': round(deaf_s, 3),
            'with_one_that_is_stopped_s': round(stopped_s, 3),
            'memory_growth_mb': round(growth, 1),
        },
    )  # fmt: skip


def _ended(*processes: Process) -> int:
    return sum(not each.running for each in processes)
