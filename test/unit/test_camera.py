# SPDX-License-Identifier: Apache-2.0
"""Where the pixels of a camera look, and where a face in front of it is."""

import math

import cv2
import numpy as np
import pytest

from emotion_perception.camera import Camera
from emotion_perception.geometry import rotate_image

PLUMB_BOB = (-0.28, 0.07, 0.001, -0.0005, 0.0)
FISHEYE = (0.05, -0.01, 0.003, -0.001)
POINTS = np.array([(0.1, -0.2, 1.0), (-0.8, 0.5, 2.0), (0.0, 0.0, 0.4), (1.5, 1.0, 4.0)])


def camera(**options):
    """Return a camera of 640x480."""
    return Camera((640, 480), (500.0, 510.0), (322.0, 237.0), **options)


def project(lens, points):
    """Return the pixels of points, by OpenCV, counted from the edge of the first pixel."""
    matrix = np.array([[500.0, 0, 321.5], [0, 510.0, 236.5], [0, 0, 1]])
    distortion, zero = np.array(lens.distortion or [0.0] * 4), np.zeros(3)
    if lens.fisheye:
        seen, _ = cv2.fisheye.projectPoints(points[:, None], zero, zero, matrix, distortion)
    else:
        seen, _ = cv2.projectPoints(points, zero, zero, matrix, distortion)
    return seen.reshape(-1, 2) + 0.5


def rotated_pixels(pixels, rotate_deg):
    """Return where pixels are in the image of 640x480 after a clockwise rotation."""
    for turn in range(rotate_deg // 90):
        height = (480, 640)[turn % 2]
        pixels = np.column_stack((height - pixels[:, 1], pixels[:, 0]))
    return pixels


@pytest.mark.parametrize('rotate_deg', [0, 90, 180, 270])
@pytest.mark.parametrize(
    'lens',
    [camera(), camera(distortion=PLUMB_BOB), camera(distortion=FISHEYE, fisheye=True)],
    ids=['none', 'plumb_bob', 'fisheye'],
)
def test_a_point_is_found_where_it_is(lens, rotate_deg):
    pixels = rotated_pixels(project(lens, POINTS), rotate_deg)
    lens = lens.rotated(rotate_deg)
    for pixel, point in zip(pixels, POINTS, strict=True):
        assert lens.position(pixel, point[2]) == pytest.approx(point, abs=2e-3)


def test_the_rotation_is_that_of_the_images():
    """The brightest pixel of a rotated image is where the tests say."""
    image = np.zeros((480, 640, 3), np.uint8)
    image[100, 500] = 255
    for rotate_deg in (90, 180, 270):
        y, x = np.argwhere(rotate_image(image, rotate_deg)[..., 0])[0]
        ((wanted_x, wanted_y),) = rotated_pixels(np.array([(500.5, 100.5)]), rotate_deg)
        assert (x + 0.5, y + 0.5) == (wanted_x, wanted_y)


def test_directions_in_a_rotated_image():
    """A pixel at the top of an image that was turned clockwise was at its left."""
    lens = camera().rotated(90)
    ((x, y),) = lens.normalize(np.array([(480 - 237.0, 322.0 - 250.0)]))
    assert (x, y) == pytest.approx((0, -0.5))
    assert lens.position((480 - 237.0, 72.0), 2.0) == pytest.approx((-1, 0, 2))


def test_an_image_of_another_size():
    half = camera().resized((320, 240))
    assert (half.focal_px, half.center_px) == ((250, 255), (161, 118.5))
    assert half.position((160.0, 118.5), 1.0) == pytest.approx(
        camera().position((320.0, 237.0), 1.0)
    )
    assert camera().resized((640, 480)) == camera()
    with pytest.raises(ValueError, match='calibrated for 640x480 pixels, the images have 640x360'):
        camera().resized((640, 360))


def test_field_of_view():
    lens = Camera.from_field_of_view((640, 480), math.radians(90))
    assert lens.position((640.0, 240.0), 3.0) == pytest.approx((3, 0, 3))
    assert Camera.from_field_of_view((480, 640), math.radians(90)).focal_px == lens.focal_px


def test_a_point_outside_of_what_the_lens_model_covers():
    lens = camera(distortion=(-3.0, 9.0, 0.0, 0.0, -9.0))
    place = lens.position((5000.0, 5000.0), 1.0)
    assert place is None or all(map(math.isfinite, place))
