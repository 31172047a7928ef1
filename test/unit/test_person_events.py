# SPDX-License-Identifier: Apache-2.0
"""What people do, from faces of hand-made images."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from emotion_perception.person_events import (
    KINDS,
    NEARER,
    PersonEvents,
    nearest_face,
)
from emotion_perception.types import Box, FaceEmotion, HeadPose

STEP_S = 0.1
START_S = 1000.0
SQUARE = Box(0, 0, 100, 100)


@dataclass
class MadeFace:
    """A face as the event logic sees it; an unknown attention is NaN."""

    face_id: int = 1
    label: str = 'neutral'
    looking_at_camera: float = math.nan
    confidence: float = 0.9
    box: Box = SQUARE
    distance: float = math.nan


class Stage:
    """Shows faces to `PersonEvents` ten times a second, and writes down what it reports."""

    def __init__(self, **settings):
        """Begin with nobody."""
        self.events, self.now_s = PersonEvents(**settings), START_S
        self.log, self.elapsed_s = [], 0.0

    def show(self, duration_s, *faces, tracked_ids=()):
        """Show images with these faces for some time."""
        for _ in range(round(duration_s / STEP_S)):
            self._note(self.events.update(faces, self.now_s, tracked_ids))
            self.wait(STEP_S)
        return self

    def silence(self, duration_s):
        """Show nothing, not even empty images."""
        for _ in range(round(duration_s / STEP_S)):
            self.wait(STEP_S)
            self._note(self.events.check_silence(self.now_s))
        return self

    def wait(self, duration_s):
        """Let time pass."""
        self.now_s += duration_s
        self.elapsed_s += duration_s

    def _note(self, events):
        for event in events:
            words = [str(event.person.id), event.kind, event.before, event.now]
            self.log.append((round(self.elapsed_s, 1), ' '.join(word for word in words if word)))


def face(label='neutral', face_id=1, looking=math.nan, **values):
    return MadeFace(face_id, label, looking, **values)


CASES = {
    'appears, and shows an expression': (
        [(1.0, face())],
        [(0.3, '1 appeared'), (0.3, '1 expression_changed uncertain neutral')],
    ),
    'shows nothing for certain': ([(2.0, face('uncertain'))], [(0.3, '1 appeared')]),
    'is seen too shortly': ([(0.3, face()), (3.0,)], []),
    'changes': (
        [(2.0, face()), (1.0, face('happiness'))],
        [
            (0.3, '1 appeared'),
            (0.3, '1 expression_changed uncertain neutral'),
            (2.3, '1 expression_changed neutral happiness'),
        ],
    ),
    'is uncertain for a while': (
        [(2.0, face()), (3.0, face('uncertain')), (2.0, face())],
        [(0.3, '1 appeared'), (0.3, '1 expression_changed uncertain neutral')],
    ),
    'is uncertain on the way to another expression': (
        [(2.0, face()), (3.0, face('uncertain')), (2.0, face('sadness'))],
        [
            (0.3, '1 appeared'),
            (0.3, '1 expression_changed uncertain neutral'),
            (5.3, '1 expression_changed neutral sadness'),
        ],
    ),
    'has an unknown label': ([(2.0, face('bored'))], [(0.3, '1 appeared')]),
    'flickers': (
        [(2.0, face()), *[(0.2, face('fear')), (0.2, face())] * 10],
        [(0.3, '1 appeared'), (0.3, '1 expression_changed uncertain neutral')],
    ),
    'changes twice in a second: the second one is reported when it is over': (
        [(2.0, face()), (0.4, face('happiness')), (2.0, face('sadness'))],
        [
            (0.3, '1 appeared'),
            (0.3, '1 expression_changed uncertain neutral'),
            (2.3, '1 expression_changed neutral happiness'),
            (3.3, '1 expression_changed happiness sadness'),
        ],
    ),
    'changes for less than a second: back again a second later': (
        [(2.0, face()), (0.4, face('happiness')), (2.0, face())],
        [
            (0.3, '1 appeared'),
            (0.3, '1 expression_changed uncertain neutral'),
            (2.3, '1 expression_changed neutral happiness'),
            (3.3, '1 expression_changed happiness neutral'),
        ],
    ),
    'leaves': (
        [(1.0, face('uncertain')), (2.0,)],
        [(0.3, '1 appeared'), (2.0, '1 left')],
    ),
    'is missed for a moment': (
        [(1.0, face('uncertain')), (0.9,), (1.0, face('uncertain'))],
        [(0.3, '1 appeared')],
    ),
    'is missed again and again': (
        [(1.0, face('uncertain')), *[(0.9,), (0.1, face('uncertain'))] * 5],
        [(0.3, '1 appeared')],
    ),
    'returns with another id': (
        [(1.0, face('uncertain')), (0.5,), (1.0, face('uncertain', 2))],
        [(0.3, '1 appeared'), (1.8, '2 appeared'), (2.0, '1 left')],
    ),
    'looks and looks away': (
        [
            (1.0, face('uncertain', looking=0.5)),
            (1.0, face('uncertain', looking=0.9)),
            (1.0, face('uncertain', looking=0.5)),
            (1.0, face('uncertain', looking=math.nan)),
            (1.0, face('uncertain', looking=0.1)),
        ],
        [(0.3, '1 appeared'), (1.3, '1 looks'), (4.3, '1 looks_away')],
    ),
    'turns away so far that the head pose cannot be read': (
        [
            (2.0, face('uncertain', looking=0.9)),
            (1.4, face('uncertain')),
            (0.1, face('uncertain', looking=0.9)),
            (3.0, face('uncertain')),
        ],
        [(0.3, '1 appeared'), (0.3, '1 looks'), (5.2, '1 looks_away')],
    ),
    'looks at once': (
        [(1.0, face('uncertain', looking=0.9))],
        [(0.3, '1 appeared'), (0.3, '1 looks')],
    ),
    'looks back and forth: one event a second': (
        [
            (1.0, face('uncertain', looking=0.1)),
            *[(0.4, face('uncertain', looking=v)) for v in (0.9, 0.1) * 4],
        ],
        [
            (0.3, '1 appeared'),
            (1.3, '1 looks'),
            (2.5, '1 looks_away'),
            (3.7, '1 looks'),
        ],
    ),
    'two people': (
        [
            (1.0, face('happiness', 4)),
            (1.0, face('happiness', 4), face('anger', 7)),
            (2.0, face('anger', 7)),
        ],
        [
            (0.3, '4 appeared'),
            (0.3, '4 expression_changed uncertain happiness'),
            (1.3, '7 appeared'),
            (1.3, '7 expression_changed uncertain anger'),
            (3.0, '4 left'),
        ],
    ),
    'untracked faces': ([(2.0, face(face_id=0)), (2.0,)], []),
}


@pytest.mark.parametrize('name', CASES)
def test_what_a_person_does(name):
    images, expected = CASES[name]
    stage = Stage()
    for duration_s, *faces in images:
        stage.show(duration_s, *faces)
    assert stage.log == expected


def test_at_most_one_event_of_a_kind_in_a_second():
    chance = np.random.default_rng(16)
    labels, stage = ('happiness', 'sadness', 'uncertain', 'anger'), Stage(settle_s=0.0)
    for _ in range(2000):
        faces = [
            face(labels[chance.integers(4)], face_id, chance.random())
            for face_id in (1, 2)
            if chance.random() > 0.1
        ]
        stage.show(STEP_S, *faces)
    last = {}
    for time_s, text in stage.log:
        face_id, kind = text.split()[:2]
        assert time_s - last.get((face_id, kind), -1.0) > 0.99, text
        last[face_id, kind] = time_s
    assert {kind for _, kind in last} == set(KINDS) - {'left'}
    assert len(stage.log) > 200


def test_times_that_may_be_chosen():
    stage = Stage(settle_s=1.0, leave_after_s=0.2, silent_after_s=0.5)
    stage.show(2.0, face()).show(1.0).show(2.0, face('fear', 2)).silence(2.0)
    assert stage.log == [
        (1.0, '1 appeared'),
        (1.0, '1 expression_changed uncertain neutral'),
        (2.2, '1 left'),
        (4.0, '2 appeared'),
        (4.0, '2 expression_changed uncertain fear'),
        (5.4, '2 left'),
    ]
    for name in ('settle_s', 'leave_after_s', 'silent_after_s'):
        for value in (-0.1, math.nan):
            with pytest.raises(ValueError, match=f'{name} must be a number of seconds, 0 or more'):
                PersonEvents(**{name: value})


def test_a_tracked_face_does_not_leave():
    stage = Stage().show(1.0, face('uncertain')).show(5.0, tracked_ids={1}).show(1.0)
    assert stage.log == [(0.3, '1 appeared'), (6.0, '1 left')]


def test_a_face_that_flickers_does_not_appear():
    """Seen in two of seven images; the one that stays appears."""
    events = PersonEvents(settle_s=0.3)
    found = []
    for index in range(7):
        ghost = [MadeFace(1, 'happiness')] if index in (0, 6) else []
        found += events.update([*ghost, MadeFace(2)], 5 + index / 10)
    assert found[0].kind == 'appeared'
    assert {event.person.id for event in found} == {2}


def test_silence():
    stage = Stage().show(1.0, face('uncertain')).silence(2.5).show(1.0, face('uncertain'))
    assert stage.log == [(0.3, '1 appeared')]
    # the last image was 0.1 s before the silence
    assert stage.silence(5.0).log[1:] == [(7.4, '1 left')]
    assert stage.events.people(stage.now_s) == []
    assert stage.show(1.0, face('uncertain')).log[2:] == [(9.8, '1 appeared')]


def test_silence_after_nobody_and_before_anybody():
    assert Stage().silence(10.0).show(1.0).silence(10.0).log == []


@pytest.mark.parametrize('jump_s', [-0.15, -500.0, -START_S])
def test_a_clock_that_jumps_back_changes_nothing(jump_s):
    stage = Stage().show(2.0, face('sadness'))
    stage.now_s += jump_s
    stage.show(2.0, face('sadness')).show(0.5)
    assert [text for _, text in stage.log] == [
        '1 appeared', '1 expression_changed uncertain sadness',
    ]  # fmt: skip
    (person,) = stage.events.people(stage.now_s)
    # the jump itself counts as no time
    assert person.seen_for_s == pytest.approx(4.4)
    assert person.expression_for_s == pytest.approx(4.4)
    assert person.unseen_for_s == pytest.approx(0.5)
    assert stage.show(1.0).log[-1][1] == '1 left'


def test_a_simulated_clock_that_begins_late():
    events = PersonEvents()
    assert events.update([face()], 0.0) == []
    # /clock arrives
    assert events.update([face()], 5000.0) == []
    assert events.check_silence(5000.1) == []
    assert events.update([face()], 5000.4)[0].kind == 'appeared'


def test_end_of_reading():
    stage = (
        Stage().show(1.0, face('uncertain', 2), face('uncertain', 1)).show(0.1, face(face_id=3))
    )
    left = stage.events.leave_all(stage.now_s)
    assert [(event.person.id, event.kind) for event in left] == [(1, 'left'), (2, 'left')]
    assert stage.events.leave_all(stage.now_s) == []


def test_a_person():
    stage = Stage().show(2.0, face('neutral'))
    stage.show(1.0, face('happiness', looking=0.8, confidence=0.7))
    smiling = face('happiness', looking=0.75, confidence=0.8, box=Box(5, 6, 70, 80))
    stage.show(0.1, smiling).show(0.1, face('uncertain', looking=0.7, confidence=0.3))
    (person,) = stage.events.people(stage.now_s)
    assert (person.id, person.expression, person.confidence) == (1, 'happiness', 0.8)
    assert person.expression_for_s == pytest.approx(1.2)
    assert person.seen_for_s == pytest.approx(3.2)
    assert person.unseen_for_s == 0
    assert (person.looking, person.looking_at_camera) == (True, 0.7)
    assert person.face.label == 'uncertain'
    stage.show(0.5, smiling).show(0.6)
    (person,) = stage.events.people(stage.now_s)
    assert person.unseen_for_s == pytest.approx(0.6)
    assert person.box == Box(5, 6, 70, 80)


def test_a_face_of_the_pipeline():
    probabilities = np.full(7, 1 / 7, np.float32)
    seen = FaceEmotion(
        3, Box(0, 0, 50, 60), 0.9, probabilities, probabilities, 'fear', 0.75, 0.0
    )  # fmt: skip
    stage = Stage().show(1.0, seen)
    assert [text for _, text in stage.log] == ['3 appeared', '3 expression_changed uncertain fear']
    (person,) = stage.events.people(stage.now_s)
    assert math.isnan(person.looking_at_camera)
    assert (person.looking, person.confidence) == (False, 0.75)
    stage.show(1.0, replace(seen, head_pose=HeadPose(0.0, 0.0, 0.0, 1.0, 0.0)))
    (person,) = stage.events.people(stage.now_s)
    assert (person.looking, person.looking_at_camera) == (True, 1.0)
    assert stage.log[-1][1] == '3 looks'


def sized(face_id, area):
    return face(face_id=face_id, box=Box(0, 0, area, 1))


@pytest.mark.parametrize(
    ('faces', 'previous_id', 'expected'),
    [
        ([], 0, None),
        ([], 3, None),
        ([(1, 100), (2, 300)], 0, 2),
        ([(1, 100), (2, 119)], 1, 1),
        ([(1, 100), (2, 121)], 1, 2),
        ([(1, 100), (2, 119)], 3, 2),
        ([(0, 100), (0, 110)], 0, 0),
    ],
)
def test_the_nearest_face(faces, previous_id, expected):
    assert NEARER == 1.2
    found = nearest_face([sized(*values) for values in faces], previous_id)
    assert (found and found.face_id) == expected
    assert found is None or found.box.width == 110 or expected


def test_people_from_near_to_far():
    stage = Stage().show(1.0, sized(1, 100), sized(2, 300), sized(3, 200))
    ids = [person.id for person in stage.events.people(stage.now_s)]
    assert ids == [2, 3, 1]
    # 3 comes a little nearer, which is not enough to be the nearest
    stage.show(1.0, sized(1, 100), sized(2, 300), sized(3, 350), sized(4, 50))
    assert [person.id for person in stage.events.people(stage.now_s)] == [2, 3, 1, 4]
    stage.show(1.0, sized(1, 100), sized(2, 300), sized(3, 361))
    assert [person.id for person in stage.events.people(stage.now_s)] == [3, 2, 1, 4]
