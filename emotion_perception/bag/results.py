"""What a recording says of the faces in it: the answers to its images, and the story of each face."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from emotion_perception.bag.message_types import EMOTIONS_OF_IMAGE, MessageTypes
from emotion_perception.bag.reading import Bag
from emotion_perception.errors import BagError

MAX_GAP_S = 1.0
"""A face that was not seen for longer begins a new segment of its story."""


@dataclass(frozen=True)
class FaceAnswer:
    """One face in one image; the box is x, y, width, height in pixels."""

    face_id: int
    label: str
    confidence: float
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Answer:
    """
    The answer to one image.

    Attributes:
        stamp_ns: of the image; where it has none, when the answer was recorded.
        faces: in it.
        processing_s: time spent on it; NaN where that was not measured.
        age_s: of the image when the answer was given; NaN where that was not measured.
        skipped: images that were passed over until then.

    """

    stamp_ns: int
    faces: tuple[FaceAnswer, ...]
    processing_s: float = math.nan
    age_s: float = math.nan
    skipped: int = 0


@dataclass
class Segment:
    """
    A time in which a face showed one label.

    Attributes:
        label: shown all the time.
        start_s: seconds since the recording's first answer.
        end_s: when it showed another label, or was seen last.
        stamp_ns: of the first image of it.
        box: of the face in that image: x, y, width, height in pixels.

    """

    label: str
    start_s: float
    end_s: float
    stamp_ns: int
    box: tuple[int, int, int, int]


@dataclass
class Story:
    """
    What one face showed.

    Attributes:
        face_id: of the face.
        frames: images that showed it.
        segments: one after the other; a gap lies between two where the face was not seen.
        confidences: time and confidence in each image.

    """

    face_id: int
    frames: int = 0
    segments: list[Segment] = field(default_factory=list)
    confidences: list[tuple[float, float]] = field(default_factory=list)


def read_answers(bag: Bag, topic: str, types: MessageTypes) -> Iterator[Answer]:
    """
    Return the answers in a recording, by time of recording.

    Raises:
        BagError: if the topic is not there, or is damaged.

    """
    chosen = [one for one in bag.on(topic) if one.msgtype == EMOTIONS_OF_IMAGE]
    if not chosen:
        raise BagError(
            f'{bag.path} holds no {topic} ({EMOTIONS_OF_IMAGE}); '
            '`emotion-perception bag process` adds it, --namespace names another place'
        )
    for _, stamp_ns, data in bag.messages(chosen):
        array = types.decode(data, EMOTIONS_OF_IMAGE)
        stamp = array.header.stamp
        yield Answer(
            stamp.sec * 10**9 + stamp.nanosec or stamp_ns,
            tuple(_face(face) for face in array.faces),
            float(array.processing_time),
            float(array.age),
            int(array.images_skipped),
        )


def _face(face) -> FaceAnswer:
    box = face.box
    return FaceAnswer(
        int(face.face_id), face.label, float(face.confidence),
        (int(box.x_offset), int(box.y_offset), int(box.width), int(box.height)),
    )  # fmt: skip


def stories(answers: Iterable[Answer]) -> list[Story]:
    """Return the story of each face, by id; the answers must come by time."""
    found: dict[int, Story] = {}
    begin_ns: int | None = None
    for answer in answers:
        begin_ns = answer.stamp_ns if begin_ns is None else begin_ns
        time_s = (answer.stamp_ns - begin_ns) / 1e9
        for face in answer.faces:
            story = found.setdefault(face.face_id, Story(face.face_id))
            story.frames += 1
            story.confidences.append((time_s, face.confidence))
            last = story.segments[-1] if story.segments else None
            if last and 0 <= time_s - last.end_s <= MAX_GAP_S:
                last.end_s = time_s
                if last.label == face.label:
                    continue
            story.segments.append(Segment(face.label, time_s, time_s, answer.stamp_ns, face.box))
    return [found[face_id] for face_id in sorted(found)]
