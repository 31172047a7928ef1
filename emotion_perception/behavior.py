# SPDX-License-Identifier: Apache-2.0
"""For behaviors: the people in front of the camera, and a call for each thing that they do."""

import threading
import traceback
from collections.abc import Callable
from typing import Any

from emotion_msgs.msg import EmotionArray
from emotion_perception.person_events import (
    APPEARED,
    EXPRESSION_CHANGED,
    LEFT,
    Person,
    PersonEvent,
    PersonEvents,
)

__all__ = ['People', 'Person']

_CHECK_SILENCE_S = 0.5
_DEPTH = 10


def _do_nothing(*_: Any) -> None:
    pass


class People:
    """
    The people that the emotion node sees, from `emotion/faces`.

    Calls come from the node's executor, in the order of the events, and may be replaced at any
    time. An exception in one is logged; the others are called all the same. When a call comes and
    when it does not: see `PersonEvents`. Each call gets the `Person` at that moment.

    Attributes:
        on_appear: called with a person who is new.
        on_expression: called with the person, the expression before, and the expression now; for
            the first expression of a person the one before is ``'uncertain'``.
        on_attention: called with the person, who starts or stops to look at the camera:
            `Person.looking`.
        on_leave: called with a person who is gone, as they were last seen.

    Example:
        >>> people = People(node, on_appear=lambda person: node.get_logger().info('Hello!'))

    """

    def __init__(
        self,
        node: Any,
        on_appear: Callable[[Person], Any] = _do_nothing,
        on_expression: Callable[[Person, str, str], Any] = _do_nothing,
        on_attention: Callable[[Person], Any] = _do_nothing,
        on_leave: Callable[[Person], Any] = _do_nothing,
        topic: str = 'emotion/faces',
        settle_s: float = 0.3,
        leave_after_s: float = 1.0,
        silent_after_s: float = 3.0,
    ):
        """
        Subscribe.

        Args:
            node: an rclpy.node.Node; its clock is used, also a simulated one.
            on_appear: see above.
            on_expression: see above.
            on_attention: see above.
            on_leave: see above.
            topic: of the emotion_msgs/EmotionArray messages.
            settle_s: how long a face, an expression or a look must last to count, in seconds.
            leave_after_s: a person has left when images did not show them for so long, in seconds.
            silent_after_s: all have left when no message came for so long, in seconds.

        Raises:
            ValueError: if one of the times is negative or not a number.

        """
        self.on_appear, self.on_expression = on_appear, on_expression
        self.on_attention, self.on_leave = on_attention, on_leave
        self._node = node
        self._events = PersonEvents(settle_s, leave_after_s, silent_after_s)
        # the executor may have several threads
        self._lock = threading.Lock()
        self._subscription = node.create_subscription(EmotionArray, topic, self._on_faces, _DEPTH)
        self._timer = node.create_timer(_CHECK_SILENCE_S, self._check_silence)

    def people(self) -> list[Person]:
        """Return the people who have appeared and not left, the nearest first."""
        with self._lock:
            return self._events.people(self._now_s())

    def nearest(self) -> Person | None:
        """Return the person with the largest face; None if nobody is there."""
        return next(iter(self.people()), None)

    def destroy(self) -> None:
        """Stop listening; nothing is called any more."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)

    def _now_s(self) -> float:
        return self._node.get_clock().now().nanoseconds * 1e-9

    def _on_faces(self, message: EmotionArray) -> None:
        with self._lock:
            events = self._events.update(message.faces, self._now_s())
        self._call(events)

    def _check_silence(self) -> None:
        with self._lock:
            events = self._events.check_silence(self._now_s())
        self._call(events)

    def _call(self, events: list[PersonEvent]) -> None:
        for event in events:
            try:
                if event.kind == APPEARED:
                    self.on_appear(event.person)
                elif event.kind == EXPRESSION_CHANGED:
                    self.on_expression(event.person, event.before, event.now)
                elif event.kind == LEFT:
                    self.on_leave(event.person)
                else:
                    self.on_attention(event.person)
            except Exception as error:
                self._node.get_logger().error(
                    f'a behavior failed when person {event.person.id} {event.kind}: '
                    f'{type(error).__name__}: {error}\n{traceback.format_exc()}'
                )
