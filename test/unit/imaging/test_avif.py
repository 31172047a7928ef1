# SPDX-License-Identifier: Apache-2.0
"""The orientation of avif images, asserted by the colors of their corners."""

import struct

import numpy as np
import pytest

from emotion_perception.imaging import avif
from emotion_perception.imaging.codecs import read_image
from support.avif_boxes import avif_file, box

COLORS = {'R': (0, 0, 255), 'G': (0, 255, 0), 'B': (255, 0, 0), 'W': (255, 255, 255)}

# what the corners become: above left and right, below left and right
ORIENTATIONS = [
    ((), (40, 60), 'RGBW'),
    (('irot', 0), (40, 60), 'RGBW'),
    (('irot', 1), (60, 40), 'GWRB'),  # counterclockwise
    (('irot', 2), (40, 60), 'WBGR'),
    (('irot', 3), (60, 40), 'BRWG'),
    (('imir', 0), (40, 60), 'BWRG'),
    (('imir', 1), (40, 60), 'GRWB'),
    (('irot', 1, 'imir', 0), (60, 40), 'RBGW'),
    (('irot', 1, 'imir', 1), (60, 40), 'WGBR'),
]


def orientation_boxes(orientation):
    """Return the boxes for pairs of kind and value."""
    pairs = zip(orientation[::2], orientation[1::2], strict=True)
    return [box(kind.encode(), bytes([value])) for kind, value in pairs]


def items(version, wide, *entries):
    """Return an ipma box: of each item its number and those of its properties."""
    body = struct.pack('>BBBBI', version, 0, 0, wide, len(entries))
    for item, numbers in entries:
        body += struct.pack('>I' if version else '>H', item) + bytes([len(numbers)])
        body += b''.join(struct.pack('>H' if wide else '>B', number) for number in numbers)
    return box(b'ipma', body)


@pytest.fixture(scope='module')
def corners():
    """Return an image with a color in each quarter, BGR uint8 [40, 60, 3]."""
    quarters = [np.full((20, 30, 3), color, np.uint8) for color in COLORS.values()]
    return np.vstack((np.hstack(quarters[:2]), np.hstack(quarters[2:])))


def seen(image):
    """Return the letters of the colors in the corners."""
    pixels = [image[y, x].astype(int) for y in (4, -5) for x in (4, -5)]
    return ''.join(
        min(COLORS, key=lambda letter: np.abs(pixel - COLORS[letter]).sum()) for pixel in pixels
    )


@pytest.mark.parametrize(('orientation', 'size', 'expected'), ORIENTATIONS)
def test_a_file_is_shown_as_it_was_taken(corners, tmp_path, orientation, size, expected):
    (tmp_path / 'a.avif').write_bytes(avif_file(corners, orientation_boxes(orientation)))
    image = read_image(tmp_path / 'a.avif')
    assert (image.shape, seen(image)) == ((*size, 3), expected)


@pytest.mark.parametrize('wide', [0, 1])
@pytest.mark.parametrize('version', [0, 1])
@pytest.mark.parametrize(('orientation', 'size', 'expected'), ORIENTATIONS)
def test_the_orientation_is_that_of_the_image_and_not_of_its_thumbnail(
    corners, orientation, size, expected, version, wide
):
    boxes = orientation_boxes(orientation)
    properties = box(b'ipco', box(b'irot', b'\2'), box(b'imir', b'\1'), *boxes)
    must = 0x8000 if wide else 0x80
    own = [must | (3 + number) for number in range(len(boxes))]
    associations = items(version, wide, (6, [must | 1, 2]), (7, own), (8, [1]))
    primary = box(b'pitm', bytes(5), b'\7')
    meta = box(b'meta', bytes(4), primary, box(b'iprp', properties, associations))
    image = avif.orient(corners, box(b'ftyp', b'avif') + meta + box(b'mdat', bytes(9)))
    assert (image.shape, seen(image)) == ((*size, 3), expected)


def test_damaged_boxes_leave_the_image_as_it_is(corners):
    file = box(b'ftyp', b'avif') + box(b'meta', bytes(4), box(b'pitm', bytes(5), b'\1'))
    own = box(b'iprp', box(b'ipco', box(b'irot', b'\1')), items(0, 0, (1, [9])))
    whole = file[:12] + box(b'meta', bytes(4), box(b'pitm', bytes(5), b'\1'), own)
    for length in range(len(whole) + 1):
        assert avif.orient(corners, whole[:length]) is corners
    many = box(b'ipma', bytes(4), b'\xff' * 4)
    own = box(b'iprp', box(b'ipco', box(b'irot', b'\1')), many)
    assert avif.orient(corners, file[:12] + box(b'meta', bytes(4), own)) is corners


@pytest.mark.parametrize(
    ('start', 'found'),
    [
        (b'\0\0\0\x14ftypavif\0\0\0\0', True),
        (b'\0\0\0\x18ftypmif1\0\0\0\0avif', True),
        (b'\0\0\0\x14ftypheic\0\0\0\0', False),
        # behind the first box
        (b'\0\0\0\x14ftypheic\0\0\0\0mif1avif', False),
        (b'\xff\xd8\xff\xe0', False),
    ],
)
def test_other_files_of_boxes_are_not_avif(start, found):
    """A decoder of heic has turned the image already."""
    assert avif.is_avif(start + bytes(8)) == found
