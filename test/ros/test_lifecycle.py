# SPDX-License-Identifier: Apache-2.0
"""Each transition of the node, also those that fail."""

import gc
import weakref

from rclpy.lifecycle import TransitionCallbackReturn

from emotion_perception.pipeline import Pipeline
from emotion_perception.ros import emotion_node
from support.in_process import in_process_node
from support.packaged_model import copy_packaged_model
from support.ros_peer import ERROR, OK

SUCCESS = TransitionCallbackReturn.SUCCESS


def test_goes_through_every_state_twice(node, peer, portrait_message):
    node.setup(steps=())
    assert peer.state() == 'unconfigured'
    assert not peer.transition('activate')
    for _ in range(2):
        for step, state in (('configure', 'inactive'), ('activate', 'active')):
            assert peer.transition(step)
            assert peer.state() == state
        peer.wait_for_node()
        assert peer.process(portrait_message).faces[0].face_id == 1
        for step, state in (('deactivate', 'inactive'), ('cleanup', 'unconfigured')):
            assert peer.transition(step)
            assert peer.state() == state


def test_reads_no_image_unless_it_is_active(node, peer, portrait_message):
    """There is no subscription to images, before activation and after it."""
    node.setup(steps=())
    publisher = peer.publisher()
    for step in (None, 'configure', 'activate', 'deactivate', 'cleanup'):
        if step:
            assert peer.transition(step)
        if step == 'activate':
            peer.wait_for_node()
            peer.process(portrait_message)
            continue
        peer.until(lambda: not publisher.get_subscription_count(), what='no subscription')
        assert peer.node.count_subscribers('image') == 0
        peer.send(portrait_message)
    peer.wait_for_status(OK, state='unconfigured', images_received=1)
    assert len(peer.arrays) == 1


def corrupt_model(folder):
    """Return a model with one byte changed."""
    model = copy_packaged_model(folder / 'model.tflite')
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 0xFF
    model.write_bytes(data)
    return model


def test_stays_up_where_it_cannot_be_configured_and_recovers(
    node, peer, tmp_path, portrait_message
):
    missing = str(tmp_path / 'missing.tflite')
    for parameters, texts in (
        ({'model': missing}, ['there is no model file', missing]),
        ({'model': str(corrupt_model(tmp_path))}, ['sha256']),
        ({'detector': 'yunet'}, ['face_detection_yunet_2023mar.onnx']),
        ({'hri_msgs': True, 'tracking': False}, ['REP-155 wants an id for each face']),
    ):
        node.setup(steps=(), **parameters)
        assert not peer.transition('configure')
        assert peer.state() == 'unconfigured'
        message = peer.wait_for_status(
            ERROR, where=lambda s, text=texts[-1]: text in s.message
        ).message
        assert message.startswith('cannot be configured: ')
        assert all(text in message for text in texts)
        assert peer.until(lambda text=texts[0]: node.count(text), what='the log') == 1
    assert node.count('Traceback') == 0
    node.setup()
    assert peer.process(portrait_message).faces[0].label == 'happiness'


def test_cleanup_frees_the_model_at_once(monkeypatch):
    """Not at the next garbage collection: until then the memory of many models would be in use."""
    pipelines = []
    make = Pipeline.default

    def make_and_remember(**options):
        pipeline = make(**options)
        pipelines.append(weakref.ref(pipeline))
        return pipeline

    monkeypatch.setattr(emotion_node.Pipeline, 'default', make_and_remember)
    with in_process_node() as node:
        gc.disable()
        try:
            for _ in range(3):
                for step in ('configure', 'activate', 'deactivate', 'cleanup'):
                    assert getattr(node, f'trigger_{step}')() == SUCCESS
            assert [pipeline() for pipeline in pipelines] == [None] * 3
        finally:
            gc.enable()


def test_an_exception_in_a_transition_leaves_the_node_unconfigured(peer, monkeypatch):
    """Diagnostics report it, and the node can be configured again."""

    def fail(*args):
        raise OSError('bad luck')

    def trigger(*steps):
        return [getattr(node, f'trigger_{step}')() for step in steps]

    with in_process_node() as node:
        peer.add_node(node)
        for broken, steps in (
            ('FaceBlurrer', ['configure']),
            ('EmotionPublishers', ['configure']),
            ('ClassifyService', ['configure']),
            ('FrameProcessor', ['configure', 'activate']),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(emotion_node, broken, fail)
                *first, last = trigger(*steps)
            assert first == [SUCCESS] * len(first)
            assert last == TransitionCallbackReturn.ERROR, broken
            states = trigger('configure', 'activate', 'deactivate', 'cleanup')
            assert states == [SUCCESS] * 4, broken
        with monkeypatch.context() as patch:
            patch.setattr(emotion_node, 'FaceBlurrer', fail)
            trigger('configure')
        # both participants are new: on a busy machine they meet late
        status = peer.wait_for_status(ERROR, 30, state='unconfigured')
        assert status.message == 'a transition failed: OSError: bad luck'
        peer.remove_node(node)


def test_without_litert_opencv_runs_the_networks(start, peer, portrait_message):
    node = start('emotion_node', autostart=True, environment={'EMOTION_RUNTIME': 'opencv'})
    peer.wait_for_node()
    assert peer.process(portrait_message).faces[0].label == 'happiness'
    peer.wait_for_status(runtime='OpenCV')
    slower = 'OpenCV runs the networks, which is slower'
    assert peer.until(lambda: node.count(slower), what='the line of the log') == 1
