"""Recordings of a few images, made for one test each."""

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from emotion_perception.bag.message_types import COMPRESSED, RAW, MessageTypes
from emotion_perception.bag.writing import new_bag
from emotion_perception.ros.conversions import bgr_to_image, time_message

START_NS = 5 * 10**9
PERIOD_NS = 10**8


@pytest.fixture(scope='session')
def types():
    """Return the message types."""
    return MessageTypes()


@pytest.fixture(scope='session')
def small_portrait(portrait):
    """Return the portrait as a camera of 320x240 sees it."""
    return np.ascontiguousarray(cv2.resize(portrait, (320, 320))[:240])


def stamped(number, frame_id='eye'):
    """Return the header of the image with this number."""
    return Header(stamp=time_message(START_NS + number * PERIOD_NS), frame_id=frame_id)


def jpeg(image, header):
    """Return a picture as a compressed message."""
    data = cv2.imencode('.jpg', image)[1].tobytes()
    return CompressedImage(header=header, format='jpeg', data=data)


@pytest.fixture
def write_bag(tmp_path, types):
    """Write a recording: topic to messages (or CDR bytes with `kind`), ten a second."""

    def write(name, topics, kinds=None, **options):
        path = tmp_path / name
        with new_bag(path, **options) as new:
            rows = []
            for order, (topic, messages) in enumerate(topics.items()):
                first = messages[0] if messages else None
                kind = (kinds or {}).get(topic) or {Image: RAW, CompressedImage: COMPRESSED}[
                    type(first)
                ]
                connection = new.add_topic(topic, kind, types.define(kind))
                rows += [
                    (START_NS + number * PERIOD_NS, order, connection, message)
                    for number, message in enumerate(messages)
                ]
            for stamp_ns, _, connection, message in sorted(rows, key=lambda row: row[:2]):
                raw = isinstance(message, bytes)
                data = message if raw else types.encode(message, connection.msgtype)
                new.write(connection, stamp_ns, data)
        return path

    return write


@pytest.fixture
def portrait_bag(write_bag, small_portrait):
    """Return a recording of five images of the portrait, between other messages."""
    images = [bgr_to_image(small_portrait, stamped(number)) for number in range(5)]
    return write_bag('portrait', {'/eye/image': images})
