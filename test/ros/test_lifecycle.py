"""Each transition of the node, driven from another process."""

import shutil
import subprocess
import sys

import pytest

from emotion_perception.classification import DEFAULT_MODEL


def test_goes_through_every_state(start, peer, portrait_message):
    node = start('ros.emotion_node')
    assert peer.state() == 'unconfigured'
    assert peer.transition('configure')
    assert peer.state() == 'inactive'
    assert peer.transition('activate')
    assert peer.state() == 'active'
    peer.wait_for_node()
    assert len(peer.answer_to(portrait_message).faces) == 1
    assert peer.transition('deactivate')
    assert peer.state() == 'inactive'
    assert peer.transition('cleanup')
    assert peer.state() == 'unconfigured'
    assert not peer.transition('activate')
    assert node.running


def test_works_again_after_a_second_round(start, peer, portrait_message):
    start('ros.emotion_node', autostart='true')
    for _ in range(2):
        peer.wait_for_node()
        assert peer.answer_to(portrait_message).faces[0].face_id >= 1
        for step in ('deactivate', 'cleanup', 'configure', 'activate'):
            assert peer.transition(step), step


def test_reads_no_image_while_inactive(start, peer, portrait_message):
    start('ros.emotion_node', autostart='true')
    peer.wait_for_node()
    assert peer.transition('deactivate')
    peer.until(lambda: not peer._images.get_subscription_count(), what='the subscription to go')
    received = peer.status('no images are read')[1]['images received']
    peer.send(portrait_message)
    peer.spin(0.5)
    assert not peer.arrays
    assert peer.status('no images are read')[1]['images received'] == received


def test_brings_itself_up_with_autostart(start, peer):
    start('ros.emotion_node', autostart='true')
    peer.wait_for_node()
    assert peer.state() == 'active'


def test_stays_up_without_its_model_and_recovers(start, peer, tmp_path, portrait_message):
    missing = tmp_path / 'missing.tflite'
    node = start('ros.emotion_node', autostart='true', model=missing)
    status, _ = peer.status('cannot be configured')
    assert status.level == b'\x02'
    assert str(missing) in status.message
    assert peer.state() == 'unconfigured'
    assert not peer.transition('configure')
    assert peer.set_parameter('model', '') == (True, '')
    assert peer.transition('configure')
    assert peer.transition('activate')
    peer.wait_for_node()
    assert peer.answer_to(portrait_message).faces[0].label == 'happiness'
    assert node.output.count('there is no model file') == 2


def test_refuses_a_corrupt_model_and_stays_up(start, peer, tmp_path):
    for suffix in ('.tflite', '.json'):
        shutil.copy(DEFAULT_MODEL.with_suffix(suffix), tmp_path)
    model = tmp_path / DEFAULT_MODEL.name
    damaged = bytearray(model.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    model.write_bytes(damaged)
    start('ros.emotion_node', autostart='true', model=model)
    assert 'sha256' in peer.status('cannot be configured')[0].message
    assert peer.state() == 'unconfigured'


def test_refuses_a_detector_that_cannot_be_made(start, peer):
    start('ros.emotion_node', autostart='true', detector='yunet')
    message = peer.status('cannot be configured')[0].message
    assert 'face_detection_yunet_2023mar.onnx' in message
    assert peer.state() == 'unconfigured'


def test_cleanup_frees_the_model_at_once():
    """Not when the garbage collector comes: ten rounds without it would cost ten models' memory."""
    code = (
        'import gc, rclpy, weakref\n'
        'from emotion_perception.ros.emotion_node import EmotionNode\n'
        'rclpy.init()\n'
        'node = EmotionNode()\n'
        'gc.disable()\n'
        'seen = []\n'
        'for _ in range(3):\n'
        '    node.trigger_configure()\n'
        '    seen.append(weakref.ref(node._pipeline))\n'
        '    node.trigger_activate()\n'
        '    node.trigger_deactivate()\n'
        '    node.trigger_cleanup()\n'
        'print(sum(pipeline() is not None for pipeline in seen))\n'
        'node.destroy_node()\n'
        'rclpy.shutdown()\n'
    )
    command = [sys.executable, '-c', code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines()[-1:] == ['0'], done.stdout + done.stderr


@pytest.mark.parametrize(
    ('broken', 'steps'),
    [
        ('Pipeline.default', ['configure']),
        ('EmotionPublishers', ['configure']),
        ('ClassifyService', ['configure']),
        ('FrameServer', ['configure', 'activate']),
        ('FrameWorker', ['configure', 'activate']),
    ],
)
def test_a_transition_that_breaks_is_told_and_can_be_tried_again(broken, steps):
    """Whatever raises what nobody expects: the node says so, is unconfigured and can be configured."""
    code = (
        'import rclpy, unittest.mock\n'
        'from emotion_perception.ros.emotion_node import EmotionNode\n'
        'rclpy.init()\n'
        'node = EmotionNode()\n'
        'trigger = lambda step: getattr(node, "trigger_" + step)().name\n'
        f'with unittest.mock.patch("emotion_perception.ros.emotion_node.{broken}", side_effect=OSError("bad luck")):\n'
        f'    print(*(trigger(step) for step in {steps}))\n'
        'print(node._state_machine.current_state[1], node._look()[0].trouble)\n'
        'print(trigger("configure"), trigger("activate"), node._look()[0].trouble)\n'
        'node.destroy_node()\n'
        'rclpy.shutdown()\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=30)
    assert done.stdout.splitlines() == [
        ' '.join([*['SUCCESS'] * (len(steps) - 1), 'ERROR']),
        'unconfigured a transition failed: OSError: bad luck',
        'SUCCESS SUCCESS ',
    ], done.stdout + done.stderr
    assert 'bad luck' in done.stderr
