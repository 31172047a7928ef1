# SPDX-License-Identifier: Apache-2.0
"""Other readers, mcap and rosbags, read every message of our recordings."""

import json
import math
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_share_directory
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader

from emotion_perception.bag.message_types import COMPRESSED, EMOTION, EMOTIONS_OF_IMAGE, RAW
from emotion_perception.bag.process import process_bag


def check(array, face, count):
    """Check the fields of one EmotionArray and one Emotion."""
    assert array.header.frame_id == 'eye'
    assert (array.image_width, array.image_height, len(array.faces)) == (320, 240, 1)
    assert array.images_received == count
    assert math.isnan(array.age)
    assert face.label == 'happiness'
    assert face.face_id == 1
    assert sum(face.smoothed_probabilities) == pytest.approx(1, abs=1e-4)
    assert face.box.width > 30


@pytest.mark.parametrize('compress', [False, True], ids=['plain', 'compressed'])
def test_mcap_with_ros_2_support_reads_every_message(tmp_path, portrait_bag, pipeline, compress):
    process_bag(portrait_bag, tmp_path / 'out', pipeline, compress=compress)
    with (tmp_path / 'out' / 'bag.mcap').open('rb') as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()], validate_crcs=True)
        assert reader.get_header().profile == 'ros2'
        assert reader.get_summary().statistics.message_count == 15
        read = [(schema.name, message) for schema, _, _, message in reader.iter_decoded_messages()]
    names = [name for name, _ in read]
    assert names == [RAW, EMOTION, EMOTIONS_OF_IMAGE] * 5
    for count in range(5):
        check(read[3 * count + 2][1], read[3 * count + 1][1], count + 1)
    assert len(read[0][1].data) == 320 * 240 * 3


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_rosbags_reads_every_message_and_agrees_on_the_hashes(
    tmp_path, portrait_bag, pipeline, storage
):
    process_bag(portrait_bag, tmp_path / 'out', pipeline, storage=storage)
    with AnyReader([tmp_path / 'out']) as reader:  # which compares definition and hash
        read = [reader.deserialize(m[2], m[0].msgtype) for m in reader.messages()]
    assert len(read) == 15
    for count in range(5):
        check(read[3 * count + 2], read[3 * count + 1], count + 1)


@pytest.mark.parametrize('kind', [RAW, COMPRESSED, EMOTION, EMOTIONS_OF_IMAGE])
def test_type_hashes_are_those_that_rosidl_computed(types, kind):
    package, _, name = kind.split('/')
    path = Path(get_package_share_directory(package)) / 'msg' / f'{name}.json'
    if not path.is_file():
        pytest.skip(f'there is no {path.name} in this installation')
    hashes = {
        row['type_name']: row['hash_string'] for row in json.loads(path.read_text())['type_hashes']
    }
    assert types.define(kind)[1] == hashes[kind]
