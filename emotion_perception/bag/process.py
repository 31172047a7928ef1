# SPDX-License-Identifier: Apache-2.0
"""Add the emotions to a recording as fast as possible; every run gives the same bytes."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
from rosbags.interfaces import Connection, ConnectionExtRosbag2
from tqdm import tqdm

from emotion_perception.bag.message_types import (
    CAMERA_INFO,
    EMOTION,
    EMOTIONS_OF_IMAGE,
    MessageTypes,
    emotion_topics,
)
from emotion_perception.bag.reading import Bag, image_connections, open_bag
from emotion_perception.bag.writing import STORAGES, NewBag, new_bag
from emotion_perception.errors import BagError, ImageError
from emotion_perception.imaging.levels import Levels
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import (
    EmotionArray,
    camera_info_topic,
    image_to_bgr,
    seconds,
    to_camera,
    to_emotion_array,
)
from emotion_perception.ros.stamps import MonotonicStamps
from emotion_perception.runtime.quiet import without_library_notes


@dataclass
class ProcessingResult:
    """
    Counts of one processed recording.

    Attributes:
        topic: of the images.
        images: images in the recording.
        faces: detected faces in all images.
        face_ids: ids of these faces.
        failed: failed images by kind of fault.
        first_failure: message of the first failed image.
        missing: by topic, messages that the recording's index counts and its file does not hold.
        remark: why its metadata.yaml is not used, and its data files are.
        not_copied: topics that were not copied, because the definition of their type is not known.

    """

    topic: str
    images: int = 0
    faces: int = 0
    face_ids: set[int] = field(default_factory=set)
    failed: Counter[str] = field(default_factory=Counter)
    first_failure: str = ''
    missing: dict[str, int] = field(default_factory=dict)
    remark: str = ''
    not_copied: list[str] = field(default_factory=list)


class ImageProcessor:
    """Runs the pipeline on recorded image messages as the node does, and counts."""

    def __init__(self, pipeline: Pipeline, types: MessageTypes, result: ProcessingResult):
        """Start before the first image; the pipeline is new, or reset."""
        self._pipeline, self._types, self._result = pipeline, types, result
        self._stamps, self._levels = MonotonicStamps(), Levels()

    def set_camera(self, data: bytes) -> None:
        """Take the camera of the next images from the CDR bytes of a CameraInfo message."""
        try:
            self._pipeline.camera = to_camera(self._types.decode(data, CAMERA_INFO))
        except (BagError, ValueError):
            self._pipeline.camera = None  # positions are unknown

    def process(self, data: bytes, msgtype: str, recorded_ns: int) -> EmotionArray | None:
        """
        Return the faces in one image; None if the image failed.

        Times that would differ from run to run, such as the processing time, are NaN.

        Args:
            data: CDR bytes of the image message.
            msgtype: its type.
            recorded_ns: time of recording; stands for the time of arrival.

        """
        result = self._result
        result.images += 1
        try:
            message = self._types.decode_image(data, msgtype)
            with without_library_notes():
                image = image_to_bgr(message, self._levels)
            jumps = self._stamps.jumps_back
            stamp = seconds(message.header.stamp)
            time_s = self._stamps.to_monotonic_s(stamp, recorded_ns * 1e-9)
            if self._stamps.jumps_back > jumps:
                self._pipeline.reset()
            faces = self._pipeline.process(image, time_s)
        except (ImageError, cv2.error, ValueError) as error:
            result.failed[getattr(error, 'kind', type(error).__name__)] += 1
            result.first_failure = result.first_failure or str(error)
            return None
        result.faces += len(faces)
        result.face_ids |= {face.face_id for face in faces}
        array = to_emotion_array(faces, message.header, image.shape)
        array.images_received = result.images
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
    progress: bool = True,
) -> ProcessingResult:
    """
    Write a recording with the emotions in the images of another.

    Args:
        source: the recording.
        out: folder of the new one; must not exist.
        pipeline: new, or reset: its tracks would go on.
        topic: of the images; empty where the recording has one topic with images.
        namespace: in front of the names of the new topics.
        only_new: do not copy the recording's own messages.
        storage: one of `STORAGES`.
        compress: with zstd.
        progress: show a bar in a terminal.

    Raises:
        BagError: if `source` cannot be read, holds no images, or `out` cannot be written.

    """
    emotion, faces = emotion_topics(namespace)
    types = MessageTypes()
    with open_bag(source) as bag:
        images = image_connections(bag, topic)
        result = ProcessingResult(images[0].topic, remark=bag.remark)
        beside = bag.on(camera_info_topic(result.topic))
        calibrations = [one for one in beside if one.msgtype == CAMERA_INFO]
        for name in (emotion, faces):
            if not only_new and bag.on(name):
                raise BagError(
                    f'{source} has {name} already; '
                    'give --namespace for the new topics, or --only-new'
                )
        with new_bag(out, storage, compress) as new:
            copies = {} if only_new else _add_copies(bag, new, types, result)
            emotions = new.add_topic(emotion, EMOTION, types.define(EMOTION))
            arrays = new.add_topic(faces, EMOTIONS_OF_IMAGE, types.define(EMOTIONS_OF_IMAGE))
            processor = ImageProcessor(pipeline, types, result)
            used = *images, *calibrations
            read = [one for one in bag.connections if one.id in copies or one in used]
            messages: Iterable[tuple[Connection, int, bytes]] = bag.messages(read)
            if progress:
                total = sum(one.msgcount for one in read)
                messages = tqdm(
                    messages, total=total, unit='message', disable=None, desc='process'
                )
            for connection, stamp_ns, data in messages:
                if connection.id in copies:
                    new.write(copies[connection.id], stamp_ns, data)
                if connection in calibrations:
                    processor.set_camera(data)
                if connection not in images:
                    continue
                array = processor.process(data, connection.msgtype, stamp_ns)
                if array is None:
                    continue
                for face in array.faces:
                    new.write(emotions, stamp_ns, types.encode(face, EMOTION))
                new.write(arrays, stamp_ns, types.encode(array, EMOTIONS_OF_IMAGE))
            new.set_metadata('emotion_perception.images', result.topic)
            model = pipeline.classifier.metadata
            new.set_metadata('emotion_perception.model', f'{model.name} sha256 {model.sha256}')
        result.missing = bag.missing(read)
    return result


def _add_copies(
    bag: Bag, new: NewBag, types: MessageTypes, result: ProcessingResult
) -> dict[int, Connection]:
    """Add the recording's own topics to the new one; return the new connections by the old id."""
    copies = {}
    for old in bag.connections:
        definition = types.definition_of(old)
        if definition is None:
            result.not_copied.append(f'{old.topic} ({old.msgtype})')
            continue
        assert isinstance(old.ext, ConnectionExtRosbag2)
        qos = old.ext.offered_qos_profiles
        copies[old.id] = new.add_topic(
            old.topic, old.msgtype, definition, old.ext.serialization_format, qos
        )
    return copies
