# SPDX-License-Identifier: Apache-2.0
"""Processes that are killed and restarted, and a camera that hangs."""

import random
import signal
import time
from itertools import pairwise
from typing import Any

from emotion_perception.ros.conversions import seconds
from emotion_perception.ros.processes import BEHAVIOR_NODE, CAMERA_NODE, EMOTION_NODE
from stress.faults.trial import TIMEOUT_S, Result, TrialPeer, trial_peer
from support.processes import MeasuredProcess
from support.ros_peer import ERROR, OK

MODULES = {'camera': CAMERA_NODE, 'node': EMOTION_NODE, 'subscriber': BEHAVIOR_NODE}
_PARAMETERS: dict[str, dict[str, Any]] = {
    'camera': {'rate_hz': 20.0, 'width': 320, 'height': 240},
    'node': {'autostart': True},
    'subscriber': {},
}


def kill_processes(kills: int, dice: random.Random) -> Result:
    """Kill camera, node or subscriber at random moments and restart it, as a supervisor does."""
    recovered_s: dict[str, list[float]] = {name: [] for name in MODULES}
    lost = dict.fromkeys(('recoveries', 'other processes that ended', 'exit codes above 0'), 0)
    longest_gap_s = 0.0
    with trial_peer() as peer:
        running = {name: _start(peer, name) for name in MODULES}
        peer.until(lambda: any(m.faces for m in peer.arrays), TIMEOUT_S, 'the first emotion')
        order = [name for _ in range(-(-kills // 3)) for name in dice.sample(list(MODULES), 3)]
        for name in order[:kills]:
            peer.spin(dice.uniform(0.05, 1.5))
            before = len(peer.arrays)
            running[name].kill()
            running[name], elapsed_s = _restart(peer, name)
            recovered_s[name].append(elapsed_s)
            lost['recoveries'] += elapsed_s > TIMEOUT_S
            if name == 'subscriber':
                stamps_s = [seconds(array.header.stamp) for array in peer.arrays[before:]]
                gaps_s = [b - a for a, b in pairwise(stamps_s)]
                longest_gap_s = max([longest_gap_s, *gaps_s])
            for other in [name for name, process in running.items() if not process.running]:
                lost['other processes that ended'] += 1
                running[other], _ = _restart(peer, other)
        lost['exit codes above 0'] = sum(process.stop() != 0 for process in running.values())
    return Result(
        'kill -9 of camera, node or subscriber',
        kills,
        lost,
        recovered_s=[time for times in recovered_s.values() for time in times],
        notes={
            **{f'{name}_longest_s': round(max(t), 2) for name, t in recovered_s.items() if t},
            'longest_gap_while_a_subscriber_restarts_s': round(longest_gap_s, 2),
        },
    )


def _start(peer: TrialPeer, name: str) -> MeasuredProcess:
    return peer.group.start(MODULES[name], **_PARAMETERS[name])


def _restart(peer: TrialPeer, name: str) -> tuple[MeasuredProcess, float]:
    """Start a process; return it and the seconds until an image taken since is an emotion."""
    since_s, started_s = peer.now_s(), time.monotonic()
    process = _start(peer, name)
    if name == 'subscriber':
        # the behavior node logs the expression that it reacts to
        if not peer.spin_until(lambda: 'happiness' in process.output, TIMEOUT_S):
            return process, float('inf')
        return process, time.monotonic() - started_s
    return process, peer.seconds_until_emotion(since_s)


def hang_camera(times: int, dice: random.Random) -> Result:
    """Stop the camera (SIGSTOP) and continue it; diagnostics must show and count each stall."""
    lost = dict.fromkeys(('stalls missing in diagnostics', 'recoveries', 'nodes that ended'), 0)
    recovered_s, reported_s = [], []
    with trial_peer() as peer:
        node = peer.start_node(autostart=True, stalled_after_s=0.5)
        camera = peer.group.start(CAMERA_NODE, rate_hz=30.0, width=320, height=240)
        peer.until(lambda: any(m.faces for m in peer.arrays), TIMEOUT_S, 'the first emotion')
        # the wait for the camera counts as a stall on a slow machine
        stalls = int(peer.wait_for_status(OK, TIMEOUT_S).values['camera_stalls'])
        for number in range(stalls + 1, stalls + times + 1):
            peer.spin(dice.uniform(0.1, 1.0))
            camera.signal(signal.SIGSTOP)
            stopped_s = time.monotonic()
            shown = peer.has_status(level=ERROR, camera_stalls=number)
            lost['stalls missing in diagnostics'] += not shown
            reported_s.append(time.monotonic() - stopped_s)
            peer.spin(dice.uniform(0, 1.0))
            since_s = peer.now_s()
            camera.signal(signal.SIGCONT)
            recovered_s.append(peer.seconds_until_emotion(since_s))
            lost['recoveries'] += recovered_s[-1] > TIMEOUT_S or not peer.has_status(level=OK)
        lost['nodes that ended'] = int(not node.running)
    return Result(
        'camera hangs and continues',
        times,
        lost,
        recovered_s=recovered_s,
        notes={'longest_until_reported_s': round(max(reported_s), 2)},
    )
