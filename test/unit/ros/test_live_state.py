# SPDX-License-Identifier: Apache-2.0
"""What the live page shows: values, their bounds, and the picture without faces."""

import json
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from emotion_msgs.msg import PersonEvent
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import bgr_to_image, from_emotion, to_emotion_array
from emotion_perception.ros.live.picture import PictureMaker
from emotion_perception.ros.live.state import HISTORY_S, LABELS, MAX_PEOPLE, LiveState
from emotion_perception.types import FROM_DEPTH, Box, FaceEmotion, HeadPose, Position
from emotion_perception.visualization import annotate
from support.sharpness import detail


class _Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


def face(face_id, label='happiness', confidence=0.9, side=50, pose=None):
    probabilities = np.full(7, 1 / 7, np.float32)
    return FaceEmotion(
        face_id, Box(5, 5, side, side), 0.9, probabilities, probabilities, label, confidence, 2.5,
        head_pose=pose, head_pose_age_s=0.0,
    )  # fmt: skip


def array_of(*faces, age=0.012):
    array = to_emotion_array(faces, Header(), (480, 640))
    array.age, array.processing_time, array.images_received = age, 0.004, 7
    return array


@pytest.fixture
def clock():
    return _Clock()


@pytest.fixture
def state(clock):
    return LiveState('/robot/emotion_perception', clock)


def test_the_values_of_a_person(state, clock):
    state.on_faces(array_of(face(3, pose=HeadPose(0.0, 0.0, 0.0, math.nan, 0.4))))
    state.on_diagnostics(b'\x01', 'a camera', {'state': 'active'})
    shown = state.snapshot()
    (person,) = shown['people']
    expected = {
        'id': 3, 'label': 'happiness', 'confidence': 0.9, 'attention': 1.0, 'distance_m': None,
        'eyes_open': None, 'mouth_open': 0.4, 'tracked_for_s': 2.5, 'unseen_s': 0.0,
    }  # fmt: skip
    assert {key: person[key] for key in expected} == expected
    assert person['probabilities'] == [0.143] * 7
    assert (shown['latency']['age_ms'], shown['latency']['processing_ms']) == (12.0, 4.0)
    assert shown['diagnostics'] == {
        'level': 'warning', 'message': 'a camera', 'values': {'state': 'active'},
    }  # fmt: skip
    assert (shown['running'], shown['node']) == (True, '/robot/emotion_perception')


def test_nan_and_strange_labels_stay_json(state):
    state.on_faces(array_of(face(1, label='boredom', confidence=math.nan), age=math.nan))
    shown = state.snapshot()
    json.dumps([shown, state.history()], allow_nan=False)
    assert (shown['people'][0]['label'], shown['latency']['age_ms']) == ('uncertain', None)


def test_a_person_who_is_missed_stays_a_moment_and_a_silent_node_is_named(state, clock):
    state.on_faces(array_of(face(1), face(2)))
    clock.now_s += 0.6
    state.on_faces(array_of(face(2)))
    assert [(p['id'], p['unseen_s']) for p in state.snapshot()['people']] == [(1, 0.6), (2, 0.0)]
    clock.now_s += 0.6
    assert [p['id'] for p in state.snapshot()['people']] == [2]
    clock.now_s += 5
    shown = state.snapshot()
    assert (shown['people'], shown['running'], shown['latency']) == ([], False, {})


def test_the_last_minute(state, clock):
    for second in range(100):
        clock.now_s += 1
        state.on_faces(array_of(face(1, label='neutral' if second < 80 else 'anger')))
        state.on_faces(array_of(face(1)))  # sooner than a sample
    samples = state.history()[1]
    assert samples[0][0] == pytest.approx(HISTORY_S)
    assert [LABELS[label] for _, label, _ in samples].count('anger') == 20
    assert len(samples) == HISTORY_S + 1
    clock.now_s += HISTORY_S + 1
    state.snapshot()
    assert state.history() == {}


def test_a_crowd_and_many_visitors_are_bounded(state, clock):
    state.on_faces(array_of(*(face(n, side=n) for n in range(1, 101))))
    assert [p['id'] for p in state.snapshot()['people']] == list(range(89, 101))
    assert state.snapshot()['latency']['faces'] == 100
    for visitor in range(1000):
        clock.now_s += 0.01
        state.on_faces(array_of(face(1000 + visitor)))
        state.on_event(PersonEvent(face_id=visitor, kind='appeared'))
    assert len(state.snapshot()['people']) == MAX_PEOPLE
    assert len(state.history()) <= 4 * MAX_PEOPLE
    events = state.snapshot()['events']
    assert [event['number'] for event in events] == list(range(981, 1001))
    assert len(json.dumps(state.snapshot())) < 10_000


def test_without_tracking_faces_are_numbered(state):
    state.on_faces(array_of(face(0), face(0)))
    assert [p['id'] for p in state.snapshot()['people']] == [-2, -1]
    assert state.history() == {}


# the picture


def messages(image, faces, second=1):
    header = Header(stamp=Time(sec=second))
    drawn = bgr_to_image(annotate(image, faces), header)
    return to_emotion_array(faces, header, image.shape), drawn


def decoded(maker):
    number, jpeg = maker.picture
    assert number
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def inner_detail(image, box):
    return detail(image, box, top=30, border=8)


@pytest.fixture(scope='module')
def portrait_faces(portrait):
    return Pipeline.default().process(portrait)


@pytest.mark.parametrize('faces_first', [True, False])
def test_faces_are_blurred_in_either_order(portrait, portrait_faces, faces_first):
    maker = PictureMaker('blurred')
    array, image = messages(portrait, portrait_faces)
    steps = [lambda: maker.add_faces(array), lambda: maker.add_image(image)]
    for step in steps if faces_first else steps[::-1]:
        assert maker.picture == (0, b'')
        step()
    (shown,) = portrait_faces
    assert inner_detail(decoded(maker), shown.box) < 0.05 * inner_detail(portrait, shown.box)


def test_a_face_that_the_node_does_not_report_is_blurred_too(portrait, portrait_faces):
    maker = PictureMaker('blurred')
    array, image = messages(portrait, [])
    maker.add_faces(array)
    maker.add_image(image)
    (missed,) = portrait_faces
    assert inner_detail(decoded(maker), missed.box) < 0.05 * inner_detail(portrait, missed.box)


def test_an_image_without_faces_of_its_stamp_is_not_shown(portrait, clock):
    maker = PictureMaker('blurred', clock)
    maker.add_faces(messages(portrait, [], second=1)[0])
    for second in (2, 3, 4, 5):
        maker.add_image(messages(portrait, [], second)[1])
        clock.now_s += 1
    assert maker.picture == (0, b'')
    assert 'cannot be blurred' in maker.problem


def test_full_is_as_it_came_small_and_seldom(portrait, clock):
    maker = PictureMaker('full', clock)
    large = cv2.resize(portrait, (1920, 1080))
    numbers = []
    for _ in range(30):
        maker.add_image(messages(large, [])[1])
        numbers.append(maker.picture[0])
        clock.now_s += 1 / 30
    assert 10 <= numbers[-1] <= 12
    assert decoded(maker).shape == (360, 640, 3)
    assert np.abs(decoded(maker).astype(int) - cv2.resize(large, (640, 360))).mean() < 8
    maker.clear()
    assert maker.picture == (numbers[-1], b'')


def test_images_that_cannot_be_read_are_named(portrait, clock):
    maker = PictureMaker('full', clock)
    message = messages(portrait, [])[1]
    message.encoding = 'nonsense'
    maker.add_image(message)
    assert 'nonsense' in maker.problem


def test_a_face_survives_the_message(portrait_faces):
    (shown,) = portrait_faces
    (message,) = to_emotion_array([shown], Header(), (512, 512)).faces
    again = from_emotion(message)
    assert (again.box, again.label, again.face_id) == (shown.box, shown.label, shown.face_id)
    assert again.head_pose.yaw == pytest.approx(shown.head_pose.yaw, abs=1e-6)
    assert np.array_equal(again.smoothed_probabilities, shown.smoothed_probabilities)
    assert again.position is None
    place = Position(0.1, -0.2, 1.5, FROM_DEPTH)
    (message,) = to_emotion_array([replace(shown, position=place)], Header(), (512, 512)).faces
    assert from_emotion(message).position == place
