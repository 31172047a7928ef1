# SPDX-License-Identifier: Apache-2.0
"""Results for images from a camera and from a second process."""

import math

import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from emotion_perception.doctor.camera_images import check_images
from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING
from emotion_perception.doctor.transport import rate_received
from emotion_perception.ros.conversions import bgr_to_image

IMAGE = bgr_to_image(np.zeros((48, 64, 3), np.uint8), Header())


def arrivals(count=31, rate_hz=30.0, age_s=0.01):
    """Return time of arrival and age of images at a steady rate."""
    return [(100 + number / rate_hz, age_s) for number in range(count)]


def check(message=IMAGE, received=None):
    """Return the result for images received on /eye within one second."""
    received = arrivals() if received is None else received
    return check_images('/eye', message, received, 1.0, {'topic': '/eye'})


def test_good_images():
    result = check()
    assert (result.status, result.advice) == (OK, '')
    assert result.text == (
        '/eye: 31 images in 1 s, 30.0 Hz, 64x48 bgr8, age p50 10.0 ms, p99 10.0 ms'
    )
    assert result.values == {
        'topic': '/eye', 'images': 31, 'rate_hz': 30.0, 'encoding': 'bgr8', 'size': [64, 48],
        'age_p50_ms': 10.0, 'age_p99_ms': 10.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ('message', 'received', 'status', 'text', 'advice'),
    [
        (None, [], PROBLEM, '/eye is published, but no image came in 1 s', 'export FAST'),
        (CompressedImage(format='jpeg', data=b'\xff\xd8\xff'), None, PROBLEM,
         'they cannot be decoded: ', 'another encoding'),
        (IMAGE, arrivals(age_s=math.nan), WARNING, 'without stamps', 'set stamps'),
        (IMAGE, arrivals(age_s=4.0), WARNING, 'age p50 4000.0 ms', 'chrony'),
        (IMAGE, arrivals(age_s=-4.0), WARNING, 'age p50 -4000.0 ms', 'chrony'),
        (IMAGE, arrivals(3, 2.0), WARNING, '2.0 Hz', 'raise the rate'),
        (IMAGE, arrivals(1), WARNING, '1.0 Hz', 'raise the rate'),
    ],
)  # fmt: skip
def test_images_with_a_fault(message, received, status, text, advice):
    result = check(message, received)
    assert result.status == status
    assert text in result.text
    assert advice in result.advice


@pytest.mark.parametrize(
    ('received', 'status'),
    [(30, OK), (27, OK), (26, WARNING), (15, WARNING), (14, PROBLEM), (0, PROBLEM)],
)
def test_images_from_a_second_process(received, status):
    result = rate_received([1.5] * received, '', 'export X=y')
    assert result.status == status
    assert f'{received} of 30 images of 640x480' in result.text
    assert result.values['received'] == received
    assert ('export X=y' in result.advice) == (status != OK)


def test_error_of_the_second_process():
    result = rate_received([], 'RCLError: no memory', 'export X=y')
    assert (result.status, result.text) == (
        PROBLEM, 'a second process could not send: RCLError: no memory',
    )  # fmt: skip
