"""A stream that is not steady: other sizes, strange stamps, a clock that stands, a second camera."""

import math

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from emotion_perception.ros.conversions import bgr_to_image, seconds


@pytest.fixture
def node(start, peer):
    """Return a node that reads raw images."""
    node = start('ros.emotion_node', autostart='true')
    peer.wait_for_node()
    return node


@pytest.fixture
def answers(peer, portrait_message):
    """Send images with given stamps, in seconds, and return the answer to each."""

    def ask(*stamps_s, message=portrait_message):
        found = []
        for stamp_s in stamps_s:
            before = len(peer.arrays)
            message.header.stamp = Time(
                sec=int(stamp_s), nanosec=round((stamp_s - int(stamp_s)) * 1e9)
            )
            peer.send(message)
            peer.until(lambda count=before: len(peer.arrays) > count, what='an answer')
            found.append(peer.arrays[-1])
        return found

    return ask


def ids(arrays):
    """Return the id of the one face in each."""
    return [face.face_id for array in arrays for face in array.faces]


def test_another_size_is_another_view(node, peer, answers, portrait):
    """Where faces were says nothing in images of another size: they are followed anew, at the right place."""
    first = answers(100.0, 100.1)
    half = bgr_to_image(cv2.resize(portrait, (320, 240)), Header())
    second = answers(100.2, 100.3, message=half)
    assert ids(first + second) == [1, 1, 2, 2]
    assert (second[0].image_width, second[0].image_height) == (320, 240)
    (before,), (after,) = first[1].faces, second[1].faces
    assert after.label == before.label == 'happiness'
    assert after.box.x_offset == pytest.approx(before.box.x_offset / 2, abs=6)
    assert after.box.width == pytest.approx(before.box.width / 2, abs=6)
    values = peer.status('processing')[1]
    assert values['image'] == '320x240 bgr8'
    assert values['times size or encoding changed'] == '1'


def test_another_encoding_is_the_same_view(node, peer, answers, portrait):
    """The picture is the same however it is written: ids go on."""
    rgb = Image(encoding='rgb8', height=480, width=640, step=1920)
    rgb.data = cv2.cvtColor(portrait, cv2.COLOR_BGR2RGB).tobytes()
    found = answers(100.0) + answers(100.1, message=rgb)
    gray = Image(encoding='mono8', height=480, width=640, step=640)
    gray.data = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY).tobytes()
    found += answers(100.2, message=gray)
    assert ids(found) == [1, 1, 1]
    assert [array.faces[0].label for array in found] == ['happiness'] * 3
    assert peer.status('processing')[1]['times size or encoding changed'] == '2'


def test_stamps_that_jump_back_begin_anew(node, peer, answers):
    """A recording played again, or a clock that was set: faces are new, and it is counted and said."""
    found = answers(100.0, 100.1, 50.0, 50.1, 50.2, 20.0)
    assert ids(found) == [1, 1, 2, 2, 2, 3]
    assert [seconds(array.faces[0].tracked_for) for array in found] == pytest.approx(
        [0, 0.1, 0, 0.1, 0.2, 0], abs=1e-6
    )
    assert peer.status('processing')[1]['times stamps jumped back'] == '2'
    assert node.output.count('stamps of the images jumped back') == 1


def test_an_image_out_of_order_changes_nothing(node, peer, answers):
    """Images that overtook each other, or two cameras' whose clocks differ a little, are followed."""
    found = answers(100.0, 100.1, 100.05, 100.2, 99.9, 100.3)
    assert ids(found) == [1] * 6
    assert [seconds(array.faces[0].tracked_for) for array in found] == pytest.approx(
        [0, 0.1, 0.1, 0.2, 0.2, 0.3], abs=1e-6
    )
    assert peer.status('processing')[1]['times stamps jumped back'] == '0'


@pytest.mark.parametrize('stamp_s', [0.0, 50.0])
def test_stamps_that_stand_still(start, peer, answers, portrait, stamp_s):
    """Where stamps do not tell the time, that of arrival does: ids, smoothing and forgetting work."""
    start('ros.emotion_node', autostart='true', smoothing_s='0.1', max_gap_s='0.3')
    peer.wait_for_node()
    found = answers(stamp_s)
    for _ in range(4):
        peer.spin(0.12)
        found += answers(stamp_s)
    assert ids(found) == [1] * 5
    followed = [seconds(array.faces[0].tracked_for) for array in found]
    assert np.diff(followed).min() > 0.1
    if not stamp_s:
        assert all(math.isnan(array.age) for array in found)
    wall = bgr_to_image(np.full((480, 640, 3), 128, np.uint8), Header())
    assert ids(answers(stamp_s, message=wall)) == []
    peer.spin(0.4)
    assert ids(answers(stamp_s)) == [2]


def test_simulated_time_without_a_clock(start, peer, answers):
    """The node starts, answers, smooths and reports though its clock stands at zero."""
    node = start('ros.emotion_node', autostart='true', use_sim_time='true', stalled_after_s='0.5')
    peer.wait_for_node()
    found = answers(0.0)
    peer.spin(0.2)
    found += answers(0.0)
    assert ids(found) == [1, 1]
    assert seconds(found[1].faces[0].tracked_for) > 0.2
    status, values = peer.status('no image for')
    assert status.level == b'\x02'
    assert values['images processed'] == '2'
    assert peer.state() == 'active'
    assert 'no image on /image for' in node.output


def test_a_paused_clock(start, peer, answers):
    """Images that a paused simulation stamps alike are followed; when it goes on, so does the track."""
    start('ros.emotion_node', autostart='true', use_sim_time='true')
    clock = peer.node.create_publisher(Clock, '/clock', 1)
    peer.wait_for_node()
    peer.until(clock.get_subscription_count, what='the node to hear the clock')
    found = []
    for second in (10, 10, 11):
        clock.publish(Clock(clock=Time(sec=second)))
        peer.spin(0.2)
        found += answers(float(second))
    assert ids(found[:2]) == [1, 1]
    assert seconds(found[1].faces[0].tracked_for) > 0.2
    assert [array.age for array in found] == [0, 0, 0]
    assert peer.status('processing')[1]['images processed'] == '3'


def test_detection_in_every_fifth_image(start, peer, answers, portrait):
    """The first face is seen at once, followed between two detections, and gone at once when it goes."""
    start('ros.emotion_node', autostart='true', detect_every=5)
    peer.wait_for_node()
    wall = bgr_to_image(np.full((480, 640, 3), 128, np.uint8), Header())
    stamps = iter(100 + np.arange(20) / 30)
    found = answers(next(stamps), message=wall)
    found += answers(*(next(stamps) for _ in range(6)))
    assert [len(array.faces) for array in found] == [0, 1, 1, 1, 1, 1, 1]
    shifted = bgr_to_image(np.roll(portrait, 12, axis=1), Header())
    (face,) = answers(next(stamps), message=shifted)[0].faces
    assert face.face_id == 1
    assert face.box.x_offset == pytest.approx(found[-1].faces[0].box.x_offset + 12, abs=5)
    assert ids(answers(next(stamps), message=wall)) == []
    # at once, now that it is changed
    assert peer.set_parameter('detect_every', 1) == (True, '')
    assert ids(answers(next(stamps))) == [1]


def test_two_publishers_are_said(node, peer, answers):
    """Images of two cameras on one topic cannot be told apart; the node says so and goes on."""
    answers(100.0)
    assert peer.status('processing')[1]['publishers of the image topic'] == '1'
    other = peer.node.create_publisher(Image, 'image', qos_profile_sensor_data)
    status, values = peer.status('2 publishers on /image')
    assert status.level == b'\x01'
    assert values['publishers of the image topic'] == '2'
    peer.spin(2.2)
    assert node.output.count('2 publishers on /image') == 1
    assert ids(answers(100.1)) == [1]
    peer.node.destroy_publisher(other)
    assert peer.status('processing')[0].level == b'\x00'


def test_two_cameras_on_one_topic(node, peer, answers, portrait):
    """Interleaved views of two cameras: each face keeps its id while the images have one size."""
    other = bgr_to_image(np.roll(portrait, -180, axis=1), Header())
    found = []
    for step in range(6):
        found.append(answers(100.0 + step / 30))
        found.append(answers(100.01 + step / 30, message=other))
    assert [ids(array) for array in found] == [[1], [2]] * 6
