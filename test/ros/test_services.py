"""The service ~/classify."""

import pytest


@pytest.fixture
def node(start, peer):
    """Return a node that is configured and not active."""
    node = start('ros.emotion_node')
    assert peer.transition('configure')
    return node


def test_classifies_one_image_without_tracking(node, peer, portrait_message):
    for _ in range(2):
        response = peer.classify(portrait_message)
        assert response.success
        assert response.message == ''
        assert response.result.header.frame_id == 'eye'
        (face,) = response.result.faces
        assert face.face_id == 0
        assert face.label == 'happiness'
        assert face.tracked_for.sec == face.tracked_for.nanosec == 0
    assert peer.arrays == []


def test_says_why_an_image_cannot_be_read(node, peer, portrait_message):
    portrait_message.encoding = 'x264'
    response = peer.classify(portrait_message)
    assert not response.success
    assert 'unknown encoding' in response.message
    assert list(response.result.faces) == []


def test_does_not_disturb_the_track(start, peer, portrait_message):
    start('ros.emotion_node', autostart='true')
    peer.wait_for_node()
    assert peer.answer_to(portrait_message).faces[0].face_id == 1
    assert peer.classify(portrait_message).success
    assert peer.answer_to(portrait_message).faces[0].face_id == 1
