# SPDX-License-Identifier: Apache-2.0
"""Conversions to messages."""

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import RegionOfInterest

from emotion_perception.ros.conversions import Emotion, image_to_bgr, to_face_image


def emotion(x, y, width, height):
    box = RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height)
    return Emotion(box=box)


def gradient():
    """Return an image whose blue rises to the right and whose green rises to the bottom."""
    rows, columns = np.mgrid[0:200, 0:200]
    return np.dstack([columns, rows, np.zeros_like(rows)]).astype(np.uint8)


def test_the_image_of_a_face_is_the_square_around_its_box():
    crop = image_to_bgr(to_face_image(emotion(40, 60, 64, 48), gradient()))
    assert crop.shape == (128, 128, 3)
    # the square of 64 pixels around (72, 84), enlarged by two
    assert crop[64, ::16, 0] == pytest.approx(40 + np.arange(8) * 8, abs=1)
    assert crop[::16, 64, 1] == pytest.approx(52 + np.arange(8) * 8, abs=1)


def test_what_lies_outside_the_image_is_black():
    crop = image_to_bgr(to_face_image(emotion(0, 0, 40, 120), gradient() + 50))
    assert (crop[:, :40] == 0).all()
    assert crop[64, 64:].min() >= 50


@pytest.mark.parametrize('angle_deg', [-90.0, 20.0, 90.0, 180.0])
def test_a_rotated_face_is_upright_when_aligned(angle_deg):
    upright = gradient()
    turn = cv2.getRotationMatrix2D((99.5, 99.5), -angle_deg, 1)
    rotated = cv2.warpAffine(upright, turn, (200, 200))
    box = emotion(68, 68, 64, 64)
    expected = image_to_bgr(to_face_image(box, upright)).astype(int)
    found = image_to_bgr(to_face_image(box, rotated, angle_deg)).astype(int)
    assert np.abs(found - expected)[8:-8, 8:-8].max() <= 3
