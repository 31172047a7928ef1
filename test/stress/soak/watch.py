"""What can be seen of the node from outside while it works: memory, threads, handles, ids, images, latency."""

from collections.abc import Callable
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray

from benchmarks.processes import Bench, Process
from emotion_msgs.msg import EmotionArray
from emotion_perception.ros.conversions import seconds
from emotion_perception.tracking import TrackingSettings
from stress.soak.outcome import Sample
from stress.soak.visits import Programme

NODE_NAME = 'emotion_perception'
_SETTLES_S = 1.5
"""So long after the last one left no face may be followed any more: `max_gap_s`, and what is on its way."""


class StrangerError(RuntimeError):
    """Somebody else sends to the node that is watched."""


class Watch:
    """Listens to the node and counts; takes a sample when it is asked to."""

    def __init__(self, bench: Bench, process: Process, program: Programme):
        """
        Begin when the first answer is there.

        Args:
            bench: hears the node; what it heard is taken from it.
            process: of the node.
            program: what the camera shows.

        """
        self._bench, self._process, self._programme = bench, process, program
        bench.node.create_subscription(DiagnosticArray, '/diagnostics', self._note_status, 10)
        self._start = bench.heard[0][0]
        self._cpu_s, self._sampled_s = process.cpu_s(), self._time_s(self._start)
        self._last_seen_s: dict[int, float] = {}  # grows with the ids, in this process
        self._newest = self._start
        self._processed = self._faces = 0
        self._at_once = self._returned = 0
        self._faces_in_empty_room = self._new_in_empty_room = 0
        self._looks_at_empty_room = self._followed_in_empty_room = 0
        self.tracked_ids = -1

    @staticmethod
    def _time_s(message: EmotionArray) -> float:
        return seconds(message.header.stamp)

    @property
    def picture(self) -> int:
        """Number of the newest picture that was answered."""
        return picture_of(self._bench.heard[-1][0] if self._bench.heard else self._newest)

    def counts(self) -> dict[str, int]:
        """
        Return what was counted in all.

        Returns:
            ``ids`` given away, ``faces_at_once`` at most; ``ids_that_came_back`` after their face was forgotten;
            in the empty room ``faces_in_empty_room`` heard of, ``new_ids_in_empty_room``, how many
            ``looks_at_empty_room`` diagnostics gave and how many faces they said were followed in them,
            ``followed_in_empty_room``.

        """
        return {
            'ids': max(self._last_seen_s, default=0),
            'faces_at_once': self._at_once,
            'ids_that_came_back': self._returned,
            'faces_in_empty_room': self._faces_in_empty_room,
            'new_ids_in_empty_room': self._new_in_empty_room,
            'looks_at_empty_room': self._looks_at_empty_room,
            'followed_in_empty_room': self._followed_in_empty_room,
        }

    def _note_status(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            if 'tracked_faces' in values:
                self.tracked_ids = int(values['tracked_faces'])
                # the node may be a little ahead of what was heard of it
                if self._programme.is_empty(self.picture, before_s=_SETTLES_S, after_s=1.0):
                    self._looks_at_empty_room += 1
                    self._followed_in_empty_room += self.tracked_ids

    def _note(self, message: EmotionArray) -> None:
        time_s, index = self._time_s(message), picture_of(message)
        self._processed += 1
        self._faces += len(message.faces)
        self._at_once = max(self._at_once, len(message.faces))
        # somebody who has one foot out of the picture may be seen a moment longer
        empty = self._programme.is_empty(index, before_s=0.3)
        self._faces_in_empty_room += len(message.faces) * empty
        for face in message.faces:
            before = self._last_seen_s.get(face.face_id)
            if before is None:
                self._new_in_empty_room += empty
            # images may be lost between two that were heard
            elif time_s - before > TrackingSettings.max_gap_s + 0.3:
                self._returned += 1
            self._last_seen_s[face.face_id] = time_s

    def sample(self) -> Sample | None:
        """Return how the node is now; None if nothing was heard since the sample before."""
        heard, self._bench.heard = self._bench.heard, []
        if not heard:
            return None
        for message, _ in heard:
            self._note(message)
        self._newest = heard[-1][0]
        node = self._bench.node
        ends: tuple[Callable[..., Any], ...] = (
            node.get_publisher_names_and_types_by_node,
            node.get_subscriber_names_and_types_by_node,
            node.get_service_names_and_types_by_node,
        )
        cpu_s, time_s = self._process.cpu_s(), self._time_s(self._newest)
        share = (cpu_s - self._cpu_s) / max(time_s - self._sampled_s, 1e-6)
        self._cpu_s, self._sampled_s = cpu_s, time_s
        p50, p99, most = np.percentile([latency * 1000 for _, latency in heard], (50, 99, 100))
        memory = {
            f'{part}_mb': round(mb, 3) for part, mb in self._process.memory_parts_mb().items()
        }
        return Sample(
            time_s=round(time_s - self._time_s(self._start), 2),
            picture=picture_of(self._newest),
            **memory,
            threads=self._process.threads(),
            handles=self._process.handles(),
            mappings=self._process.mappings(),
            endpoints=sum(len(end(NODE_NAME, '/')) for end in ends),
            topics=len(node.get_topic_names_and_types()),
            cpu_share=round(share, 3),
            sent=picture_of(self._newest) - picture_of(self._start) + 1,
            processed=self._processed,
            skipped=self._newest.images_skipped - self._start.images_skipped,
            faces=self._faces,
            highest_id=max(self._last_seen_s, default=0),
            latency_p50_ms=round(float(p50), 2),
            latency_p99_ms=round(float(p99), 2),
            latency_max_ms=round(float(most), 2),
        )


def picture_of(message: EmotionArray) -> int:
    """
    Return the number of the picture that a message answers; the camera says it in the frame_id.

    Raises:
        StrangerError: if the picture is another camera's.

    """
    name = message.header.frame_id
    if not name.isdecimal():
        raise StrangerError(
            f'another camera is in this ROS domain: an image of {name!r} was answered'
        )
    return int(name)
