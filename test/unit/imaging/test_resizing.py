"""Pictures are downscale without aliasing, and keep their geometry."""

import cv2
import numpy as np
import pytest

from emotion_perception.imaging.resizing import downscale, halve, halving_count


@pytest.mark.parametrize(
    ('scale', 'times'), [(4.0, 0), (1.0, 0), (0.51, 0), (0.5, 1), (0.3, 1), (0.25, 2), (0.1, 3)]
)
def test_halvings_leave_less_than_half(scale, times):
    assert halving_count(np.zeros((100, 100), np.uint8), scale) == times


def test_halvings_stop_at_one_pixel():
    assert halving_count(np.zeros((5, 90), np.uint8), 0.001) == 2


def test_halved_is_the_mean_of_squares():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    # of whole numbers up to 63, means of four end in .0 or .5; OpenCV rounds
    wanted = image.reshape(4, 2, 4, 2).mean((1, 3))
    assert np.abs(halve(image, 1) - wanted).max() <= 0.5


def test_halved_leaves_out_what_is_over():
    image = np.full((11, 9, 3), 200, np.uint8)
    image[8:], image[:, 8:] = 0, 0
    assert halve(image, 2).shape == (2, 2, 3)
    assert (halve(image, 2) == 200).all()


def test_not_halved_is_the_same_picture():
    image = np.zeros((3, 3), np.uint8)
    assert halve(image, 0) is image


@pytest.mark.parametrize('size', [(640, 480), (1920, 1080), (1279, 721), (100, 1), (3, 3)])
def test_shrunk_keeps_places(size):
    """A ramp from left to right stays that ramp."""
    width, height = size
    ramp = np.broadcast_to(np.linspace(0, 255, width)[None, :, None], (height, width, 3))
    small = downscale(ramp.astype(np.uint8), 192 / max(size))
    assert max(small.shape) in (191, 192)
    middle = small[small.shape[0] // 2, :, 0].astype(float)
    at = (np.arange(len(middle)) + 0.5) * max(size) / 192 - 0.5
    wanted = np.clip(np.interp(at, np.arange(width), np.linspace(0, 255, width)), 0, 255)
    assert np.abs(middle - wanted).max() < 2.5


def test_shrunk_does_not_alias():
    """Stripes of one pixel become even gray."""
    stripes = np.zeros((480, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    small = downscale(stripes, 0.3)
    assert np.ptp(small) <= 2
    assert cv2.resize(stripes, (192, 144), interpolation=cv2.INTER_LINEAR).std() > 50
