# SPDX-License-Identifier: Apache-2.0
"""Every encoding from a known image, and every fault of a raw image."""

import array

import numpy as np
import pytest
from cv_bridge import CvBridge
from sensor_msgs.msg import Image

from emotion_perception.errors import ImageError
from emotion_perception.imaging.encodings import ENCODINGS, to_bgr

HEIGHT, WIDTH = 24, 32
YUV_PAIRS = ('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv')
PLANAR = ('nv12', 'nv21', 'nv24')
COLOR_16 = ('bgr16', 'rgb16', 'bgra16', 'rgba16', '16UC3', '16UC4')
GRAY = ('mono8', '8UC1', 'mono16', '16UC1')


def make_image():
    """Return BGR uint8 [24, 32, 3]: blocks of 2x2 pixels, gentle ramps, no two channels alike."""
    y, x = np.mgrid[: HEIGHT // 2, : WIDTH // 2]
    small = np.dstack((60 + 6 * x, 180 - 7 * y, 90 + 2 * x + 5 * y)).astype(np.uint8)
    return small.repeat(2, axis=0).repeat(2, axis=1)


def to_yuv(bgr):
    """Return limited-range BT.601, float [H, W, 3], from the standard's own equations."""
    b, g, r = (bgr[..., channel].astype(float) / 255 for channel in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return np.dstack(
        (
            16 + 219 * y,
            128 + 224 * (b - y) / (2 - 2 * 0.114),
            128 + 224 * (r - y) / (2 - 2 * 0.299),
        )
    )


def mosaic(bgr, pattern):
    """Return what a sensor with this Bayer pattern sees, [H, W]."""
    out = np.empty(bgr.shape[:2], bgr.dtype)
    for index, color in enumerate(pattern):
        row, column = divmod(index, 2)
        out[row::2, column::2] = bgr[row::2, column::2, 'bgr'.index(color)]
    return out


def to_16_bit(plane, big_endian):
    """Return values that round to `plane` and differ in their two bytes."""
    return (plane.astype(np.uint16) * 257 + 100).astype('>u2' if big_endian else '<u2')


def encode(bgr, encoding, big_endian=False):
    """Return the planes of `bgr` in an encoding, each as rows of bytes, uint8 [rows, bytes]."""
    if encoding in ('bgr8', '8UC3'):
        planes = [bgr]
    elif encoding == 'rgb8':
        planes = [bgr[..., ::-1]]
    elif encoding in ('bgra8', '8UC4', 'rgba8'):
        colors = bgr[..., ::-1] if encoding == 'rgba8' else bgr
        planes = [np.dstack((colors, np.full(bgr.shape[:2], 77, np.uint8)))]
    elif encoding in COLOR_16:
        colors = bgr[..., ::-1] if encoding.startswith('rgb') else bgr
        if encoding in ('bgra16', 'rgba16', '16UC4'):
            colors = np.dstack((colors, np.full(bgr.shape[:2], 77, np.uint8)))
        planes = [to_16_bit(colors, big_endian)]
    elif encoding in ('mono8', '8UC1'):
        planes = [bgr[..., 1]]
    elif encoding in ('mono16', '16UC1'):
        planes = [to_16_bit(bgr[..., 1], big_endian)]
    elif encoding.startswith('bayer'):
        planes = [mosaic(bgr, encoding[6:10])]
        if encoding.endswith('16'):
            planes = [to_16_bit(planes[0], big_endian)]
    else:
        y, u, v = np.moveaxis(np.rint(to_yuv(bgr)).astype(np.uint8), 2, 0)
        if encoding in YUV_PAIRS:
            colors = np.where(np.arange(bgr.shape[1]) % 2, v, u)
            pair = (colors, y) if encoding in ('yuv422', 'uyvy') else (y, colors)
            planes = [np.dstack(pair)]
        elif encoding == 'nv24':
            planes = [y, np.dstack((u, v))]
        else:
            pair = (u, v) if encoding == 'nv12' else (v, u)
            planes = [y, np.dstack(pair)[::2, ::2]]
    return [np.ascontiguousarray(p).view(np.uint8).reshape(len(p), -1) for p in planes]


def expected_and_tolerance(bgr, encoding):
    """Return the expected image and the tolerance of a pixel."""
    if encoding in GRAY:
        return bgr[..., [1, 1, 1]], 0
    if encoding.startswith('bayer'):
        return bgr, 10  # interpolated over the steps between the blocks
    if encoding in YUV_PAIRS + PLANAR:
        return bgr, 2  # rounded twice
    return bgr, 0


def convert(planes, encoding, height=HEIGHT, width=WIDTH, padding=0, seed=1, **options):
    """Convert planes whose rows are padded with noise."""
    noise = np.random.default_rng(seed)
    parts = []
    for plane in planes:
        extra = padding * (2 if encoding == 'nv24' and plane is not planes[0] else 1)
        fill = noise.integers(0, 256, (len(plane), extra), dtype=np.uint8)
        parts.append(np.hstack((plane, fill)).ravel())
    step = planes[0].shape[1] + padding
    return to_bgr(np.concatenate(parts), encoding, height, width, step, **options)


def difference(first, second):
    """Return the largest difference of two images of the same shape."""
    assert first.shape == second.shape
    return int(np.abs(first.astype(int) - second.astype(int)).max())


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_known_image(encoding):
    bgr = make_image()
    result = convert(encode(bgr, encoding), encoding)
    expected, tolerance = expected_and_tolerance(bgr, encoding)
    assert result.dtype == np.uint8
    assert difference(result, expected) <= tolerance


@pytest.mark.parametrize('encoding', [name for name in ENCODINGS if name.startswith('bayer')])
def test_bayer_ramps_are_exact(encoding):
    """Away from the border a mosaic gives ramps exactly, so the pattern is the right one."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    bgr = np.dstack((40 + 6 * x, 220 - 8 * y, 30 + 2 * x + 4 * y)).astype(np.uint8)
    result = convert(encode(bgr, encoding), encoding)
    assert difference(result[2:-2, 2:-2], bgr[2:-2, 2:-2]) <= 1


@pytest.mark.parametrize('encoding', [name for name in ENCODINGS if '16' in name])
def test_big_endian(encoding):
    bgr = make_image()
    right = convert(encode(bgr, encoding), encoding)
    big = encode(bgr, encoding, big_endian=True)
    assert np.array_equal(convert(big, encoding, is_bigendian=True), right)
    assert difference(convert(big, encoding, is_bigendian=False), right) > 20


@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
def test_16_bit_scale(encoding):
    values = np.array([0, 128, 129, 257, 32768, 65406, 65407, 65535], '<u2')
    result = to_bgr(values.tobytes(), encoding, 1, 8, 16)
    assert result[0, :, 0].tolist() == [0, 0, 1, 1, 128, 254, 255, 255]


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_padding_and_further_bytes_are_ignored(encoding):
    planes = encode(make_image(), encoding)
    plain = convert(planes, encoding)
    for padding in (1, 7, 64):
        for seed in (1, 2):
            assert np.array_equal(convert(planes, encoding, padding=padding, seed=seed), plain)
    longer = [*planes[:-1], np.vstack((planes[-1], planes[-1][:3]))]
    assert np.array_equal(convert(longer, encoding), plain)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_last_row_without_padding(encoding):
    """A driver may leave out the padding of the last row, but no pixel."""
    planes = encode(make_image(), encoding)
    rows = [np.pad(planes[0], ((0, 0), (0, 12)), constant_values=99)]
    rows += [np.pad(p, ((0, 0), (0, 24 if encoding == 'nv24' else 12))) for p in planes[1:]]
    step = rows[0].shape[1]
    data = b''.join(plane.tobytes() for plane in rows)
    short = data[: len(data) - (rows[-1].shape[1] - planes[-1].shape[1])]
    result = to_bgr(short, encoding, HEIGHT, WIDTH, step)
    assert np.array_equal(result, convert(planes, encoding))
    with pytest.raises(ImageError, match='bytes of data where'):
        to_bgr(short[:-1], encoding, HEIGHT, WIDTH, step)


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize(
    'container',
    [bytes, bytearray, memoryview, lambda data: array.array('B', data)],
    ids=['bytes', 'bytearray', 'memoryview', 'array'],
)
def test_containers(encoding, container):
    """Messages of rclpy hold arrays, those of other libraries bytes; none is written to."""
    planes = encode(make_image(), encoding)
    plain = np.concatenate([plane.ravel() for plane in planes])
    data = container(plain.tobytes())
    result = to_bgr(data, encoding, HEIGHT, WIDTH, planes[0].shape[1])
    assert np.array_equal(result, convert(planes, encoding))
    assert bytes(data) == plain.tobytes()


@pytest.mark.parametrize('encoding', ['bgr8', '8UC3'])
def test_bgr_is_a_read_only_view(encoding):
    data = np.zeros(8000 * 6000 * 3, np.uint8)
    data[-3:] = 1, 2, 3
    result = to_bgr(data, encoding, 6000, 8000, 24000)
    assert np.shares_memory(result, data)
    assert not result.flags.writeable
    assert result.shape == (6000, 8000, 3)
    assert result[-1, -1].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ('encoding', 'wanted'),
    [
        *((name, 'bgr8') for name in ('bgr8', 'rgb8', 'bgra8', 'rgba8', 'mono8')),
        *((f'bayer_{pattern}8', 'bgr8') for pattern in ('rggb', 'bggr', 'gbrg')),
        # which cv_bridge does not convert
        *((name, 'passthrough') for name in ('8UC1', '8UC3', 'mono16')),
    ],
)
def test_same_as_cv_bridge(encoding, wanted):
    """Noise gives the same to the last bit."""
    noise = np.random.default_rng(5)
    planes = [
        noise.integers(0, 256, plane.shape, dtype=np.uint8)
        for plane in encode(make_image(), encoding)
    ]
    message = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=planes[0].shape[1])
    message.data = b''.join(plane.tobytes() for plane in planes)
    theirs = CvBridge().imgmsg_to_cv2(message, wanted)
    if theirs.dtype == np.uint16:
        theirs = np.rint(theirs / 257).astype(np.uint8)
    if theirs.ndim == 2:
        theirs = theirs[..., None].repeat(3, axis=2)
    assert np.array_equal(convert(planes, encoding), theirs)


@pytest.mark.parametrize(
    ('arguments', 'kind', 'message'),
    [
        ((b'x' * 12, 'bgr9', 2, 2, 6), 'unknown encoding', "'bgr9'; known are bgr8, "),
        ((b'x' * 12, '', 2, 2, 6), 'unknown encoding', "unknown encoding ''"),
        ((b'x' * 12, 'BGR8', 2, 2, 6), 'unknown encoding', "unknown encoding 'BGR8'"),
        ((b'x' * 12, 'x' * 10**6, 2, 2, 6), 'unknown encoding', "'x{40}'; "),
        ((b'x' * 12, 'bgr8', 2, 2, 5), 'step too small', 'step is 5 bytes, a row .* needs 6'),
        ((b'x' * 12, 'bgr8', 2, 2, 0), 'step too small', 'step is 0 bytes'),
        ((b'x' * 12, 'mono16', 2, 3, 5), 'step too small', 'step is 5 bytes, a row .* needs 6'),
        ((b'x' * 12, 'nv12', 2, 4, 3), 'step too small', 'step is 3 bytes, a row .* needs 4'),
        ((b'x' * 11, 'bgr8', 2, 2, 6), 'data missing', '11 bytes of data where 12 are needed'),
        ((b'x' * 13, 'bgr8', 2, 2, 8), 'data missing', '13 bytes of data where 16 are needed'),
        ((b'x' * 11, 'nv12', 2, 4, 4), 'data missing', 'bytes of data where'),
        ((b'x' * 4, 'nv12', 2, 4, 4), 'data missing', 'bytes of data where'),
        ((b'x' * 23, 'nv24', 2, 4, 4), 'data missing', 'bytes of data where'),
        ((b'', 'bgr8', 2, 2, 6), 'data missing', '0 bytes of data where 12 are needed'),
        ((b'x' * 12, 'bgr8', 2, 2, 2**32 - 1), 'data missing', '12 bytes of data where'),
        ((b'', 'bgr8', 0, 0, 0), 'empty image', 'the image is empty: 0x0'),
        ((b'', 'bgr8', 0, 640, 1920), 'empty image', 'the image is empty: 640x0'),
        ((b'', 'mono8', 480, 0, 0), 'empty image', 'the image is empty: 0x480'),
        (
            (b'x', 'bgr8', 2**16, 2**15, 3 * 2**15),
            'image too large',
            'claims 32768x65536 pixels, ',
        ),
        ((b'x', 'bgr8', *[2**32 - 1] * 3), 'image too large', 'claims 4294967295x4294967295'),
    ],
)
def test_wrong_image(arguments, kind, message):
    with pytest.raises(ImageError, match=message) as caught:
        to_bgr(*arguments)
    assert caught.value.kind == kind


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize(
    ('height', 'width'),
    [(1, 1), (1, 2), (2, 1), (2, 2), (1, 9), (9, 1), (3, 3), (2, 9), (9, 2), (4, 5), (3, 4)],
)
def test_tiny_images_and_odd_sizes(encoding, height, width):
    """Formats with one color for several pixels need an even size, mosaics at least 3x3."""
    impossible = (
        (encoding.startswith('bayer') and min(height, width) < 3 and 'at least 3x3 pixels')
        or (encoding in YUV_PAIRS and width % 2 and 'an even width')
        or (encoding in PLANAR[:2] and (height % 2 or width % 2) and 'an even size')
    )
    step = 8 * width
    data = np.full(step * height * 3, 60, np.uint8)
    if impossible:
        with pytest.raises(ImageError, match=f'{encoding} needs {impossible}, this is') as caught:
            to_bgr(data, encoding, height, width, step)
        assert caught.value.kind == 'size impossible for the encoding'
        return
    result = to_bgr(data, encoding, height, width, step)
    assert result.shape == (height, width, 3)
    if encoding not in YUV_PAIRS + PLANAR:
        assert (result == 60).all()
