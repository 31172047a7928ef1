# SPDX-License-Identifier: Apache-2.0
"""What the live page shows: people and their last minute, events, latency, diagnostics."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from emotion_perception.emotions import EMOTIONS, UNCERTAIN
from emotion_perception.ros.conversions import Emotion, EmotionArray, PersonEvent, seconds
from emotion_perception.ros.parameters import PARAMETERS

LABELS = (*EMOTIONS, UNCERTAIN)
LIVE_PARAMETERS = {spec.name: spec for spec in PARAMETERS if spec.live and spec.bounds}
"""The parameters that the page shows, and changes if it may."""

HISTORY_S, _SAMPLE_S = 60.0, 0.25
MAX_PEOPLE = 12
"""The nearest people are shown, and no more: a page for a crowd would be read by nobody."""

_GONE_S, _SILENT_S = 1.0, 3.0
_EVENTS = 20
_WATCHED_S = 3.0
_LEVELS = {b'\x00': 'ok', b'\x01': 'warning', b'\x02': 'error', b'\x03': 'stale'}


def _number(value: float, digits: int = 3) -> float | None:
    """Return a rounded number, and None for what json does not have: NaN and infinity."""
    return round(float(value), digits) if math.isfinite(value) else None


def _person(face: Emotion, number: int) -> dict[str, Any]:
    """Return one face; without tracking its id is minus its number in the image."""
    return {
        'id': face.face_id or -number,
        'label': face.label if face.label in LABELS else UNCERTAIN,
        'confidence': _number(face.confidence) or 0.0,
        'probabilities': [_number(p) for p in face.smoothed_probabilities],
        'attention': _number(face.looking_at_camera),
        'distance_m': _number(face.distance, 2),
        'eyes_open': _number(face.eyes_open),
        'mouth_open': _number(face.mouth_open),
        'tracked_for_s': _number(seconds(face.tracked_for), 1),
    }


class LiveState:
    """
    The newest state; two threads use it, ROS writes and the server reads.

    Everything in it is bounded: the people of one image, the samples of a minute, 20 events.

    Attributes:
        picture_problem: why no picture is shown, empty if one is.

    """

    def __init__(self, node_name: str, clock: Callable[[], float] = time.monotonic):
        """Start without people; `node_name` is the full name, `clock` monotonic in seconds."""
        self._node_name, self._clock = node_name, clock
        self._lock = threading.Lock()
        self._people: dict[int, tuple[float, dict[str, Any]]] = {}
        self._history: dict[int, deque[tuple[float, int, float]]] = {}
        self._arrivals: deque[float] = deque(maxlen=200)
        self._events: deque[tuple[float, dict[str, Any]]] = deque(maxlen=_EVENTS)
        self._event_count = 0
        self._latency: dict[str, Any] = {}
        self._diagnostics: tuple[float, dict[str, Any]] | None = None
        self._parameters: dict[str, float] = {}
        self._watched_s = -math.inf
        self.picture_problem = ''

    def on_faces(self, array: EmotionArray) -> None:
        """Take over the faces of one image."""
        now = self._clock()
        with self._lock:
            nearest = sorted(array.faces, key=lambda face: -face.box.width * face.box.height)
            people = [_person(face, n) for n, face in enumerate(nearest[:MAX_PEOPLE], 1)]
            self._people |= {person['id']: (now, person) for person in people}
            self._forget(now)
            for person in people:
                self._sample(now, person)
            self._arrivals.append(now)
            self._latency = {
                'age_ms': _number(array.age * 1000, 1),
                'processing_ms': _number(array.processing_time * 1000, 1),
                'received': array.images_received,
                'dropped': array.images_skipped,
                'faces': len(array.faces),
            }

    def _sample(self, now: float, person: dict[str, Any]) -> None:
        samples = self._history.setdefault(person['id'], deque())
        if person['id'] > 0 and (not samples or now - samples[-1][0] >= _SAMPLE_S):
            samples.append((now, LABELS.index(person['label']), person['confidence']))

    def _forget(self, now: float) -> None:
        """Forget who is gone, and what is older than a minute; the latest people if too many."""
        here = {id_: seen for id_, (seen, _) in self._people.items() if now - seen <= _GONE_S}
        newest = sorted(here, key=lambda id_: -here[id_])[:MAX_PEOPLE]
        self._people = {id_: self._people[id_] for id_ in sorted(newest)}
        for id_, samples in list(self._history.items()):
            while samples and now - samples[0][0] > HISTORY_S:
                samples.popleft()
            if not samples:
                del self._history[id_]
        for id_ in sorted(self._history)[: -4 * MAX_PEOPLE]:
            del self._history[id_]

    def on_event(self, event: PersonEvent) -> None:
        """Take over an event."""
        with self._lock:
            self._event_count += 1
            values = {'number': self._event_count, 'id': event.face_id, 'kind': event.kind}
            labels = {'from': event.from_label, 'to': event.to_label}
            self._events.append((self._clock(), values | labels))

    def on_diagnostics(self, level: bytes, message: str, values: Mapping[str, str]) -> None:
        """Take over the node's status."""
        status = {'level': _LEVELS.get(level, 'stale'), 'message': message, 'values': dict(values)}
        with self._lock:
            self._diagnostics = self._clock(), status

    def set_parameters(self, values: Mapping[str, float]) -> None:
        """Take over the node's values of `LIVE_PARAMETERS`; empty where they are not known."""
        with self._lock:
            self._parameters = dict(values)

    def watch(self) -> None:
        """Note that a page shows the picture; the next seconds it is wanted."""
        self._watched_s = self._clock()

    @property
    def watched(self) -> bool:
        """Whether a page shows the picture."""
        return self._clock() - self._watched_s < _WATCHED_S

    def snapshot(self) -> dict[str, Any]:
        """Return the state for json."""
        now = self._clock()
        with self._lock:
            self._forget(now)
            recent = [t for t in self._arrivals if now - t <= 2.0]
            faces_come = bool(recent)
            status, status_age_s = None, math.inf
            if self._diagnostics is not None:
                status_age_s, status = now - self._diagnostics[0], self._diagnostics[1]
            rate = (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) > 2 else 0.0
            return {
                'node': self._node_name,
                'running': faces_come or status_age_s < _SILENT_S,
                'people': [
                    {**person, 'unseen_s': _number(now - seen, 1)}
                    for seen, person in self._people.values()
                ],
                'events': [{**e, 'ago_s': _number(now - at, 1)} for at, e in self._events],
                'latency': {**self._latency, 'rate_hz': _number(rate, 1)} if faces_come else {},
                'diagnostics': status if status_age_s < _SILENT_S else None,
                'parameters': self._parameters,
                'picture_problem': self.picture_problem,
            }

    def history(self) -> dict[int, list[tuple[float | None, int, float]]]:
        """Return for each person age in seconds, index in `LABELS` and confidence of samples."""
        now = self._clock()
        with self._lock:
            return {
                id_: [(_number(now - at, 2), label, p) for at, label, p in samples]
                for id_, samples in self._history.items()
                if samples
            }
