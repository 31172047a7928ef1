# SPDX-License-Identifier: Apache-2.0
"""
Recordings with expected emotions: a change of model, detector or tracker shows as a table.

After an intended change, EMOTION_REGRESSION=update writes the new results into regression/*.json:

    EMOTION_REGRESSION=update python -m pytest test/system/test_regression_bags.py
"""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from std_msgs.msg import Header

from emotion_perception.bag.comparison import differences, read_summary, table
from emotion_perception.bag.message_types import RAW, MessageTypes
from emotion_perception.bag.process import process_bag
from emotion_perception.bag.record import record_bag
from emotion_perception.bag.writing import new_bag
from emotion_perception.detection.keyframes import DETECT_EVERY
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import bgr_to_image, time_message

EXPECTED = Path(__file__).with_name('regression')
CLIPS = {
    'one_person': 'single_face.mp4',
    'changing_face': 'WolfgangLanger_Pexels.mp4',
    'nobody': 'no_face.mp4',
    'nodding': 'yes.mkv',
    'two_faces': 'head-pose-face-detection-female-and-male.gif',
    'walking_in': 'face-demographics-walking.gif',
}
LONGEST_S = 10.5
# decoders of OpenCV differ by a frame, processors by the last digit
IMAGES, SECONDS = 3, 0.25


def check(name, source, folder):
    """Process a recording; compare its summary with the expected one, or write that."""
    pipeline = Pipeline.default(detect_every=DETECT_EVERY)
    process_bag(source, folder / 'out', pipeline, only_new=True)
    found = read_summary(folder / 'out')
    path = EXPECTED / f'{name}.json'
    if os.environ.get('EMOTION_REGRESSION') == 'update':
        path.write_text(json.dumps(found, indent=1) + '\n')
    rows = differences(json.loads(path.read_text()), found, IMAGES, SECONDS)
    if rows:
        pytest.fail(f'{name} differs from {path.name}:\n{table(rows)}', False)


@pytest.mark.parametrize('name', CLIPS)
def test_a_clip(tmp_path, shared, name):
    clip = shared / 'media' / CLIPS[name]
    record_bag(str(clip), tmp_path / 'in', 'jpeg', seconds=LONGEST_S)
    check(name, tmp_path / 'in', tmp_path)


def test_the_portrait_before_a_moving_camera(tmp_path):
    record_bag('portrait', tmp_path / 'in', seconds=4)
    check('portrait', tmp_path / 'in', tmp_path)


def test_visitors_come_and_go(tmp_path, portrait):
    """A recording at 20 Hz: a face comes, another comes, both go, one returns."""
    face = cv2.resize(portrait, (320, 320))[:300]
    types = MessageTypes()
    with new_bag(tmp_path / 'visitors') as new:
        topic = new.add_topic('/door/image', RAW, types.define(RAW))
        for number in range(120):
            time_s = number / 20
            image = np.full((480, 640, 3), 120, np.uint8)
            if time_s < 3 or time_s >= 4.5:
                image[100:400, :320] = face
            if 1 <= time_s < 3.5:
                image[120:420, 320:] = face[:, ::-1]
            stamp_ns = 10**9 + number * 50_000_000
            header = Header(stamp=time_message(stamp_ns), frame_id='door')
            new.write(topic, stamp_ns, types.encode(bgr_to_image(image, header), RAW))
    check('visitors', tmp_path / 'visitors', tmp_path)
    expected = json.loads((EXPECTED / 'visitors.json').read_text())
    assert [face['id'] for face in expected['faces']] == [1, 2, 3]
    assert [face['images'] for face in expected['faces']] == [60, 50, 30]
