# SPDX-License-Identifier: Apache-2.0
"""Image stamps that jump back and forth."""

import random

from builtin_interfaces.msg import Time

from emotion_msgs.msg import EmotionArray
from emotion_perception.ros.conversions import seconds
from emotion_perception.ros.stamps import MAX_DISORDER_S
from stress.faults.trial import TIMEOUT_S, Result, trial_peer

EXTREMES = (
    Time(sec=0, nanosec=0),
    Time(sec=0, nanosec=1),
    Time(sec=-1),
    Time(sec=-(2**31)),
    Time(sec=2**31 - 1, nanosec=999_999_999),
    Time(sec=2**31 - 1, nanosec=2**32 - 1),
    Time(sec=1, nanosec=2**32 - 1),
)
"""Stamps that a message can hold though no clock should show them."""

_JUMPS_S = (1e-9, 0.001, 0.033, 0.4, 0.6, 1.0, 60.0, 3600.0, 86400.0, 3e7)


def _next_stamp(dice: random.Random, before: Time) -> Time:
    """Return a stamp one frame later, after a jump, or an extreme one."""
    luck = dice.random()
    if luck < 0.1:
        return dice.choice(EXTREMES)
    step_s = 1 / 30 if luck < 0.6 else dice.choice((-1, 1)) * dice.choice(_JUMPS_S)
    total_ns = before.sec * 10**9 + before.nanosec + round(step_s * 1e9)
    whole = min(max(total_ns // 10**9, -(2**31)), 2**31 - 1)
    return Time(sec=whole, nanosec=total_ns % 10**9)


def jump_stamps(images: int, dice: random.Random) -> Result:
    """Send images whose stamps jump; each must be processed, with its own stamp and its face."""
    lost = dict.fromkeys(
        (
            'images not processed', 'faces', 'negative durations',
            'face ids kept over a jump back', 'jumps not counted', 'nodes that ended',
        ),
        0,
    )  # fmt: skip
    stamp, jumps = Time(sec=1000), 0
    with trial_peer() as peer:
        node = peer.start_node(autostart=True)
        peer.until(peer.process_portrait, TIMEOUT_S, 'the first result')
        # several images may be in flight
        peer.spin(1.0)
        newest_s = max(seconds(array.header.stamp) for array in peer.arrays)
        ids = {face.face_id for array in peer.arrays for face in array.faces}
        for _ in range(images):
            stamp = _next_stamp(dice, stamp)
            back = seconds(stamp) - newest_s < -MAX_DISORDER_S
            jumps += back
            newest_s = seconds(stamp) if back else max(newest_s, seconds(stamp))
            before = len(peer.arrays)
            peer.send_portrait(stamp)

            def result(stamp: Time = stamp, before: int = before) -> EmotionArray | None:
                return next((a for a in peer.arrays[before:] if a.header.stamp == stamp), None)

            if (array := peer.spin_until(result, 5)) is None:
                lost['images not processed'] += 1
                continue
            lost['faces'] += [face.label for face in array.faces] != ['happiness']
            for face in array.faces:
                lost['negative durations'] += not 0 <= seconds(face.tracked_for) < 1e6
                lost['face ids kept over a jump back'] += back and face.face_id in ids
                ids.add(face.face_id)
        lost['jumps not counted'] = int(not peer.has_status(stamp_jumps_back=jumps))
        lost['nodes that ended'] = int(not node.running)
    notes = {'jumps_back': jumps, 'face_ids': len(ids)}
    return Result('stamps that jump back and forth', images, lost, notes=notes)
