# SPDX-License-Identifier: Apache-2.0
"""What people do, from the faces of each image: they appear, look, change expression and leave."""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from emotion_perception.emotions import EMOTIONS, UNCERTAIN

APPEARED, LEFT = 'appeared', 'left'
LOOKS, LOOKS_AWAY = 'looks', 'looks_away'
EXPRESSION_CHANGED = 'expression_changed'
KINDS = (APPEARED, LOOKS, LOOKS_AWAY, EXPRESSION_CHANGED, LEFT)
"""What an event can be; the same words as in emotion_msgs/PersonEvent."""

MIN_INTERVAL_S = 1.0
"""A person has at most one event of a kind in this time, in seconds."""

LOOKS_ABOVE, LOOKS_AWAY_BELOW = 0.6, 0.4
"""Values of `looking_at_camera` at which a person starts and stops to look; between, none does."""

UNKNOWN_AFTER_S = 1.5
"""
A person whose attention is unknown for longer does not look, as where the head is turned so far
that its pose cannot be read.
"""

NEARER = 1.2
"""A face becomes the nearest when its box has this many times the area of the nearest one's."""


class FaceBox(Protocol):
    """The part of a box that is used: sensor_msgs/RegionOfInterest and `types.Box` have it."""

    @property
    def width(self) -> int:
        """Width in pixels."""

    @property
    def height(self) -> int:
        """Height in pixels."""


class Face(Protocol):
    """The part of a face that is used: emotion_msgs/Emotion and `types.FaceEmotion` have it."""

    @property
    def face_id(self) -> int:
        """From 1 while the face is tracked, else 0."""

    @property
    def label(self) -> str:
        """One of `EMOTIONS`, or `UNCERTAIN`."""

    @property
    def confidence(self) -> float:
        """Of the label, 0..1."""

    @property
    def box(self) -> FaceBox:
        """In the image."""

    @property
    def looking_at_camera(self) -> float:
        """How much the head is directed at the camera, 0..1; NaN where that is not known."""

    @property
    def distance(self) -> float:
        """From the camera, in meters; NaN where that is not known."""


AnyFace = TypeVar('AnyFace', bound=Face)


@dataclass(frozen=True)
class Person:
    """
    A person at one moment: a tracked face with what lasted long enough to count.

    Attributes:
        id: the `face_id`. It is not an identity: a person who returns later has a new one.
        expression: one of `EMOTIONS`; `UNCERTAIN` only before the first certain one.
        confidence: of the expression when it was last seen, 0..1.
        expression_for_s: seconds since the expression began; `uncertain` does not interrupt it.
        seen_for_s: seconds since the person was first seen.
        unseen_for_s: seconds since the first image that did not show the person any more, else 0.
        looking: whether the person looks at the camera; False where that is not known for longer
            than `UNKNOWN_AFTER_S`.
        looking_at_camera: the latest value, 0..1; NaN where that is not known.
        distance: from the camera in meters; NaN where that is not known.
        face: the latest face, an emotion_msgs/Emotion where the faces come from ROS.

    """

    id: int
    expression: str
    confidence: float
    expression_for_s: float
    seen_for_s: float
    unseen_for_s: float
    looking: bool
    looking_at_camera: float
    distance: float
    face: Any

    @property
    def box(self) -> Any:
        """The latest box, in pixels."""
        return self.face.box


@dataclass(frozen=True)
class PersonEvent:
    """
    Something that a person did.

    Attributes:
        kind: one of `KINDS`.
        person: as they are after it.
        before: with `EXPRESSION_CHANGED` the expression before, `UNCERTAIN` for the first one.
        now: with `EXPRESSION_CHANGED` the new expression.

    """

    kind: str
    person: Person
    before: str = ''
    now: str = ''


def nearest_face(faces: Iterable[AnyFace], previous_id: int = 0) -> AnyFace | None:
    """
    Return the face with the largest box, None if there is no face.

    Args:
        faces: of one image.
        previous_id: id of the face that was the nearest; it stays so until another is `NEARER`.

    """
    faces = list(faces)
    if not faces:
        return None
    largest = max(faces, key=_area)
    for face in faces:
        if face.face_id == previous_id != 0 and _area(largest) < NEARER * _area(face):
            return face
    return largest


def _area(face: Face) -> int:
    return face.box.width * face.box.height


class _SteadyValue:
    """A value that another one replaces once that lasts, at most once in `MIN_INTERVAL_S`."""

    def __init__(self, value: Any, now_s: float):
        self.value, self.since_s = value, now_s
        self._next, self._next_since_s = value, now_s
        self._changed_s = -math.inf

    def update(self, value: Any, now_s: float, settle_s: float) -> bool:
        """Add what was seen now; return whether the value changed."""
        if value != self._next:
            self._next, self._next_since_s = value, now_s
        if self._next == self.value or now_s - self._next_since_s < settle_s:
            return False
        if now_s - self._changed_s < MIN_INTERVAL_S:
            return False
        self.value, self.since_s, self._changed_s = value, self._next_since_s, now_s
        return True


class _TrackedPerson:
    """What is known of a person between two images."""

    def __init__(self, face: Face, now_s: float):
        self.face, self.first_s = face, now_s
        self.appeared = False
        self.unseen_since_s: float | None = None
        self.expression = _SteadyValue(UNCERTAIN, now_s)
        self.looking = _SteadyValue(False, now_s)
        self.confidence = face.confidence
        self._attention_s = now_s

    def person(self, now_s: float) -> Person:
        return Person(
            id=self.face.face_id,
            expression=self.expression.value,
            confidence=self.confidence,
            expression_for_s=now_s - self.expression.since_s,
            seen_for_s=now_s - self.first_s,
            unseen_for_s=0.0 if self.unseen_since_s is None else now_s - self.unseen_since_s,
            looking=self.looking.value,
            looking_at_camera=float(self.face.looking_at_camera),
            distance=float(self.face.distance),
            face=self.face,
        )

    def update(self, face: Face, now_s: float, settle_s: float) -> list[PersonEvent]:
        """Add the face in a new image; return what the person did."""
        self.face, self.unseen_since_s = face, None
        changes: list[tuple[str, str, str]] = []
        if not self.appeared and now_s - self.first_s >= settle_s:
            self.appeared = True
            changes.append((APPEARED, '', ''))
        # a person who has not appeared yet has no events, and nothing may be reported for good
        wait_s = settle_s if self.appeared else math.inf
        looking = self._looks(float(face.looking_at_camera), now_s)
        if self.looking.update(looking, now_s, wait_s):
            changes.append((LOOKS if looking else LOOKS_AWAY, '', ''))
        before = self.expression.value
        if face.label in EMOTIONS and self.expression.update(face.label, now_s, wait_s):
            changes.append((EXPRESSION_CHANGED, before, face.label))
        if self.expression.value in (face.label, UNCERTAIN):
            self.confidence = face.confidence
        person = self.person(now_s)
        return [PersonEvent(kind, person, old, new) for kind, old, new in changes]

    def _looks(self, value: float, now_s: float) -> bool:
        """Return whether a person with this `looking_at_camera` looks; a short NaN is ignored."""
        if not math.isnan(value):
            self._attention_s = now_s
        elif now_s - self._attention_s > UNKNOWN_AFTER_S:
            return False
        if self.looking.value:
            return not value < LOOKS_AWAY_BELOW
        return value > LOOKS_ABOVE


class PersonEvents:
    """
    Turns the faces of image after image into events that do not flicker.

    A face counts once each image showed it for `settle_s`; an expression or a look, once it lasted
    as long. A person has at most one event of a kind in `MIN_INTERVAL_S`; what changes sooner is
    reported when that time is over, if it still holds. `UNCERTAIN` changes nothing, nor does an
    attention that is unknown for a moment (`UNKNOWN_AFTER_S`).
    """

    def __init__(
        self, settle_s: float = 0.3, leave_after_s: float = 1.0, silent_after_s: float = 3.0
    ):
        """
        Start with nobody.

        Args:
            settle_s: how long a face, an expression or a look must last to count, in seconds.
            leave_after_s: a person has left when images showed nobody with this id for so long, in
                seconds; more than the node's `max_gap_s`, within which an id returns.
            silent_after_s: all people have left when there was no image for so long, in seconds.

        Raises:
            ValueError: if one of them is negative or not a number.

        """
        for name, value in (
            ('settle_s', settle_s),
            ('leave_after_s', leave_after_s),
            ('silent_after_s', silent_after_s),
        ):
            if not value >= 0:
                raise ValueError(f'{name} must be a number of seconds, 0 or more, not {value!r}')
        self._settle_s, self._leave_after_s = settle_s, leave_after_s
        self._silent_after_s = silent_after_s
        self._people: dict[int, _TrackedPerson] = {}
        self._nearest_id = 0
        self._clock_s, self._offset_s = 0.0, 0.0
        self._image_s = 0.0

    def update(
        self, faces: Sequence[Face], now_s: float, tracked_ids: Collection[int] = ()
    ) -> list[PersonEvent]:
        """
        Add the faces of one image and return what people did, in the order of `faces`.

        Args:
            faces: all faces of the image; those with `face_id` 0 are not tracked and ignored.
            now_s: time in seconds, of any clock. Where it jumps back, what was measured so far
                stays as it is.
            tracked_ids: faces that may return under their id, where that is known; they do not
                leave.

        """
        time_s = self._image_s = self._monotonic_s(now_s)
        events = []
        seen = set()
        for face in faces:
            if face.face_id:
                seen.add(face.face_id)
                tracked = self._people.setdefault(face.face_id, _TrackedPerson(face, time_s))
                events += tracked.update(face, time_s, self._settle_s)
        for face_id in self._people.keys() - seen:
            tracked = self._people[face_id]
            if not tracked.appeared:
                # a face that flickers is none
                del self._people[face_id]
                continue
            if tracked.unseen_since_s is None:
                tracked.unseen_since_s = time_s
            unseen_s = time_s - tracked.unseen_since_s
            if unseen_s >= self._leave_after_s and face_id not in tracked_ids:
                events += self._leave(face_id, time_s)
        nearest = nearest_face((t.face for t in self._present()), self._nearest_id)
        self._nearest_id = nearest.face_id if nearest else 0
        return events

    def check_silence(self, now_s: float) -> list[PersonEvent]:
        """Return that all have left if no image came for `silent_after_s`; call it regularly."""
        if self._monotonic_s(now_s) - self._image_s < self._silent_after_s:
            return []
        return self.leave_all(now_s)

    def leave_all(self, now_s: float) -> list[PersonEvent]:
        """Forget everybody and return that they have left."""
        time_s = self._monotonic_s(now_s)
        return [
            event for face_id in sorted(self._people) for event in self._leave(face_id, time_s)
        ]

    def people(self, now_s: float) -> list[Person]:
        """Return who is there at time `now_s`, the nearest first, then by the size of the face."""
        time_s = self._monotonic_s(now_s)
        present = sorted(
            self._present(),
            key=lambda tracked: (tracked.face.face_id != self._nearest_id, -_area(tracked.face)),
        )
        return [tracked.person(time_s) for tracked in present]

    def _present(self) -> list[_TrackedPerson]:
        return [tracked for tracked in self._people.values() if tracked.appeared]

    def _leave(self, face_id: int, time_s: float) -> list[PersonEvent]:
        tracked = self._people.pop(face_id)
        return [PersonEvent(LEFT, tracked.person(time_s))] if tracked.appeared else []

    def _monotonic_s(self, now_s: float) -> float:
        """Return a time that never falls, from a clock that may be set back or begin late."""
        # ROS' simulated time is 0 until the first message on /clock
        if now_s < self._clock_s or self._clock_s == 0:
            self._offset_s += self._clock_s - now_s
        self._clock_s = now_s
        return now_s + self._offset_s
