# SPDX-License-Identifier: Apache-2.0
"""The condition for py_trees, in real trees."""

import math
from dataclasses import replace

import py_trees
import pytest
from py_trees.common import Status

from emotion_perception.behavior_tree import IsPerson
from emotion_perception.person_events import Person

NEAR = Person(1, 'neutral', 0.9, 8.0, 9.0, 0.0, True, 1.0, 1.2, None)
FAR = Person(2, 'sadness', 0.8, 2.0, 5.0, 0.0, False, 0.1, 4.0, None)
UNKNOWN = replace(FAR, id=3, distance=math.nan)


def tick(condition):
    """Return the status of a tree with one condition, and who met it."""
    tree = py_trees.trees.BehaviourTree(py_trees.composites.Sequence('root', True, [condition]))
    tree.tick()
    return tree.root.status, condition.person and condition.person.id


@pytest.mark.parametrize(
    ('asked', 'found'),
    [
        ({}, 1),
        ({'expression': 'sadness'}, 2),
        ({'expression': 'sadness', 'lasts_s': 2.0}, 2),
        ({'expression': 'sadness', 'lasts_s': 2.5}, None),
        ({'expression': 'fear'}, None),
        ({'looking': True}, 1),
        ({'looking': False}, 2),
        ({'looking': True, 'expression': 'sadness'}, None),
        ({'within_m': 1.0}, None),
        ({'within_m': 1.2}, 1),
        ({'within_m': 5.0, 'expression': 'sadness'}, 2),
    ],
)
def test_somebody_meets_all_that_is_asked(asked, found):
    status, person = tick(IsPerson('condition', lambda: [NEAR, FAR, UNKNOWN], **asked))
    assert person == found
    assert status is (Status.SUCCESS if found else Status.FAILURE)


def test_an_unknown_distance_is_too_far():
    condition = IsPerson('near', lambda: [UNKNOWN], within_m=100.0)
    assert tick(condition) == (Status.FAILURE, None)
    assert condition.feedback_message == 'nobody'


def test_each_tick_asks_again():
    people = [NEAR]
    condition = IsPerson('somebody', lambda: people)
    tree = py_trees.trees.BehaviourTree(condition)
    tree.tick()
    assert (condition.status, condition.person) == (Status.SUCCESS, NEAR)
    assert condition.feedback_message == 'person 1: neutral'
    people.clear()
    tree.tick()
    assert (condition.status, condition.person) == (Status.FAILURE, None)


def test_the_person_is_on_the_blackboard():
    """Another behavior of the tree reads who it was."""
    reader = py_trees.blackboard.Client(name='reader')
    reader.register_key('person', py_trees.common.Access.READ)
    assert tick(IsPerson('sad', lambda: [FAR], 'sadness', blackboard_key='person'))[1] == 2
    assert reader.person is FAR
    py_trees.blackboard.Blackboard.clear()


def test_an_unknown_expression_is_refused():
    with pytest.raises(ValueError, match="'joy' is none of anger, disgust"):
        IsPerson('happy', list, 'joy')
