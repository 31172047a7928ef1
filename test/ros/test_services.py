# SPDX-License-Identifier: Apache-2.0
"""The service ~/classify."""

from types import SimpleNamespace

import cv2

from emotion_msgs.srv import ClassifyFaces
from emotion_perception.ros.classify_service import ClassifyService


def test_classifies_one_image_without_tracking(node, peer, portrait_message):
    node.setup(steps=['configure'])
    for _ in range(2):
        response = peer.classify(portrait_message)
        assert (response.success, response.message) == (True, '')
        assert response.result.header.frame_id == 'eye'
        (face,) = response.result.faces
        assert (face.face_id, face.label) == (0, 'happiness')
        assert face.tracked_for.sec == face.tracked_for.nanosec == 0
    assert peer.arrays == []


def test_reports_why_an_image_cannot_be_read(node, peer, portrait_message):
    portrait_message.encoding = 'x264'
    response = peer.classify(portrait_message)
    assert not response.success
    assert 'unknown encoding' in response.message
    assert list(response.result.faces) == []


def test_reports_an_unexpected_error(peer, portrait_message):
    def fail(image):
        raise cv2.error('something that OpenCV cannot do')

    service = ClassifyService(peer.node, SimpleNamespace(process_untracked=fail))
    request = ClassifyFaces.Request(image=portrait_message)
    response = service.handle(request, ClassifyFaces.Response())
    service.destroy()
    assert not response.success
    assert 'something that OpenCV cannot do' in response.message
