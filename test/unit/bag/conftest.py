# SPDX-License-Identifier: Apache-2.0
"""Recordings of a few images, made for one test each."""

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from emotion_perception import cli
from emotion_perception.bag.message_types import COMPRESSED, RAW, MessageTypes
from emotion_perception.bag.reading import open_bag
from emotion_perception.bag.writing import new_bag
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import bgr_to_image, time_message

START_NS = 5 * 10**9
PERIOD_NS = 10**8


def stamped(number, frame_id='eye'):
    """Return the header of the image with this number."""
    return Header(stamp=time_message(START_NS + number * PERIOD_NS), frame_id=frame_id)


def jpeg(image, header):
    """Return an image as a compressed message."""
    data = cv2.imencode('.jpg', image)[1].tobytes()
    return CompressedImage(header=header, format='jpeg', data=data)


def contents(path):
    """Return (topic, time, bytes) of every message in a recording, in its order."""
    with open_bag(path) as bag:
        return [(one.topic, stamp, data) for one, stamp, data in bag.messages(bag.connections)]


def file_bytes(path):
    """Return name and content of each file of a recording."""
    return {file.name: file.read_bytes() for file in path.iterdir()}


def change_metadata(bag, old, new):
    """Replace a text in the metadata.yaml of a recording."""
    path = bag / 'metadata.yaml'
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def run(capsys):
    """Run `emotion-perception bag`; return exit code, output and error lines without LiteRT's."""

    def run_bag(*arguments):
        capsys.readouterr()
        code = cli.main(['bag', *map(str, arguments)])
        printed = capsys.readouterr()
        errors = [line for line in printed.err.splitlines() if not line.startswith('INFO')]
        return code, printed.out, errors

    return run_bag


@pytest.fixture(scope='session')
def types():
    """Return the message types."""
    return MessageTypes()


@pytest.fixture
def pipeline():
    """Return a new pipeline."""
    return Pipeline.default()


@pytest.fixture(scope='session')
def small_portrait(portrait):
    """Return the portrait as a camera of 320x240 sees it."""
    return np.ascontiguousarray(cv2.resize(portrait, (320, 320))[:240])


@pytest.fixture
def write_bag(tmp_path, types):
    """Write a recording: topic to messages (or CDR bytes with `kinds`), ten a second."""

    def write(name, topics, kinds=None, first=0, **options):
        path = tmp_path / name
        with new_bag(path, **options) as new:
            rows = []
            for order, (topic, messages) in enumerate(topics.items()):
                known = {Image: RAW, CompressedImage: COMPRESSED}
                kind = (kinds or {}).get(topic) or known[type(messages[0])]
                connection = new.add_topic(topic, kind, types.define(kind))
                rows += [
                    (START_NS + number * PERIOD_NS, order, connection, message)
                    for number, message in enumerate(messages, first)
                ]
            for stamp_ns, _, connection, message in sorted(rows, key=lambda row: row[:2]):
                raw = isinstance(message, bytes)
                data = message if raw else types.encode(message, connection.msgtype)
                new.write(connection, stamp_ns, data)
        return path

    return write


@pytest.fixture
def portrait_bag(write_bag, small_portrait):
    """Return a recording of five images of the portrait."""
    images = [bgr_to_image(small_portrait, stamped(number)) for number in range(5)]
    return write_bag('portrait', {'/eye/image': images})


@pytest.fixture
def image_bag(write_bag, small_portrait):
    """Return a function that writes a recording of three small images without a face."""

    def write(name='bag', **options):
        images = [bgr_to_image(small_portrait[:24, :32].copy(), stamped(n)) for n in range(3)]
        return write_bag(name, {'/eye': images}, **options)

    return write


@pytest.fixture
def archive(tmp_path, write_bag, small_portrait):
    """Return a function that writes recordings into a folder; `visits` maps names to images."""

    def write(**visits):
        for name, count in visits.items():
            images = [bgr_to_image(small_portrait, stamped(number)) for number in range(count)]
            write_bag(f'archive/monday/{name}', {'/eye': images})
        return tmp_path / 'archive'

    return write
