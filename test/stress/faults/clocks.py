"""Clocks that jump: the stamps of the images, and a simulated time that the node goes by."""

import random
import time

from builtin_interfaces.msg import Time
from rosgraph_msgs.msg import Clock
from tqdm import tqdm

from emotion_perception.ros.conversions import seconds
from emotion_perception.ros.stamps import MAX_DISORDER_S
from stress.faults.counting import Count
from stress.faults.robot import Robot, chance, robot

EXTREMES = (
    Time(sec=0, nanosec=0), Time(sec=0, nanosec=1), Time(sec=-1), Time(sec=-(2**31)), Time(sec=2**31 - 1, nanosec=999_999_999),
    Time(sec=2**31 - 1, nanosec=2**32 - 1), Time(sec=1, nanosec=2**32 - 1),
)  # fmt: skip
"""Stamps that a message can carry though no clock should show them."""

_JUMPS_S = (1e-9, 0.001, 0.033, 0.4, 0.6, 1.0, 60.0, 3600.0, 86400.0, 3e7)


def _next(dice: random.Random, before: Time) -> Time:
    """Return a stamp that follows: a frame later, somewhere else, or an extreme."""
    luck = dice.random()
    if luck < 0.1:
        return dice.choice(EXTREMES)
    step_s = 1 / 30 if luck < 0.6 else dice.choice((-1, 1)) * dice.choice(_JUMPS_S)
    total = before.sec * 10**9 + before.nanosec + round(step_s * 1e9)
    whole = min(max(total // 10**9, -(2**31)), 2**31 - 1)
    return Time(sec=whole, nanosec=total % 10**9)


def stamps(images: int, seed: int | None = None, progress: bool = False) -> Count:
    """
    Send images whose stamps jump; each must be answered, with its stamp and its face.

    Args:
        images: number of images.
        seed: of chance; None draws one.
        progress: show a bar.

    """
    seed, dice = chance(seed)
    lost = {'images without an answer': 0, 'answers with another stamp': 0, 'faces': 0, 'faces whose time runs back': 0, 'jumps that were not counted': 0, 'nodes that ended': 0}  # fmt: skip
    stamp, newest, jumps, ids = Time(sec=1000), -float('inf'), 0, set()
    waits = []
    with robot() as r:
        node = r.start_node(autostart='true')
        r.answer()
        first = r.heard[-1][0]
        newest, ids = seconds(first.header.stamp), {face.face_id for face in first.faces}
        for _ in tqdm(range(images), 'stamps', disable=not progress, leave=False):
            stamp = _next(dice, stamp)
            back = seconds(stamp) - newest < -MAX_DISORDER_S
            jumps += back
            newest = seconds(stamp) if back else max(newest, seconds(stamp))
            before, sent = len(r.heard), time.monotonic()
            r.send(stamp)
            if not r.spin(5, lambda before=before: len(r.heard) > before):
                lost['images without an answer'] += 1
                continue
            waits.append(time.monotonic() - sent)
            answer = r.heard[-1][0]
            lost['answers with another stamp'] += answer.header.stamp != stamp
            lost['faces'] += [face.label for face in answer.faces] != ['happiness']
            for face in answer.faces:
                lost['faces whose time runs back'] += not 0 <= seconds(face.tracked_for) < 1e6
                lost['faces whose time runs back'] += back and face.face_id in ids
                ids.add(face.face_id)
        said = r.diagnosis(lambda d: 'stamp_jumps_back' in d) or {}
        counted = int(said.get('stamp_jumps_back', 0))
        lost['jumps that were not counted'] += abs(counted - jumps)
        lost['nodes that ended'] += not node.running
    return Count(
        'stamps that jump back and forth', images, lost, seed,
        notes={'jumps_back': jumps, 'ids': len(ids), 'longest_answer_s': round(max(waits, default=0), 3)},
    )  # fmt: skip


def simulated(jumps: int, seed: int | None = None, progress: bool = False) -> Count:
    """
    Let the simulated time that the node goes by jump, while images come with the same time.

    Args:
        jumps: of `/clock`; some images are sent after each.
        seed: of chance; None draws one.
        progress: show a bar.

    """
    seed, dice = chance(seed)
    lost = {'images without an answer': 0, 'diagnostics for more than three seconds': 0, 'transitions': 0, 'nodes that ended': 0}  # fmt: skip
    now = Time(sec=1000)
    with robot() as r:
        node = r.start_node(autostart='true', use_sim_time='true')
        clock = r.node.create_publisher(Clock, '/clock', 10)
        r.until(clock.get_subscription_count, 'the node to hear the clock')
        r.until(lambda: r.images.get_subscription_count(), 'the node to subscribe')
        r.answer()
        for _ in tqdm(range(jumps), 'clock', disable=not progress, leave=False):
            now = _next(dice, now)
            if now.sec < 0 or now.nanosec >= 10**9:
                now = Time(sec=dice.randint(0, 10**6))
            clock.publish(Clock(clock=now))
            lost['images without an answer'] += not _answered(r, now)
            if dice.random() < 0.1:
                steps = ('deactivate', 'activate')
                lost['transitions'] += not r.bring(*steps)
                r.until(lambda: r.images.get_subscription_count(), 'the node to subscribe')
            if dice.random() < 0.1:
                silent = r.diagnosis(lambda d: True, 3.0) is None
                lost['diagnostics for more than three seconds'] += silent
        lost['nodes that ended'] += not node.running
    return Count('jumps of a simulated clock', jumps, lost, seed)


def _answered(r: Robot, stamp: Time) -> bool:
    """Send images with this stamp until one is answered; two may be missed while the node subscribes anew."""
    before = len(r.heard)
    for _ in range(3):
        r.send(stamp)
        if r.spin(2, lambda: len(r.heard) > before):
            return r.heard[-1][0].header.stamp == stamp
    return False
