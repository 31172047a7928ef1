"""Each transition of the node, driven from another process."""

import shutil

from emotion_perception.classification import DEFAULT_MODEL


def test_goes_through_every_state(start, peer, portrait_message):
    node = start('node')
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
    start('node', autostart='true')
    for _ in range(2):
        peer.wait_for_node()
        assert peer.answer_to(portrait_message).faces[0].face_id >= 1
        for step in ('deactivate', 'cleanup', 'configure', 'activate'):
            assert peer.transition(step), step


def test_reads_no_image_while_inactive(start, peer, portrait_message):
    start('node', autostart='true')
    peer.wait_for_node()
    assert peer.transition('deactivate')
    peer.until(lambda: not peer._images.get_subscription_count(), what='the subscription to go')
    received = peer.status('no images are read')[1]['images received']
    peer.send(portrait_message)
    peer.spin(0.5)
    assert not peer.arrays
    assert peer.status('no images are read')[1]['images received'] == received


def test_brings_itself_up_with_autostart(start, peer):
    start('node', autostart='true')
    peer.wait_for_node()
    assert peer.state() == 'active'


def test_stays_up_without_its_model_and_recovers(start, peer, tmp_path, portrait_message):
    missing = tmp_path / 'missing.tflite'
    node = start('node', autostart='true', model=missing)
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
    start('node', autostart='true', model=model)
    assert 'sha256' in peer.status('cannot be configured')[0].message
    assert peer.state() == 'unconfigured'


def test_refuses_a_detector_that_cannot_be_made(start, peer):
    start('node', autostart='true', detector='yunet')
    message = peer.status('cannot be configured')[0].message
    assert 'face_detection_yunet_2023mar.onnx' in message
    assert peer.state() == 'unconfigured'
