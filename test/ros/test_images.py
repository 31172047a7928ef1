"""Images in, messages out: what is right in them, and what bad images do."""

import math

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from emotion_msgs.msg import Emotion
from emotion_perception.ros.conversions import bgr_to_image, image_to_bgr


@pytest.fixture
def node(start, peer):
    """Return a node that reads raw images."""
    node = start('ros.emotion_node', autostart='true')
    peer.wait_for_node()
    return node


def jpeg(image, frame_id='eye'):
    """Return a picture as a compressed message."""
    data = cv2.imencode('.jpg', image)[1].tobytes()
    return CompressedImage(header=Header(frame_id=frame_id), format='jpeg', data=data)


def test_one_face_in_full(node, peer, portrait_message):
    answer = peer.answer_to(portrait_message)
    assert answer.header == portrait_message.header
    assert (answer.image_width, answer.image_height) == (640, 480)
    assert 0 < answer.processing_time < 1
    assert answer.processing_time <= answer.age < 1
    (face,) = answer.faces
    assert face.header == portrait_message.header
    assert face.face_id == 1
    assert face.label == Emotion.LABEL_HAPPINESS
    assert face.confidence == pytest.approx(face.smoothed_probabilities[Emotion.HAPPINESS])
    assert face.confidence > 0.8
    assert face.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert face.probabilities.argmax() == Emotion.HAPPINESS
    assert face.detection_score > 0.8
    # the face of the portrait, measured by hand in the picture of 640x640
    assert face.box.x_offset == pytest.approx(213, abs=20)
    assert face.box.y_offset == pytest.approx(80, abs=25)
    assert face.box.width == pytest.approx(130, abs=25)


def test_emotion_and_faces_say_the_same(node, peer, portrait_message):
    answer = peer.answer_to(portrait_message)
    peer.until(lambda: peer.emotions, what='an Emotion')
    assert list(answer.faces) == peer.emotions


def test_one_array_for_each_image_and_empty_ones_too(node, peer, portrait_message):
    wall = bgr_to_image(np.full((480, 640, 3), 128, np.uint8), Header())
    sizes = [len(peer.answer_to(message).faces) for message in (wall, portrait_message, wall)]
    assert sizes == [0, 1, 0]
    peer.spin(0.3)
    assert len(peer.arrays) == 3
    assert [array.images_received for array in peer.arrays] == [1, 2, 3]
    assert [array.images_skipped for array in peer.arrays] == [0, 0, 0]


def test_an_id_lasts_while_the_face_is_seen(node, peer, portrait):
    ids, ages = [], []
    for shift in range(0, 60, 6):
        moved = np.roll(portrait, shift, axis=1)
        face = peer.answer_to(bgr_to_image(moved, Header())).faces[0]
        ids.append(face.face_id)
        ages.append(face.tracked_for.sec + face.tracked_for.nanosec * 1e-9)
    assert ids == [1] * 10
    assert ages[0] == 0
    assert ages == sorted(ages)


def test_age_is_not_given_for_a_stamp_that_says_nothing(node, peer, portrait_message):
    portrait_message.header.stamp = Time()
    peer.send(portrait_message)
    peer.until(lambda: peer.arrays, what='an answer')
    assert math.isnan(peer.arrays[0].age)
    assert len(peer.arrays[0].faces) == 1


@pytest.mark.parametrize('encoding', ['rgb8', 'rgba8', 'mono8', 'yuv422_yuy2'])
def test_other_encodings(node, peer, portrait, encoding):
    code = {'rgb8': cv2.COLOR_BGR2RGB, 'rgba8': cv2.COLOR_BGR2RGBA, 'mono8': cv2.COLOR_BGR2GRAY}
    if encoding in code:
        data = cv2.cvtColor(portrait, code[encoding])
    else:
        yuv = cv2.cvtColor(portrait, cv2.COLOR_BGR2YUV)
        data = yuv[..., :2].copy()
        data[:, 1::2, 1] = yuv[:, 1::2, 2]
    message = Image(encoding=encoding, height=480, width=640, step=data.nbytes // 480)
    message.data = data.tobytes()
    assert peer.answer_to(message).faces[0].label == 'happiness'


def test_cv_bridge_instead_of_our_own_conversion(start, peer, portrait):
    start('ros.emotion_node', autostart='true', image_conversion='cv_bridge')
    peer.wait_for_node()
    message = Image(encoding='rgb8', height=480, width=640, step=1920)
    message.data = cv2.cvtColor(portrait, cv2.COLOR_BGR2RGB).tobytes()
    assert peer.answer_to(message).faces[0].label == 'happiness'
    message.encoding = 'x264'
    peer.send(message)
    _, values = peer.status('could not be used')
    assert values['could not be used: cv_bridge cannot read it'] == '1'


def test_compressed_images(start, peer, portrait):
    start('ros.emotion_node', autostart='true', image_transport='compressed')
    peer.wait_for_node()
    message = jpeg(portrait)
    answer = peer.answer_to(message)
    assert answer.header.frame_id == 'eye'
    assert answer.faces[0].label == 'happiness'
    message.data = message.data[: len(message.data) // 2]
    peer.send(message)
    status, values = peer.status('cut short')
    assert status.level == b'\x01'
    assert values['could not be used: image cut short'] == '1'
    assert peer.answer_to(jpeg(portrait)).faces[0].label == 'happiness'


def bad(kind, portrait):
    """Return an image that cannot be used."""
    message = bgr_to_image(portrait, Header())
    if kind == 'unknown encoding':
        message.encoding = 'x264'
    elif kind == 'step too small':
        message.step = 640
    elif kind == 'data missing':
        message.data = message.data[:1000]
    elif kind == 'empty image':
        message = Image(encoding='bgr8')
    elif kind == 'image too large':
        message.width, message.height = 2**31, 2**31
    return message


@pytest.mark.parametrize(
    'kind',
    ['unknown encoding', 'step too small', 'data missing', 'empty image', 'image too large'],
)
def test_bad_images_are_counted_and_said_once(node, peer, portrait, portrait_message, kind):
    for _ in range(3):
        peer.send(bad(kind, portrait))
        peer.spin(0.15)
    status, values = peer.status('could not be used')
    assert status.level == b'\x01'
    assert values[f'could not be used: {kind}'] == '3'
    assert values['images that could not be used'] == '3'
    assert peer.answer_to(portrait_message).faces[0].label == 'happiness'
    assert len(peer.arrays) == 1
    assert node.output.count('an image could not be used') == 1


def test_an_image_of_one_pixel_is_served(node, peer, portrait_message):
    answer = peer.answer_to(bgr_to_image(np.zeros((1, 1, 3), np.uint8), Header()))
    assert (answer.image_height, answer.image_width) == (1, 1)
    assert list(answer.faces) == []
    assert peer.answer_to(portrait_message).faces[0].label == 'happiness'


def test_an_image_of_48_megapixels_is_served(start, peer, portrait):
    start('ros.emotion_node', autostart='true', image_transport='compressed')
    peer.wait_for_node()
    large = np.zeros((6000, 8000, 3), np.uint8)
    large[2000:4000, 3000:5000] = cv2.resize(portrait[:, 100:580], (2000, 2000))
    answer = peer.answer_to(jpeg(large), timeout_s=20)
    assert (answer.image_height, answer.image_width) == (6000, 8000)
    assert [face.label for face in answer.faces] == ['happiness']
    assert peer.answer_to(jpeg(portrait)).faces[0].label == 'happiness'


def test_a_camera_that_never_sends(start, peer):
    node = start('ros.emotion_node', autostart='true', stalled_after_s='0.5')
    peer.wait_for_node()
    status, values = peer.status('no image for')
    assert status.level == b'\x02'
    assert values['times the camera stalled'] == '1'
    assert values['images received'] == '0'
    peer.spin(2.5)
    assert node.output.count('no image on /image for') == 1
    assert peer.state() == 'active'


def test_the_annotated_image_is_drawn_for_a_listener(node, peer, portrait, portrait_message):
    peer.answer_to(portrait_message)
    peer.node.create_subscription(Image, 'emotion/image', peer.annotated.append, 1)
    peer.until(lambda: peer.node.count_publishers('emotion/image'), what='the publisher')
    peer.spin(0.5)
    answer = peer.answer_to(portrait_message)
    picture = image_to_bgr(peer.until(lambda: peer.annotated, what='a picture')[-1])
    assert peer.annotated[-1].header == answer.header
    assert picture.shape == portrait.shape
    box = answer.faces[0].box
    changed = (picture != portrait).any(axis=-1)
    assert changed[box.y_offset, box.x_offset : box.x_offset + box.width].mean() > 0.9
    assert not changed[:, :100].any()
