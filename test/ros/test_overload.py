"""A camera of 60 Hz and a node that needs 100 ms an image: skipped are the old ones, nothing waits or grows."""

import os
import time

import numpy as np
import pytest

SECONDS = float(os.environ.get('EMOTION_OVERLOAD_S', '10'))
"""How long to overload the node; `EMOTION_OVERLOAD_S=60 pytest -s test/ros/test_overload.py` for a minute."""

RATE_HZ = 60.0
MAX_AGE_S = 0.25


class Overload:
    """What came of it."""

    def __init__(self, node, camera, peer):
        """Listen while the camera sends."""
        self.arrays, self.memory_mb = peer.arrays, []
        peer.until(lambda: self.arrays, what='the first answer')
        cpu_s, started = node.cpu_s, time.monotonic()
        for _ in range(round(SECONDS)):
            peer.spin(1)
            self.memory_mb.append(node.memory_mb)
        self.cpu = (node.cpu_s - cpu_s) / (time.monotonic() - started)
        camera.stop()
        peer.spin(0.5)
        self.values = peer.status('processing')[1]
        self.ages = np.array([array.age for array in self.arrays])

    def __str__(self):
        """Say it in a line."""
        last = self.arrays[-1]
        return (
            f'{last.images_received} received, {len(self.arrays)} processed, {last.images_skipped} skipped; '
            'age p50 {:.0f}, p99 {:.0f}, max {:.0f} ms'.format(
                *np.percentile(self.ages * 1e3, (50, 99, 100))
            )
            + f'; memory {self.memory_mb[0]:.1f} to {self.memory_mb[-1]:.1f} MB; {self.cpu:.0%} of a core'
        )


@pytest.fixture
def overload(start, peer):
    """Overload the node, again where other work kept it from the processor; three times at most."""
    for _ in range(3):
        peer.arrays.clear()
        node = start('slow_node', autostart='true')
        peer.wait_for_node()
        result = Overload(node, start('ros.camera_node', rate_hz=RATE_HZ), peer)
        node.stop()
        print(result)
        if result.ages.max() < MAX_AGE_S:
            return result
    if os.getloadavg()[0] > 2 * os.cpu_count():
        pytest.skip(f'other work keeps this machine busy: load {os.getloadavg()[0]:.1f}')
    return result


def test_the_newest_image_is_next_and_all_are_counted(overload):
    # about ten a second can be processed, the rest is passed over
    processed = len(overload.arrays)
    assert 5 * SECONDS < processed <= 10 * SECONDS + 10
    # ROS does not queue them either: nearly all that the camera sent reach the node
    last = overload.arrays[-1]
    assert last.images_received > 0.8 * RATE_HZ * SECONDS
    # age: at most one period of waiting, one processing, and what the machine adds
    assert overload.ages.max() < MAX_AGE_S
    assert not (np.diff([stamp(array) for array in overload.arrays]) <= 0).any()
    # each is processed, skipped, or the newest one that waits for its turn
    for index, array in enumerate(overload.arrays, 1):
        assert array.images_received - array.images_skipped - index in (0, 1)
    values = overload.values
    assert int(values['images processed']) == processed
    assert int(values['images skipped for a newer one']) > 3 * processed
    assert int(values['images received']) == processed + int(
        values['images skipped for a newer one']
    )
    # nothing is kept: the first second may still fill buffers
    assert max(overload.memory_mb[1:]) - overload.memory_mb[1] < 5


def stamp(array):
    """Return an image's stamp in seconds."""
    return array.header.stamp.sec + array.header.stamp.nanosec * 1e-9
