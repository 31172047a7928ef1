# SPDX-License-Identifier: Apache-2.0
"""Read the emotions in a recording: the result of each image, and the timeline of each face."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from emotion_perception.bag.message_types import EMOTIONS_OF_IMAGE, MessageTypes
from emotion_perception.bag.reading import Bag
from emotion_perception.errors import BagError

MAX_GAP_S = 1.0
"""A face that was not detected for longer than this starts a new segment of its timeline."""


@dataclass(frozen=True)
class FaceResult:
    """One face in one image; the box is x, y, width, height in pixels."""

    face_id: int
    label: str
    confidence: float
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class ImageResult:
    """
    The faces in one image.

    Attributes:
        stamp_ns: of the image; the time of recording where the image has no stamp.
        faces: in it.
        processing_s: processing time in seconds; NaN where it was not measured.
        age_s: publication time minus stamp in seconds; NaN where it was not measured.
        dropped: frames that the node had dropped until then.

    """

    stamp_ns: int
    faces: tuple[FaceResult, ...]
    processing_s: float = math.nan
    age_s: float = math.nan
    dropped: int = 0


@dataclass
class Segment:
    """
    A time in which a face showed one label.

    Attributes:
        label: shown all the time.
        start_s: seconds since the recording's first result.
        end_s: when another label began, or when the face was last detected.
        stamp_ns: of the segment's first image.
        box: of the face in that image: x, y, width, height in pixels.
        images: number of images with the face in this time.
        confidence_sum: of the label in these images.

    """

    label: str
    start_s: float
    end_s: float
    stamp_ns: int
    box: tuple[int, int, int, int]
    images: int = 0
    confidence_sum: float = 0.0


@dataclass
class FaceTimeline:
    """
    The labels that one face showed.

    Attributes:
        face_id: of the face.
        images: number of images with the face.
        segments: in order; where the face was not detected there is a gap between two.
        confidences: time in seconds and confidence in each image.

    """

    face_id: int
    images: int = 0
    segments: list[Segment] = field(default_factory=list)
    confidences: list[tuple[float, float]] = field(default_factory=list)


def read_results(bag: Bag, topic: str, types: MessageTypes) -> Iterator[ImageResult]:
    """
    Yield the results in a recording, by time of recording.

    Raises:
        BagError: if there is no such topic, or a message is damaged.

    """
    chosen = [one for one in bag.on(topic) if one.msgtype == EMOTIONS_OF_IMAGE]
    if not chosen:
        raise BagError(
            f'{bag.path} has no topic {topic} ({EMOTIONS_OF_IMAGE}); add it with '
            '`emotion-perception bag process`, or give its namespace with --namespace'
        )
    for connection, recorded_ns, data in bag.messages(chosen):
        array = types.decode_recorded(data, connection)
        stamp = array.header.stamp
        yield ImageResult(
            stamp.sec * 10**9 + stamp.nanosec or recorded_ns,
            tuple(_face(face) for face in array.faces),
            float(array.processing_time),
            float(array.age),
            int(array.images_skipped),
        )


def _face(face: Any) -> FaceResult:
    box = face.box
    x, y, width, height = map(int, (box.x_offset, box.y_offset, box.width, box.height))
    return FaceResult(int(face.face_id), face.label, float(face.confidence), (x, y, width, height))


def face_timelines(results: Iterable[ImageResult]) -> list[FaceTimeline]:
    """Return the timeline of each face, by id; the results must be sorted by time."""
    timelines: dict[int, FaceTimeline] = {}
    start_ns: int | None = None
    for result in results:
        start_ns = result.stamp_ns if start_ns is None else start_ns
        time_s = (result.stamp_ns - start_ns) / 1e9
        for face in result.faces:
            timeline = timelines.setdefault(face.face_id, FaceTimeline(face.face_id))
            timeline.images += 1
            timeline.confidences.append((time_s, face.confidence))
            last = timeline.segments[-1] if timeline.segments else None
            follows = last is not None and 0 <= time_s - last.end_s <= MAX_GAP_S
            if last and follows:
                last.end_s = time_s
            if not last or not follows or last.label != face.label:
                last = Segment(face.label, time_s, time_s, result.stamp_ns, face.box)
                timeline.segments.append(last)
            last.images += 1
            last.confidence_sum += face.confidence
    return [timelines[face_id] for face_id in sorted(timelines)]
