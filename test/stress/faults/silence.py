"""A camera that hangs and comes back, as a stopped driver or a pulled plug would have it."""

import signal
import time

from tqdm import tqdm

from benchmarks.processes import CAMERA
from stress.faults.counting import Count
from stress.faults.robot import PATIENCE_S, chance, robot

STALLED_AFTER_S = 0.5


def hang(times: int, seed: int | None = None, progress: bool = False) -> Count:
    """
    Stop the camera's process for a while at random moments, and let it go on.

    Each time diagnostics must say that the camera is silent, count it, and say that all is well again.

    Args:
        times: that the camera hangs.
        seed: of chance; None draws one.
        progress: show a bar.

    """
    seed, dice = chance(seed)
    lost = {'stalls that diagnostics did not tell': 0, 'returns': 0, 'nodes that ended': 0}  # fmt: skip
    recovered, told = [], []
    with robot() as r:
        node = r.start_node(autostart='true', stalled_after_s=STALLED_AFTER_S)
        camera = r.start(CAMERA, rate_hz=30.0, width=320, height=240)
        r.until(lambda: any(m.faces for m, _ in r.heard), 'the first emotion')
        # the time until the camera came counts as one where the machine is slow
        well = r.diagnosis(_processing) or {}
        stalls = int(well.get('camera_stalls', -1))
        for number in tqdm(
            range(stalls + 1, stalls + times + 1), 'silences', disable=not progress, leave=False
        ):
            r.spin(dice.uniform(0.1, 1.0))
            camera.signal(signal.SIGSTOP)
            started = time.monotonic()
            said = r.diagnosis(lambda d: d['level'] == '2', PATIENCE_S)
            told.append(time.monotonic() - started)
            lost['stalls that diagnostics did not tell'] += (
                said is None or int(said['camera_stalls']) != number
            )
            r.spin(dice.uniform(0, 1.0))
            back = r.node.get_clock().now().nanoseconds * 1e-9
            camera.signal(signal.SIGCONT)
            recovered.append(r.wait_for_emotion(back))
            lost['returns'] += recovered[-1] > PATIENCE_S or r.diagnosis(_processing) is None
        lost['nodes that ended'] += not node.running
    return Count(
        'camera hangs and comes back', times, lost, seed, recovered_s=recovered,
        notes={'longest_until_told_s': round(max(told), 2)},
    )  # fmt: skip


def _processing(said: dict[str, str]) -> bool:
    return (said['level'], said.get('state')) == ('0', 'active')
