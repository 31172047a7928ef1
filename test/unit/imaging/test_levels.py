# SPDX-License-Identifier: Apache-2.0
"""16-bit images: the part of the range that a camera uses becomes black to white."""

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

from emotion_perception.imaging.codecs import decode_compressed, read_image
from emotion_perception.imaging.levels import Levels
from emotion_perception.pipeline import Pipeline
from emotion_perception.ros.conversions import image_to_bgr
from support.ros_peer import portrait_image

RAMP = np.tile(np.linspace(0, 1, 256), (64, 1))


@pytest.mark.parametrize(
    ('black', 'white', 'text'),
    [
        (0, 1023, '0..1022'),  # 10, 12 and 14 bits in 16
        (0, 4095, '4..4091'),
        (0, 16383, '0..16383'),
        (7000, 9000, '7002..8998'),  # thermal
        (0, 65535, '0..65535'),
        (20000, 55000, '0..65535'),  # more than half: as it is
        (500, 500, '373..628'),  # flat: noise is not magnified
        (0, 3, '0..255'),
        (65530, 65535, '65405..65660'),
    ],
)
def test_the_range_of_one_image(black, white, text):
    levels = Levels()
    assert str(levels) == ''
    found = levels.to_8_bit((black + RAMP * (white - black)).round().astype(np.uint16))
    low, high = (int(value) for value in text.split('..'))
    used = [int(value) for value in str(levels).split('..')]
    assert used == pytest.approx([low, high], abs=0.003 * (white - black) + 1)
    expected = 255 * (np.array([black, white]) - low) / (high - low)
    assert found[0, [0, -1]].tolist() == pytest.approx(np.clip(expected, 0, 255), abs=1)


def test_the_range_follows_slowly():
    levels = Levels()
    dark, bright = ((RAMP * white).astype(np.uint16) for white in (1000, 4000))
    levels.to_8_bit(dark)
    whites = []
    for _ in range(40):
        levels.to_8_bit(bright)
        whites.append(int(str(levels).split('..')[1]))
    assert whites[0] == pytest.approx(1300, abs=20)
    assert whites == sorted(whites)
    assert whites[-1] == pytest.approx(4000, rel=0.02)


@pytest.mark.parametrize('encoding', ['mono16', 'rgb16', 'bayer_rggb16', 'png', 'png file'])
def test_a_dark_16_bit_portrait_is_read(encoding, tmp_path):
    """Scaled by 65535 it would be black."""
    dark = portrait_image().astype(np.uint16) * 4  # 10 bits
    gray = cv2.cvtColor(dark, cv2.COLOR_BGR2GRAY)
    if encoding == 'png':
        message = CompressedImage(data=cv2.imencode('.png', gray)[1].tobytes())
    elif encoding == 'png file':
        cv2.imwrite(str(tmp_path / 'dark.png'), dark)
    else:
        data = dark[..., ::-1] if encoding == 'rgb16' else gray
        height, width = gray.shape
        message = Image(encoding=encoding, height=height, width=width)
        message.step, message.data = data.nbytes // height, data.tobytes()
    from_file = encoding == 'png file'
    image = read_image(tmp_path / 'dark.png') if from_file else image_to_bgr(message)
    assert image.dtype == np.uint8
    assert image.max() == 255
    (face,) = Pipeline.default(tracking=False).process_untracked(image)
    assert face.label == 'happiness'


def test_without_levels_the_scale_is_fixed():
    pixels = np.array([[0, 255, 256, 65535]], np.uint16)
    blob = cv2.imencode('.png', pixels)[1].tobytes()
    assert decode_compressed(blob)[0, :, 0].tolist() == [0, 0, 1, 255]
