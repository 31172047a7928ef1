# SPDX-License-Identifier: Apache-2.0
"""A camera of 60 Hz and a node that takes 100 ms per image: old images are dropped, none waits."""

import numpy as np

from emotion_perception.ros.conversions import seconds
from support.ros_peer import ERROR

FRAMES = 150


def test_the_newest_image_is_next_and_all_are_counted(start, peer):
    start('support.slow_node', autostart=True, stalled_after_s=1.0)
    peer.wait_for_node()
    peer.stop_publishing()
    start('camera_node', rate_hz=60.0, frames=FRAMES, width=320, height=240)
    peer.until(lambda: peer.arrays, what='the first faces')
    # all frames are sent
    values = peer.wait_for_status(ERROR, timeout_s=20).values
    received, processed, dropped = (
        int(values[f'images_{key}']) for key in ('received', 'processed', 'dropped')
    )
    assert 0.8 * FRAMES < received <= FRAMES
    assert processed == len(peer.arrays)
    assert processed + dropped == received
    assert dropped > 2 * processed
    assert (np.diff([seconds(array.header.stamp) for array in peer.arrays]) > 0).all()
    # each image is processed, dropped, or the newest one that waits
    for count, array in enumerate(peer.arrays, 1):
        assert array.images_received - array.images_skipped - count in (0, 1)
