# SPDX-License-Identifier: Apache-2.0
"""The camera that a CameraInfo message describes."""

import math
from dataclasses import astuple

import pytest
from sensor_msgs.msg import CameraInfo, RegionOfInterest

from emotion_perception.ros.conversions import camera_info_topic, to_camera

K = [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0]
P = [480.0, 0.0, 315.0, -30.0, 0.0, 480.0, 235.0, 0.0, 0.0, 0.0, 1.0, 0.0]
D = [-0.28, 0.07, 0.001, -0.0005, 0.0]


def info(**fields):
    """Return a calibration of 640x480."""
    return CameraInfo(
        **{'width': 640, 'height': 480, 'k': K, 'p': P, 'd': D, 'distortion_model': 'plumb_bob'}
        | fields
    )


SIZE, RAW, RECTIFIED = (640, 480), ((500, 510), (320.5, 240.5)), ((480, 480), (315.5, 235.5))


@pytest.mark.parametrize(
    ('fields', 'rectified', 'expected'),
    [
        ({}, False, (SIZE, *RAW, tuple(D), False)),
        ({'distortion_model': 'unknown'}, True, (SIZE, *RECTIFIED, (), False)),
        ({'d': [0.1, 0.0, 0.0, 0.0], 'distortion_model': 'equidistant'}, False,
         (SIZE, *RAW, (0.1, 0, 0, 0), True)),
        ({'d': [0.0] * 5, 'distortion_model': ''}, False, (SIZE, *RAW, (), False)),
    ],
)  # fmt: skip
def test_the_camera_of_a_calibration(fields, rectified, expected):
    assert astuple(to_camera(info(**fields), rectified=rectified))[:5] == expected


def test_a_region_of_the_sensor():
    """Half of the sensor's width and height, and every second pixel of that."""
    roi = RegionOfInterest(x_offset=160, y_offset=120, width=320, height=240)
    camera = to_camera(info(roi=roi, binning_x=2, binning_y=2)).resized((160, 120))
    assert camera.center_px == ((320.5 - 160) / 2, (240.5 - 120) / 2)
    assert camera.focal_px == (250, 255)


@pytest.mark.parametrize(
    ('fields', 'reason'),
    [
        ({'k': [0.0] * 9}, 'no calibration'),
        ({'k': [math.nan] * 9}, 'a number in k or d that is not finite'),
        ({'d': [math.inf] * 5}, 'a number in k or d that is not finite'),
        ({'k': [-500.0, *K[1:]]}, 'a focal length fx of -500 px for 640 px: calibrate the camera'),
        # templates: the identity, and in widths and heights of the image
        ({'k': [1.0, 0.0, 320.0, 0.0, 1.0, 240.0, 0.0, 0.0, 1.0]}, 'a focal length fx of 1 px'),
        ({'k': [0.94, 0.0, 0.5, 0.0, 1.25, 0.5, 0.0, 0.0, 1.0]}, 'fx of 0.94 px for 640 px'),
        ({'k': [*K[:4], 6e4, *K[5:]]}, 'a focal length fy of 60000 px for 480 px'),
        ({'k': [*K[:5], 2000.0, *K[6:]]}, 'its center cy at 2000 px of 480 px'),
        ({'width': 0, 'height': 0}, 'no image size'),
        ({'distortion_model': 'thin_prism'}, "distortion model 'thin_prism'; known are plumb_bob"),
        ({'d': [0.1] * 3}, '3 distortion coefficients'),
        ({'d': [0.1] * 5, 'distortion_model': 'equidistant'}, '5 distortion coefficients'),
    ],
)
def test_what_is_no_calibration(fields, reason):
    with pytest.raises(ValueError, match=reason):
        to_camera(info(**fields))


@pytest.mark.parametrize(
    ('image', 'expected'),
    [
        ('/camera/image_raw', '/camera/camera_info'),
        ('/camera/image_raw/compressed', '/camera/camera_info'),
        ('/image', '/camera_info'),
    ],
)
def test_the_topic_beside_the_images(image, expected):
    assert camera_info_topic(image) == expected
