# SPDX-License-Identifier: Apache-2.0
"""Images in, messages out: their content, and images that cannot be processed."""

import math
from itertools import pairwise

import numpy as np
import pytest
from std_msgs.msg import Header

from emotion_msgs.msg import Emotion, EmotionArray
from emotion_perception.ros import publishers
from emotion_perception.ros.conversions import bgr_to_image, seconds
from emotion_perception.ros.processed_image import ProcessedImage
from emotion_perception.ros.publishers import EmotionPublishers
from support.ros_peer import ERROR, OK, WARN

WALL = np.full((480, 640, 3), 128, np.uint8)


def test_one_face_in_full(node, peer, portrait_message):
    array = peer.process(portrait_message)
    assert array.header == portrait_message.header
    assert (array.image_width, array.image_height) == (640, 480)
    assert 0 < array.processing_time <= array.age
    (face,) = array.faces
    assert face.header == portrait_message.header
    assert face.face_id == 1
    assert face.label == Emotion.LABEL_HAPPINESS
    assert face.confidence == pytest.approx(face.smoothed_probabilities[Emotion.HAPPINESS])
    assert face.confidence > 0.8
    assert face.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert face.probabilities.argmax() == Emotion.HAPPINESS
    assert face.detection_score > 0.8
    # measured by hand in the portrait of 640x640
    assert face.box.x_offset == pytest.approx(213, abs=20)
    assert face.box.y_offset == pytest.approx(80, abs=25)
    assert face.box.width == pytest.approx(130, abs=25)
    # she smiles into the camera
    assert (face.head_yaw, face.head_pitch, face.head_roll) == pytest.approx((0, 0, 0), abs=0.12)
    assert (face.eyes_open, face.mouth_open) == pytest.approx((1, 0.23), abs=0.1)
    assert face.looking_at_camera == 1
    assert face.head_pose_age.sec == face.head_pose_age.nanosec == 0
    peer.until(lambda: peer.emotions, what='an Emotion')
    # as text, because its unknown position is NaN
    assert str(list(array.faces)) == str(peer.emotions)


def test_the_age_of_the_head_pose(node, peer, portrait_message):
    """A reading is repeated, with its age, until the next one."""
    faces = [peer.process(portrait_message).faces[0] for _ in range(40)]
    ages_s = [seconds(face.head_pose_age) for face in faces]
    for (before, after), (age_s, later_s) in zip(pairwise(faces), pairwise(ages_s), strict=True):
        assert later_s == 0 or later_s > age_s
        assert later_s == 0 or before.head_yaw == after.head_yaw
    assert ages_s[0] == 0 < max(ages_s) < 1.0


def test_without_head_poses_they_are_nan(node, peer, portrait_message):
    node.setup(head_pose=False)
    (face,) = peer.process(portrait_message).faces
    values = (
        face.head_yaw, face.head_pitch, face.head_roll, face.eyes_open, face.mouth_open,
        face.looking_at_camera,
    )  # fmt: skip
    assert all(map(math.isnan, values))
    assert seconds(face.head_pose_age) == 0
    assert face.label == 'happiness'


def test_one_array_for_each_image_with_or_without_faces(node, peer, portrait_message):
    wall = bgr_to_image(WALL, Header())
    pixel = bgr_to_image(np.zeros((1, 1, 3), np.uint8), Header())
    images = (wall, portrait_message, pixel, portrait_message)
    arrays = [peer.process(message) for message in images]
    assert [len(array.faces) for array in arrays] == [0, 1, 0, 1]
    assert (arrays[2].image_height, arrays[2].image_width) == (1, 1)
    peer.spin(0.2)
    assert len(peer.arrays) == 4
    assert [array.images_received for array in arrays] == [1, 2, 3, 4]
    assert [array.images_skipped for array in arrays] == [0] * 4


def test_compressed_images(node, peer, portrait, jpeg):
    node.setup(image_transport='compressed')
    array = peer.process(jpeg(portrait))
    assert array.header.frame_id == 'eye'
    assert array.faces[0].label == 'happiness'
    cut = jpeg(portrait)
    cut.data = cut.data[: len(cut.data) // 2]
    peer.send(cut)
    status = peer.wait_for_status(WARN, images_failed_image_cut_short=1)
    assert status.values['images_failed'] == '1'
    # many cameras leave out the last two bytes
    endless = jpeg(portrait)
    endless.data = endless.data[:-2]
    assert peer.process(endless).faces[0].label == 'happiness'
    peer.wait_for_status(OK, images_failed=1, images_repaired_jpeg_end_missing=1)


FAULTS = {
    'unknown_encoding': {'encoding': 'x264'},
    'step_too_small': {'step': 640},
    'data_missing': {'data': b'\0' * 1000},
    'empty_image': {'height': 0, 'width': 0},
    'image_too_large': {'width': 2**31, 'height': 2**31},
}


def test_failed_images_are_counted_and_logged_once(node, peer, portrait, portrait_message):
    for fields in FAULTS.values():
        message = bgr_to_image(portrait, Header())
        for name, value in fields.items():
            setattr(message, name, value)
        for _ in range(3):
            peer.send(message)
            peer.spin(0.05)
    counts = {f'images_failed_{kind}': 3 for kind in FAULTS}
    peer.wait_for_status(WARN, images_failed=15, images_processed=0, **counts)
    assert peer.process(portrait_message).faces[0].label == 'happiness'
    assert len(peer.arrays) == 1
    assert node.count('an image could not be processed') == len(FAULTS)
    peer.wait_for_status(OK, images_failed=15, images_processed=1)


def test_a_camera_that_never_sends(node, peer):
    assert peer.set_parameter('stalled_after_s', 0.5) == (True, '')
    peer.wait_for_status(ERROR, camera_stalls=1, images_received=0)
    peer.wait_for_status(ERROR, camera_stalls=1)
    assert node.count('no image on /image for') == 1
    assert peer.state() == 'active'


def test_nothing_is_drawn_without_a_subscriber(node, peer, portrait, monkeypatch):
    """Drawing begins with the first subscriber of emotion/image and ends with the last."""
    node.setup(annotated_image='none')
    drawn = []
    monkeypatch.setattr(
        publishers, 'annotate', lambda image, *_: drawn.append(image) or image.copy()
    )
    emotion_publishers = EmotionPublishers(peer.node)
    emotion_publishers.annotated_limit.rate_hz = 1e9
    nobody = ProcessedImage(EmotionArray(), [], set(), portrait)

    def draws():
        before = len(drawn)
        emotion_publishers.publish_annotated(nobody)
        return len(drawn) > before

    try:
        assert not draws()
        with peer.annotated_image():
            peer.until(draws, what='the first image')
            peer.until(lambda: peer.annotated, what='an image')
        peer.until(lambda: not draws(), what='the end of drawing')
    finally:
        emotion_publishers.destroy()


def test_rate_of_the_annotated_image(node, peer, portrait):
    """`emotion/image` comes at the rate of its parameter, which is live, whatever the camera's."""
    node.setup(annotated_image_rate=2.0)
    message = bgr_to_image(portrait, Header())
    with peer.annotated_image():
        for _ in range(5):
            peer.process(message)
        peer.until(lambda: peer.annotated, what='the first image')
        assert len(peer.annotated) < len(peer.arrays) == 5
        assert peer.set_parameter('annotated_image_rate', 1) == (
            False,
            'annotated_image_rate is out of range: it must be in 2..120, not 1',
        )
        assert peer.set_parameter('annotated_image_rate', 120) == (True, '')
        shown = len(peer.annotated)
        peer.until(
            lambda: peer.process(message) and len(peer.annotated) > shown + 20,
            what='20 images, which take 10 s at the rate before',
        )
