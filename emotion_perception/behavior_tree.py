# SPDX-License-Identifier: Apache-2.0
"""A condition for behavior trees of py_trees: whether there is somebody like this."""

import math
from collections.abc import Callable

import py_trees
from py_trees.common import Status

from emotion_perception.emotions import EMOTIONS
from emotion_perception.person_events import Person


class IsPerson(py_trees.behaviour.Behaviour):
    """
    Succeeds while somebody meets all that is asked, else fails; it is never running.

    Attributes:
        person: who meets it, the nearest if there are several; None after a failure.

    Example:
        >>> people = People(node)
        >>> sad = IsPerson('somebody is sad', people.people, 'sadness', lasts_s=3.0)
        >>> tree = py_trees.composites.Sequence('comfort', memory=True, children=[sad, say])

    """

    def __init__(
        self,
        name: str,
        people: Callable[[], list[Person]],
        expression: str = '',
        lasts_s: float = 0.0,
        looking: bool | None = None,
        within_m: float = math.inf,
        blackboard_key: str = '',
    ):
        """
        Ask for nothing but that somebody is there, and for what else is given.

        Args:
            name: of the condition in the tree.
            people: returns who is there, the nearest first: `behavior.People.people`.
            expression: one of `EMOTIONS` that the person must show; empty for any.
            lasts_s: for so many seconds.
            looking: whether the person must look at the camera, or must not; None for either.
            within_m: farthest distance in meters; a person whose distance is not known is too far.
            blackboard_key: where the person is written on success, for the other behaviors of the
                tree; empty for nowhere.

        Raises:
            ValueError: if there is no such expression.

        """
        super().__init__(name)
        if expression and expression not in EMOTIONS:
            raise ValueError(f'{expression!r} is none of {", ".join(EMOTIONS)}')
        self.person: Person | None = None
        self._people, self._expression, self._lasts_s = people, expression, lasts_s
        self._looking, self._within_m = looking, within_m
        self._key = blackboard_key
        self._blackboard = self.attach_blackboard_client(name)
        if blackboard_key:
            self._blackboard.register_key(blackboard_key, py_trees.common.Access.WRITE)

    def update(self) -> Status:
        """Return whether somebody meets what is asked; called by the tree."""
        self.person = next(filter(self._meets, self._people()), None)
        if self.person is None:
            self.feedback_message = 'nobody'
            return Status.FAILURE
        self.feedback_message = f'person {self.person.id}: {self.person.expression}'
        if self._key:
            self._blackboard.set(self._key, self.person)
        return Status.SUCCESS

    def _meets(self, person: Person) -> bool:
        shows = not self._expression or (
            person.expression == self._expression and person.expression_for_s >= self._lasts_s
        )
        looks = self._looking is None or person.looking == self._looking
        # also false for NaN
        near = math.isinf(self._within_m) or person.distance <= self._within_m
        return shows and looks and near
