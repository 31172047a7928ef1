"""Read the emotions of a recording as fast as the processor allows: the same answers on every run."""

import math
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
from rosbags.interfaces import Connection, ConnectionExtRosbag2
from tqdm import tqdm

from emotion_perception.bag import journal
from emotion_perception.bag.journal import Found, Journal
from emotion_perception.bag.memory import Memory
from emotion_perception.bag.message_types import (
    EMOTION,
    EMOTIONS_OF_IMAGE,
    MessageTypes,
    emotion_topics,
)
from emotion_perception.bag.reading import Bag, image_connections, open_bag
from emotion_perception.bag.writing import STORAGES, NewBag, new_bag
from emotion_perception.errors import BagError, ImageError
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import (
    EmotionArray,
    image_to_bgr,
    seconds,
    to_emotion_array,
)
from emotion_perception.ros.stamps import MonotonicStamps


@dataclass
class Outcome:
    """
    What became of a recording.

    Attributes:
        topic: of the images.
        images: those that were looked at.
        faces: those found, in all images.
        ids: of these faces.
        recalled: images that a run before had read, which was interrupted.
        unusable: images that could not be read, by kind of fault.
        first_fault: what the first of them said.
        missing: messages of each topic that the recording announces and does not hold.
        left_out: topics that were not copied, for nobody knows the definition of their type.

    """

    topic: str
    images: int = 0
    faces: int = 0
    ids: set[int] = field(default_factory=set)
    recalled: int = 0
    unusable: Counter = field(default_factory=Counter)
    first_fault: str = ''
    missing: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


class ImageReader:
    """Answers image after image as the node does, and counts."""

    def __init__(self, pipeline: Pipeline, types: MessageTypes, outcome: Outcome, kept: Journal):
        """Begin; what `kept` holds is not asked of the networks again."""
        self._memory, self._clock = Memory(), MonotonicStamps()
        self._pipeline = self._memory.pipeline(pipeline)
        self._types, self._outcome, self._kept = types, outcome, kept

    def answer(self, data: bytes, msgtype: str, stamp_ns: int) -> EmotionArray | None:
        """
        Return what one image shows; None where it cannot be read.

        Times that were not measured are NaN: they would differ from run to run.

        Args:
            data: CDR of the image message.
            msgtype: of it.
            stamp_ns: when it was recorded; tells the time where stamps stand still.

        """
        known = self._kept.recall(image := journal.digest(data))
        found = known or Found(image)
        self._memory.begin(found, recalling=known is not None)
        self._outcome.recalled += known is not None
        array = self._answer(data, msgtype, stamp_ns, found)
        if known is None:
            self._kept.add(found)
        return array

    def _answer(
        self, data: bytes, msgtype: str, stamp_ns: int, found: Found
    ) -> EmotionArray | None:
        outcome = self._outcome
        outcome.images += 1
        try:
            if found.fault:
                raise ImageError(*found.fault)
            message = self._types.decode_image(data, msgtype)
            image = found.picture() if found.shape else image_to_bgr(message)
            found.shape = image.shape[0], image.shape[1]
            jumps = self._clock.jumps_back
            time_s = self._clock.to_monotonic_s(seconds(message.header.stamp), stamp_ns * 1e-9)
            if self._clock.jumps_back > jumps:
                self._pipeline.reset()
            faces = self._pipeline.process(image, time_s)
        except (ImageError, cv2.error, ValueError) as error:
            kind = getattr(error, 'kind', type(error).__name__)
            if found.shape is None:
                found.fault = kind, str(error)
            outcome.unusable[kind] += 1
            outcome.first_fault = outcome.first_fault or str(error)
            return None
        outcome.faces += len(faces)
        outcome.ids |= {face.face_id for face in faces}
        array = to_emotion_array(faces, message.header, image.shape)
        array.images_received = outcome.images
        array.processing_time = math.nan
        return array


def process_bag(
    source: Path,
    out: Path,
    pipeline: Pipeline,
    topic: str = '',
    namespace: str = '',
    only_new: bool = False,
    storage: str = STORAGES[0],
    compress: bool = False,
    identity: str = '',
) -> Outcome:
    """
    Write a recording with the emotions in the images of another.

    A run that was interrupted leaves what it found in `out`.partial, and the next one goes on from there,
    as long as the images, the pipeline and the code are the same; it ends with the same bytes.

    Args:
        source: the recording.
        out: folder of the new one; must not exist.
        pipeline: new, or reset: tracks go on from where it is.
        topic: of the images; empty where the recording has one topic with images.
        namespace: in front of the names of the new topics.
        only_new: leave the recording's own messages out.
        storage: one of `STORAGES`.
        compress: with zstd.
        identity: what the pipeline's own settings do not tell of it, such as its detector's file.

    Raises:
        BagError: if `source` cannot be read, holds no images, or `out` cannot be written.

    """
    names = emotion_topics(namespace)
    types = MessageTypes()
    with open_bag(source) as bag:
        images = image_connections(bag, topic)
        outcome = Outcome(images[0].topic)
        if not only_new:
            _refuse_taken(bag, names)
        key = _key(pipeline, identity)
        with (
            new_bag(out, storage, compress, keep=journal.NAME) as new,
            closing(Journal(new.partial / journal.NAME, key)) as kept,
        ):
            copies = {} if only_new else _copies(bag, new, types, outcome)
            reader = ImageReader(pipeline, types, outcome, kept)
            read = _process(bag, new, images, copies, reader, types, names)
            new.describe('emotion_perception.images', outcome.topic)
            model = pipeline.classifier.metadata
            new.describe('emotion_perception.model', f'{model.name} sha256 {model.sha256}')
        outcome.missing = bag.missing(read)
    return outcome


def _key(pipeline: Pipeline, identity: str) -> dict[str, Any]:
    """Return all that the answers depend on, but the images."""
    model, detector = pipeline.classifier.metadata, pipeline.detector
    return {
        'code': journal.code_digest(),
        'packages': journal.installed(),
        'model': [
            model.name,
            model.sha256,
            pipeline.classifier.head,
            model.temperature,
            model.offset,
        ],
        'detector': [type(detector).__name__, detector.min_detection_score, detector.min_face_px],
        'every': pipeline.detect_every,
        'tracking': asdict(pipeline.settings) if pipeline.tracker else None,
        'identity': identity,
    }


def _refuse_taken(bag: Bag, names: tuple[str, str]) -> None:
    for name in names:
        if bag.on(name):
            raise BagError(
                f'{bag.path} holds {name} already; give --namespace for the new topics, or --only-new'
            )


def _copies(bag: Bag, new: NewBag, types: MessageTypes, outcome: Outcome) -> dict[int, Connection]:
    """Announce the recording's own topics in the new one; return the new for each old, by its id."""
    copies = {}
    for old in bag.connections:
        definition = types.definition_of(old)
        if definition is None:
            outcome.left_out.append(f'{old.topic} ({old.msgtype})')
            continue
        assert isinstance(old.ext, ConnectionExtRosbag2)
        copies[old.id] = new.add_topic(
            old.topic, old.msgtype, definition,
            old.ext.serialization_format, old.ext.offered_qos_profiles,
        )  # fmt: skip
    return copies


def _process(
    bag: Bag,
    new: NewBag,
    images: tuple[Connection, ...],
    copies: dict[int, Connection],
    reader: ImageReader,
    types: MessageTypes,
    names: tuple[str, str],
) -> list[Connection]:
    """Write all messages; return the connections that were read."""
    emotions = new.add_topic(names[0], EMOTION, types.define(EMOTION))
    arrays = new.add_topic(names[1], EMOTIONS_OF_IMAGE, types.define(EMOTIONS_OF_IMAGE))
    of_images = {one.id for one in images}
    read = [one for one in bag.connections if one.id in copies or one.id in of_images]
    total = sum(one.msgcount for one in read)
    with tqdm(total=total, unit='message', disable=None, desc='process') as bar:
        for connection, stamp_ns, data in bag.messages(read):
            bar.update()
            if connection.id in copies:
                new.write(copies[connection.id], stamp_ns, data)
            if connection.id not in of_images:
                continue
            array = reader.answer(data, connection.msgtype, stamp_ns)
            if array is None:
                continue
            for emotion in array.faces:
                new.write(emotions, stamp_ns, types.encode(emotion, EMOTION))
            new.write(arrays, stamp_ns, types.encode(array, EMOTIONS_OF_IMAGE))
    return read
