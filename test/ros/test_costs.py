"""What nobody uses costs nothing: no drawing without a listener, no images and no work while inactive."""

import time

import pytest
from sensor_msgs.msg import Image

from emotion_msgs.msg import EmotionArray
from emotion_perception.ros import publishers
from emotion_perception.ros.publishers import EmotionPublishers

MEASURED_S = 4
MAX_IDLE_SHARE = 0.02


def test_nothing_is_drawn_while_nobody_listens(peer, portrait, monkeypatch):
    """Drawing begins with the first subscriber of emotion/image and ends with the last."""
    drawn = []
    monkeypatch.setattr(
        publishers, 'annotate', lambda image, faces: drawn.append(image) or image.copy()
    )
    outputs = EmotionPublishers(peer.node)
    listener = None
    try:
        for _ in range(5):
            outputs.publish_annotated(portrait, [], EmotionArray())
        assert drawn == []
        listener = peer.node.create_subscription(Image, 'emotion/image', peer.annotated.append, 1)
        peer.until(outputs._annotated.get_subscription_count, what='the listener')
        outputs.publish_annotated(portrait, [], EmotionArray())
        assert len(drawn) == 1
        peer.until(lambda: peer.annotated, what='the picture')
        peer.node.destroy_subscription(listener)
        peer.until(lambda: not outputs._annotated.get_subscription_count(), what='it to go')
        outputs.publish_annotated(portrait, [], EmotionArray())
        assert len(drawn) == 1
    finally:
        outputs.destroy()


@pytest.mark.parametrize('state', ['unconfigured', 'inactive', 'deactivated'])
def test_an_idle_node_reads_no_images_and_uses_next_to_no_time(start, peer, state):
    """With a camera running, in each state but active: no subscription, at most 2 % of a core."""
    node = start('ros.emotion_node')
    start('ros.camera_node')
    steps = {'inactive': ['configure'], 'deactivated': ['configure', 'activate', 'deactivate']}
    for step in steps.get(state, []):
        assert peer.transition(step)
        if step == 'activate':
            peer.until(lambda: len(peer.arrays) > 10, what='images to be processed')
    peer.until(lambda: peer.node.count_publishers('image') == 2, what='the camera')
    peer.until(lambda: not peer.node.count_subscribers('image'), what='the subscription to go')
    peer.spin(1)
    cpu_s, started = node.cpu_s, time.monotonic()
    peer.spin(MEASURED_S)
    share = (node.cpu_s - cpu_s) / (time.monotonic() - started)
    print(f'{state}: {share:.1%} of a core')
    assert share <= MAX_IDLE_SHARE
    assert not peer.node.count_subscribers('image')
    assert peer.state() == ('inactive' if state == 'deactivated' else state)
