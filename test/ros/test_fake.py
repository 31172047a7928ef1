# SPDX-License-Identifier: Apache-2.0
"""`emotion-perception fake`: people who do what a script says, on the topics of the node."""

import math
import signal

import pytest

from emotion_msgs.msg import Emotion, PersonEvent
from emotion_perception.emotions import EMOTIONS
from emotion_perception.ros.conversions import seconds
from emotion_perception.ros.processes import NodeProcess


def test_the_topics_of_a_script(start, peer):
    events, nearest = [], []
    peer.node.create_subscription(PersonEvent, 'emotion/events', events.append, 50)
    peer.node.create_subscription(Emotion, 'emotion/nearest', nearest.append, 500)
    fake = start(
        'emotion_perception.cli', 'fake', '--rate', '20',
        'appear@1s', 'smile@2.5s', 'leave@4s', '2:appear@2s', '2:angry@3.5s', '2:look_away@4.5s',
    )  # fmt: skip
    peer.until(lambda: not fake.running, 30, 'the end of the script')
    peer.until(lambda: [e.kind for e in events].count('left') == 2, what='the last events')
    looks = [(e.face_id, e.kind) for e in events if 'look' in e.kind]
    assert looks == [(1, 'looks'), (2, 'looks'), (2, 'looks_away')]
    assert [
        (e.face_id, e.kind, e.from_label, e.to_label) for e in events if 'look' not in e.kind
    ] == [
        (1, 'appeared', '', ''),
        (1, 'expression_changed', 'uncertain', 'neutral'),
        (2, 'appeared', '', ''),
        (2, 'expression_changed', 'uncertain', 'neutral'),
        (1, 'expression_changed', 'neutral', 'happiness'),
        (2, 'expression_changed', 'neutral', 'anger'),
        (1, 'left', '', ''),
        (2, 'left', '', ''),
    ]
    assert len(peer.emotions) == sum(len(array.faces) for array in peer.arrays)
    assert peer.emotions == [face for array in peer.arrays for face in array.faces]
    assert {face.face_id for face in nearest} == {1, 2}
    assert len(nearest) == sum(bool(array.faces) for array in peer.arrays)
    counts = [array.images_received for array in peer.arrays]
    assert counts == list(range(counts[0], counts[0] + len(counts)))
    stamps = [seconds(array.header.stamp) for array in peer.arrays]
    assert stamps == sorted(set(stamps))
    assert {array.header.frame_id for array in peer.arrays} == {'camera'}
    for emotion in peer.emotions:
        assert sum(emotion.probabilities) == pytest.approx(1, abs=1e-5)
        assert 0 < emotion.confidence < 1
        assert emotion.box.x_offset + emotion.box.width <= 640
        assert (emotion.looking_at_camera in (0, 1), emotion.eyes_open) == (True, 1)
    last = peer.emotions[-1]
    assert (last.face_id, last.label) == (2, 'anger')
    assert EMOTIONS[max(range(7), key=last.smoothed_probabilities.__getitem__)] == 'anger'
    assert math.isfinite(last.detection_score)


def test_a_script_that_repeats_ends_with_ctrl_c(start, peer):
    fake = start(
        'emotion_perception.cli', 'fake', 'leave@0.2s', '--loop', '--namespace', 'robot',
    )  # fmt: skip
    ids = set()
    topic = '/robot/emotion'
    peer.node.create_subscription(Emotion, topic, lambda m: ids.add(m.face_id), 50)
    peer.until(lambda: len(ids) >= 2, 20, 'the second repetition')
    first, second = sorted(ids)[:2]
    assert second == first + 1
    fake.signal(signal.SIGINT)
    assert fake.wait(10) == 0
    assert 'Traceback' not in fake.output
    assert fake.output.count('person 1 leave') >= 1


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        (['leave@1', 'smile@2'], 'person 1 is not there at 2 s (smile); add appear before it'),
        (['smile@1', '--namespace', 'a-b'], "'/a-b' is not a namespace: use letters, digits and"),
        (['smile@1', '--rate', '0'], '0 is not a number above 0'),
    ],
)
def test_a_wrong_command_line(arguments, reason):
    fake = NodeProcess('emotion_perception.cli', ['fake', *arguments])
    assert fake.wait(20) == 2
    line = fake.output.splitlines()[-1]
    assert line.startswith('emotion-perception fake: ')
    assert reason in line
