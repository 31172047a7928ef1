# SPDX-License-Identifier: Apache-2.0
"""Depth images: decoding, and the depth of a face in front of a wall."""

import math

import numpy as np
import pytest

from emotion_perception.errors import ImageError
from emotion_perception.imaging.depth import face_depth_m, to_depth

BOX = (200.0, 100.0, 100.0, 100.0)
SIZE = (640, 480)


def scene(factor=1.0, kind=np.float32):
    """Return a face at 1.2 m before a wall at 3 m, in any size and unit."""
    depth = np.full((round(480 * factor), round(640 * factor)), 3.0)
    y, x, side = (round(v * factor) for v in (110, 210, 80))
    depth[y : y + side, x : x + side] = 1.2
    return (depth * (1000 if kind == np.uint16 else 1)).astype(kind)


@pytest.mark.parametrize('factor', [0.5, 1.0, 1.5])
@pytest.mark.parametrize('kind', [np.float32, np.uint16])
def test_a_face_is_nearer_than_the_wall(factor, kind):
    assert face_depth_m(scene(factor, kind), BOX, SIZE) == pytest.approx(1.2)


@pytest.mark.parametrize(('unknown', 'kind'), [(0, np.uint16), (math.nan, np.float32)])
def test_holes(unknown, kind):
    depth = scene(kind=kind)
    depth[130:170, 230:255] = unknown
    assert face_depth_m(depth, BOX, SIZE) == pytest.approx(1.2)
    depth[120:180, 220:270] = unknown
    assert math.isnan(face_depth_m(depth, BOX, SIZE))


@pytest.mark.parametrize(
    'box', [(-500.0, -500.0, 80.0, 80.0), (700.0, 100.0, 50.0, 50.0), (10.0, 10.0, 0.0, 0.0)]
)
def test_a_face_outside(box):
    assert math.isnan(face_depth_m(scene(), box, SIZE))


def test_a_face_across_the_border():
    assert face_depth_m(scene(), (-40.0, 440.0, 100.0, 100.0), SIZE) == pytest.approx(3.0)


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize(('encoding', 'kind'), [('16UC1', 'u2'), ('32FC1', 'f4')])
def test_decoding_with_padded_rows(encoding, kind, big):
    values = np.arange(12, dtype=f'{"<>"[big]}{kind}').reshape(3, 4)
    data = np.pad(values, ((0, 0), (0, 2))).astype(values.dtype).tobytes()
    step = 6 * values.itemsize
    found = to_depth(data, encoding, 3, 4, step, big)
    assert found.tolist() == np.arange(12).reshape(3, 4).tolist()


@pytest.mark.parametrize(
    ('kind', 'encoding', 'size', 'step', 'length'),
    [
        ('depth encoding', 'rgb8', (4, 4), 12, 48),
        ('depth size', '16UC1', (4, 4), 8, 31),
        ('depth size', '16UC1', (4, 4), 7, 64),
        ('depth size', '32FC1', (4, 4), 18, 80),
        ('image too large', '32FC1', (100_000, 100_000), 400_000, 64),
    ],
)
def test_what_is_no_depth_image(kind, encoding, size, step, length):
    with pytest.raises(ImageError) as error:
        to_depth(bytes(length), encoding, *size, step, False)
    assert error.value.kind == kind
