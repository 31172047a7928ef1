# SPDX-License-Identifier: Apache-2.0
"""Many subscribers, and subscribers that never read."""

import random
import signal
import time
from typing import Any

from std_msgs.msg import UInt32MultiArray

from stress.faults.subscriber_process import QOS
from stress.faults.trial import TIMEOUT_S, Result, TrialPeer, trial_peer
from support.processes import MeasuredProcess

MODULE = 'stress.faults.subscriber_process'
SUBSCRIBERS = 200
_DISCOVERY_TIMEOUT_S = 60.0


def _start(peer: TrialPeer, **parameters: Any) -> MeasuredProcess:
    process = peer.group.start(MODULE, **parameters)
    peer.until(lambda: process.count('subscribed'), _DISCOVERY_TIMEOUT_S, 'the subscribers')
    return process


def many_subscribers(images: int, _: random.Random, subscribers: int = SUBSCRIBERS) -> Result:
    """Process images with many subscribers in one process; each must receive each message."""
    with trial_peer() as peer:
        counts: list[int] = []
        peer.node.create_subscription(
            UInt32MultiArray, 'received', lambda m: counts.__setitem__(slice(None), m.data), QOS
        )
        node = peer.start_node(autostart=True)
        process = _start(peer, subscribers=subscribers)

        def connected() -> bool:
            return len(counts) == subscribers and min(counts) > 0

        deadline = time.monotonic() + _DISCOVERY_TIMEOUT_S
        while not connected() and time.monotonic() < deadline:
            peer.process_portrait(1)
            peer.spin_until(connected, 0.5)
        peer.spin(1.0)
        before, published = list(counts), len(peer.arrays)
        lost, longest_s = peer.process_portraits(images, every_s=0.05)
        published = len(peer.arrays) - published

        def missing() -> int:
            pairs = zip(counts, before, strict=True)
            return sum(max(published - (now - then), 0) for now, then in pairs)

        peer.spin_until(lambda: not missing(), TIMEOUT_S)
        ended = (not node.running) + (not process.running)
        lost_of = {
            'messages': missing(),
            'images not processed': lost,
            'processes that ended': ended,
        }
    return Result(
        f'{subscribers} subscribers of emotion/faces',
        published * subscribers,
        lost_of,
        notes={'images': published, 'longest_wait_s': round(longest_s, 3)},
    )


def silent_subscribers(images: int, _: random.Random) -> Result:
    """Process images beside a subscriber that never reads and one that is stopped (SIGSTOP)."""
    with trial_peer() as peer:
        node = peer.start_node(autostart=True)
        peer.process_portrait()
        lost, alone_s = peer.process_portraits(images, every_s=0.02)
        silent = _start(peer, subscribers=3, reads=False, images=True)
        peer.until(lambda: peer.node.count_subscribers('emotion/image'), TIMEOUT_S)
        memory_mb = node.memory_mb
        more, silent_s = peer.process_portraits(images, every_s=0.02)
        lost += more
        stopped = _start(peer, subscribers=3, images=True)
        peer.until(lambda: peer.node.count_subscribers('emotion/image') > 1, TIMEOUT_S)
        peer.spin(1)
        stopped.signal(signal.SIGSTOP)
        more, stopped_s = peer.process_portraits(images, every_s=0.02)
        lost += more
        growth_mb = node.memory_mb - memory_mb
        stopped.signal(signal.SIGCONT)
        ended = sum(not process.running for process in (node, silent, stopped))
    return Result(
        'subscribers that never read, one of them stopped',
        3 * images,
        {'images not processed': lost, 'processes that ended': ended},
        notes={
            'longest_wait_alone_s': round(alone_s, 3),
            'with_one_that_never_reads_s': round(silent_s, 3),
            'with_one_stopped_s': round(stopped_s, 3),
            'memory_growth_mb': round(growth_mb, 1),
        },
    )
