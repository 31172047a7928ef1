"""What is said of images: that came from a camera, and that came back from a second process."""

import math

import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from emotion_perception.doctor import transport
from emotion_perception.doctor.camera_images import judge_images
from emotion_perception.doctor.check_result import OK, PROBLEM, WARNING
from emotion_perception.ros.conversions import bgr_to_image

IMAGE = bgr_to_image(np.zeros((48, 64, 3), np.uint8), Header())


def arrivals(count=31, rate_hz=30.0, age_s=0.01):
    """Return the time of arrival and the age of steady images."""
    return [(100 + number / rate_hz, age_s) for number in range(count)]


def judge(message=IMAGE, came=None, seconds=1.0):
    """Return what is said of images on /eye."""
    came = arrivals() if came is None else came
    return judge_images('/eye', message, came, seconds, {'topic': '/eye'})


def test_a_good_camera():
    finding = judge()
    assert (finding.status, finding.do) == (OK, '')
    assert finding.text == (
        '/eye: 31 images in 1 s, 30.0 Hz, 64x48 bgr8, 10.0 ms after their stamp (p50; p99 10.0 ms)'
    )
    assert finding.values == {
        'topic': '/eye', 'images': 31, 'rate_hz': 30.0, 'encoding': 'bgr8', 'size': [64, 48],
        'latency_p50_ms': 10.0, 'latency_p99_ms': 10.0,
    }  # fmt: skip


def test_a_silent_one():
    finding = judge(None, [])
    assert finding.status == PROBLEM
    assert finding.text == '/eye is published, but no image came in 1 s'
    assert 'export FAST' in finding.do
    assert finding.values['images'] == 0


@pytest.mark.parametrize(
    ('came', 'text', 'do'),
    [
        (arrivals(age_s=math.nan), 'without stamps', 'set stamps'),
        (arrivals(age_s=4.0), '4000.0 ms after their stamp', 'chrony'),
        (arrivals(age_s=-4.0), '-4000.0 ms after their stamp', 'chrony'),
        (arrivals(3, 2.0), '2.0 Hz', 'raise the rate'),
        (arrivals(1), '1.0 Hz', 'raise the rate'),
    ],
)
def test_odd_ones(came, text, do):
    finding = judge(came=came)
    assert finding.status == WARNING
    assert text in finding.text
    assert do in finding.do


def test_images_that_cannot_be_read():
    damaged = CompressedImage(format='jpeg', data=b'\xff\xd8\xff')
    finding = judge(damaged)
    assert finding.status == PROBLEM
    assert 'they cannot be read: ' in finding.text
    assert finding.values['encoding'] == 'jpeg'


@pytest.mark.parametrize(
    ('received', 'status'),
    [(30, OK), (27, OK), (26, WARNING), (15, WARNING), (14, PROBLEM), (0, PROBLEM)],
)
def test_the_count_of_images_that_came_back(received, status):
    finding = transport.judge(received, [1.5] * received, '', 'export X=y')
    assert finding.status == status
    assert f'{received} of 30 images of 640x480' in finding.text
    assert finding.values['received'] == received
    assert ('export X=y' in finding.do) == (status != OK)


def test_a_second_process_that_failed():
    finding = transport.judge(0, [], 'RCLError: no memory', 'export X=y')
    assert finding.status == PROBLEM
    assert 'RCLError: no memory' in finding.text
