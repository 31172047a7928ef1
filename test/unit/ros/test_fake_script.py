# SPDX-License-Identifier: Apache-2.0
"""Scripts of fake people, and the faces that they give."""

import argparse
import math
import re
from itertools import pairwise

import numpy as np
import pytest

from emotion_perception import cli
from emotion_perception.emotions import EMOTIONS
from emotion_perception.errors import SourceError
from emotion_perception.ros.fake_node import IMAGE_SHAPE, FakePeople
from emotion_perception.ros.fake_script import (
    MAX_PEOPLE,
    WORDS,
    Step,
    Visit,
    duration_s,
    parse_step,
    visits,
)


def script(text):
    return [parse_step(word) for word in text.split()]


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('smile@2s', (1, 2.0, 'smile')),
        ('smile@2', (1, 2.0, 'smile')),
        ('2:look-away@0.25s', (2, 0.25, 'look_away')),
        ('6:SAD@.5s', (6, 0.5, 'sad')),
    ],
)
def test_a_step(text, expected):
    assert parse_step(text) == Step(*expected)


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('smile', "'smile' is not a word with a time, such as smile@2s"),
        ('', "'' is not a word with a time"),
        ('smile@', 'is not a word with a time'),
        ('smile@-2s', 'is not a word with a time'),
        ('smile@nan', 'is not a word with a time'),
        ('a:smile@2', 'is not a word with a time'),
        ('smile@1.2.3s', "'1.2.3' in 'smile@1.2.3s' is not a number of seconds"),
        ('0:smile@2', 'people are numbered from 1 to 6'),
        ('7:smile@2', 'people are numbered from 1 to 6'),
        (
            'giggle@2',
            "'giggle' is not a word of a script; use one of appear, leave, look, look_aw",
        ),
    ],
)
def test_a_step_that_is_none(text, reason):
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        parse_step(text)
    assert reason in str(refused.value)


def test_the_help_has_an_example_and_all_words(capsys):
    with pytest.raises(SystemExit, match='0'):
        cli.main(['fake', '--help'])
    text = ' '.join(capsys.readouterr().out.split())
    example = re.search(r'example: emotion-perception fake (.*) --loop$', text)[1]
    assert [visit.person for visit in visits(script(example))] == [1, 2]
    assert f'Words: {", ".join(WORDS)}' in text


def test_the_words_cover_all_expressions():
    assert {*EMOTIONS, 'uncertain', 'smile', 'happy', 'sad', 'angry', 'scared'} < set(WORDS)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        (
            'smile@2s leave@5s',
            [Visit(1, 0.0, 5.0, ((0.0, 'neutral'), (2.0, 'happiness')), ((0.0, True),))],
        ),
        (
            # in any order
            'look@4 sad@1 look_away@2 appear@1',
            [
                Visit(
                    1, 1.0, 6.0,
                    ((1.0, 'neutral'), (1.0, 'sadness')),
                    ((1.0, True), (2.0, False), (4.0, True)),
                )
            ],
        ),
        (
            # words at one time: appear is the first of them, leave the last
            'angry@1 appear@1 leave@5 sad@5',
            [
                Visit(
                    1, 1.0, 5.0,
                    ((1.0, 'neutral'), (1.0, 'anger'), (5.0, 'sadness')),
                    ((1.0, True),),
                )
            ],
        ),
        (
            '2:appear@1 leave@3 appear@3.5 2:leave@8',
            [
                Visit(1, 0.0, 3.0, ((0.0, 'neutral'),), ((0.0, True),)),
                Visit(2, 1.0, 8.0, ((1.0, 'neutral'),), ((1.0, True),)),
                Visit(1, 3.5, 10.0, ((3.5, 'neutral'),), ((3.5, True),)),
            ],
        ),
    ],
)  # fmt: skip
def test_visits(text, expected):
    assert visits(script(text)) == expected


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('leave@1 smile@2', 'person 1 is not there at 2 s (smile); add appear before it'),
        ('2:leave@1 2:leave@2', 'person 2 is not there at 2 s (leave); add appear before it'),
        ('appear@0 appear@2', 'person 1 is already there at 2 s (appear); add leave before it'),
    ],
)
def test_visits_that_cannot_be(text, reason):
    with pytest.raises(SourceError) as refused:
        visits(script(text))
    assert str(refused.value) == reason


def test_faces_of_a_script():
    people = FakePeople(script('smile@2 look_away@3 leave@5 2:appear@1 2:uncertain@2'))
    assert people.duration_s == duration_s(script('leave@5')) == 7.0
    found = {
        round(time_s, 1): [
            (face.face_id, face.label, face.looking_at_camera) for face in people.faces(time_s)
        ]
        for time_s in np.arange(0, 7, 0.1)
    }
    assert found[0.9] == [(1, 'neutral', 1)]
    assert found[1.5] == [(1, 'neutral', 1), (2, 'neutral', 1)]
    # smoothed as in the node: between two expressions the label is uncertain
    assert found[2.2][0] == (1, 'uncertain', 1)
    assert found[2.9] == [(1, 'happiness', 1), (2, 'uncertain', 1)]
    assert found[3.0] == [(1, 'happiness', 0), (2, 'uncertain', 1)]
    assert found[5.0] == [(2, 'uncertain', 1)]
    assert found[6.9] == [(2, 'uncertain', 1)]
    assert [face.face_id for face in people.faces(0.5, repetition=2)] == [5]


def test_the_faces_are_plausible():
    people = FakePeople(script(' '.join(f'{n}:smile@0' for n in range(1, MAX_PEOPLE + 1))))
    height, width = IMAGE_SHAPE
    before = {}
    for time_s in np.arange(0, 2, 1 / 30):
        faces = people.faces(time_s)
        assert [face.face_id for face in faces] == list(range(1, MAX_PEOPLE + 1))
        for face in faces:
            x, y, w, h = face.box
            assert min(x, y) >= 0
            assert x + w <= width
            assert y + h <= height
            assert face.probabilities.dtype == np.float32
            assert face.probabilities.sum() == pytest.approx(1, abs=1e-5)
            assert face.smoothed_probabilities.sum() == pytest.approx(1, abs=1e-5)
            assert face.tracked_for_s == pytest.approx(time_s)
            assert (face.head_pose.eyes_open, face.head_pose.mouth_open) == (1, 0)
            assert face.head_pose.turn_ratio < 1
            assert math.dist(before.get(face.face_id, (x, y)), (x, y)) <= 3
            before[face.face_id] = x, y
        for left, right in pairwise(faces):
            assert left.box.x + left.box.width <= right.box.x
            assert left.box.area > right.box.area
        if time_s > 1:
            assert {face.label for face in faces} == {'happiness'}
            assert all(0.75 < face.confidence < 0.95 for face in faces)
    assert {face.smoothed_probabilities.argmax() for face in faces} == {
        EMOTIONS.index('happiness')
    }
