"""Every encoding from a known picture, and every way an image can be wrong."""

import array
import struct
import time
import zlib

import cv2
import numpy as np
import pytest
from cv_bridge import CvBridge
from sensor_msgs.msg import Image

from emotion_perception.errors import ImageError
from emotion_perception.imaging.codecs import MAX_PIXELS, decode_compressed
from emotion_perception.imaging.encodings import ENCODINGS, to_bgr
from support import bombs
from support.peak_memory import peak_mb

HEIGHT, WIDTH = 24, 32
BAYER = ('rggb', 'bggr', 'gbrg', 'grbg')
YUV_PAIRS = ('yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv')
PLANAR = ('nv12', 'nv21', 'nv24')
GRAY = ('mono8', '8UC1', 'mono16', '16UC1')


def picture():
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
    """Return what a sensor with this pattern sees, [H, W]."""
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
    elif encoding in ('bgra8', 'rgba8'):
        colors = bgr if encoding == 'bgra8' else bgr[..., ::-1]
        planes = [np.dstack((colors, np.full(bgr.shape[:2], 77, np.uint8)))]
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
    """Return the right answer and how far a pixel may be from it."""
    if encoding in GRAY:
        return bgr[..., [1, 1, 1]], 0
    if encoding.startswith('bayer'):
        return bgr, 10  # interpolated over the steps between the blocks of the picture
    if encoding in YUV_PAIRS + PLANAR:
        return bgr, 2  # rounded twice
    return bgr, 0


def convert(planes, encoding, height=HEIGHT, width=WIDTH, padding=0, seed=1, **options):
    """Return the picture from planes whose rows are padded with noise."""
    noise = np.random.default_rng(seed)
    parts = []
    for plane in planes:
        extra = padding * (2 if encoding == 'nv24' and plane is not planes[0] else 1)
        fill = noise.integers(0, 256, (len(plane), extra), dtype=np.uint8)
        parts.append(np.hstack((plane, fill)).ravel())
    step = planes[0].shape[1] + padding
    return to_bgr(np.concatenate(parts), encoding, height, width, step, **options)


def difference(first, second):
    """Return the largest difference of two pictures of the same shape."""
    assert first.shape == second.shape
    return int(np.abs(first.astype(int) - second.astype(int)).max())


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_known_picture(encoding):
    """Each encoding gives the picture back."""
    bgr = picture()
    planes = encode(bgr, encoding)
    result = convert(planes, encoding)
    expected, tolerance = expected_and_tolerance(bgr, encoding)
    assert result.dtype == np.uint8
    assert difference(result, expected) <= tolerance


@pytest.mark.parametrize('encoding', [name for name in ENCODINGS if name.startswith('bayer')])
def test_bayer_plane(encoding):
    """Ramps come out of a mosaic exactly, away from the border, so the pattern is the right one."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    bgr = np.dstack((40 + 6 * x, 220 - 8 * y, 30 + 2 * x + 4 * y)).astype(np.uint8)
    planes = encode(bgr, encoding)
    result = convert(planes, encoding)
    assert difference(result[2:-2, 2:-2], bgr[2:-2, 2:-2]) <= 1


RED = {  # bytes of two rows of two red pixels (gray 76 where there is no color), by hand
    'bgr8': [0, 0, 255] * 4,
    '8UC3': [0, 0, 255] * 4,
    'rgb8': [255, 0, 0] * 4,
    'bgra8': [0, 0, 255, 9] * 4,
    'rgba8': [255, 0, 0, 9] * 4,
    'mono8': [76] * 4,
    '8UC1': [76] * 4,
    'mono16': [0, 76] * 4,
    '16UC1': [0, 76] * 4,
    'yuv422': [90, 81, 240, 81] * 2,
    'uyvy': [90, 81, 240, 81] * 2,
    'yuv422_yuy2': [81, 90, 81, 240] * 2,
    'yuyv': [81, 90, 81, 240] * 2,
    'nv12': [81] * 4 + [90, 240],
    'nv21': [81] * 4 + [240, 90],
    'nv24': [81] * 4 + [90, 240] * 4,
}


def test_every_encoding_has_bytes_by_hand():
    """A new encoding needs its row in the table above."""
    assert {name for name in ENCODINGS if not name.startswith('bayer')} == set(RED)


@pytest.mark.parametrize('encoding', RED)
def test_red_by_hand(encoding):
    """Bytes written down from the formats' definitions give red, or the gray of red."""
    planes = 1 if encoding not in PLANAR else {'nv24': 3}.get(encoding, 1.5)
    step = round(len(RED[encoding]) / 2 / planes)
    result = to_bgr(bytes(RED[encoding]), encoding, 2, 2, step)
    expected = (76, 76, 76) if encoding in GRAY else (0, 0, 255)
    assert difference(result, np.full((2, 2, 3), expected)) <= 1


@pytest.mark.parametrize('pattern', BAYER)
def test_bayer_of_one_color(pattern):
    """A mosaic in which only the red cells are lit is red, and so for the others."""
    for channel, color in enumerate('bgr'):
        lit = np.zeros((6, 8, 3), np.uint8)
        lit[..., channel] = 200
        planes = encode(lit, f'bayer_{pattern}8')
        result = convert(planes, f'bayer_{pattern}8', 6, 8)
        assert np.array_equal(result, lit), color


@pytest.mark.parametrize(
    'encoding', [name for name in ENCODINGS if name.endswith(('16', '16UC1'))]
)
def test_big_endian(encoding):
    """The byte order of 16-bit images is honoured."""
    bgr = picture()
    little = encode(bgr, encoding)
    big = encode(bgr, encoding, big_endian=True)
    right = convert(little, encoding)
    assert np.array_equal(convert(big, encoding, is_bigendian=True), right)
    assert difference(convert(big, encoding, is_bigendian=False), right) > 20


def test_big_endian_is_told_apart():
    """The same two bytes are a bright pixel in one order and a dark one in the other."""
    data = bytes([0x01, 0xFF])
    assert to_bgr(data, 'mono16', 1, 1, 2).tolist() == [[[254] * 3]]
    assert to_bgr(data, 'mono16', 1, 1, 2, is_bigendian=True).tolist() == [[[2] * 3]]


@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
def test_16_bit_scale(encoding):
    """65535 becomes 255, 0 stays 0, and what lies between is rounded."""
    values = np.array([0, 128, 129, 257, 32768, 65406, 65407, 65535], '<u2')
    result = to_bgr(values.tobytes(), encoding, 1, 8, 16)
    assert result[0, :, 0].tolist() == [0, 0, 1, 1, 128, 254, 255, 255]


@pytest.mark.parametrize('padding', [1, 7, 64])
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_padding(encoding, padding):
    """What stands between the end of a row and the next does not matter."""
    planes = encode(picture(), encoding)
    plain = convert(planes, encoding)
    assert np.array_equal(convert(planes, encoding, padding=padding, seed=1), plain)
    assert np.array_equal(convert(planes, encoding, padding=padding, seed=2), plain)


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_last_row_without_padding(encoding):
    """A driver may leave the padding of the last row away, but no pixel."""
    planes = encode(picture(), encoding)
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
def test_more_bytes_than_needed(encoding):
    """Bytes after the image are ignored."""
    planes = encode(picture(), encoding)
    longer = [*planes[:-1], np.vstack((planes[-1], planes[-1][:3]))]
    assert np.array_equal(convert(longer, encoding), convert(planes, encoding))


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize(
    'container',
    [bytes, bytearray, memoryview, lambda data: array.array('B', data), np.array],
    ids=['bytes', 'bytearray', 'memoryview', 'array', 'ndarray'],
)
def test_containers(encoding, container):
    """Messages of rclpy hold arrays, those of other libraries bytes or NumPy arrays."""
    planes = encode(picture(), encoding)
    plain = np.concatenate([plane.ravel() for plane in planes])
    data = container(plain if container is np.array else plain.tobytes())
    result = to_bgr(data, encoding, HEIGHT, WIDTH, planes[0].shape[1])
    assert np.array_equal(result, convert(planes, encoding))


@pytest.mark.parametrize('encoding', ['bgr8', '8UC3'])
def test_bgr_is_not_copied(encoding):
    """The usual camera format costs nothing, and cannot be changed by accident."""
    data = picture()
    result = to_bgr(data, encoding, HEIGHT, WIDTH, 3 * WIDTH)
    assert np.shares_memory(result, data)
    assert not result.flags.writeable
    assert np.array_equal(result, data)


def test_input_is_not_changed():
    """No conversion writes into the message."""
    for encoding in ENCODINGS:
        planes = encode(picture(), encoding)
        data = np.concatenate([plane.ravel() for plane in planes])
        before = data.copy()
        to_bgr(data, encoding, HEIGHT, WIDTH, planes[0].shape[1])
        assert np.array_equal(data, before), encoding


def test_large_image():
    """A 48 megapixel image converts, without a copy."""
    data = np.zeros(8000 * 6000 * 3, np.uint8)
    data[-3:] = 1, 2, 3
    result = to_bgr(data, 'bgr8', 6000, 8000, 24000)
    assert result.shape == (6000, 8000, 3)
    assert result[-1, -1].tolist() == [1, 2, 3]
    assert np.shares_memory(result, data)


def message_of(planes, encoding):
    """Return a message without padding."""
    data = b''.join(plane.tobytes() for plane in planes)
    image = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=planes[0].shape[1])
    image.data = data
    return image


@pytest.mark.parametrize(
    'encoding',
    ['bgr8', 'rgb8', 'bgra8', 'rgba8', 'mono8', 'bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8'],
)
def test_same_as_cv_bridge(encoding):
    """Where cv_bridge can convert, noise comes out equal to the last bit."""
    planes = encode(picture(), encoding)
    noise = [np.random.default_rng(5).integers(0, 256, p.shape, dtype=np.uint8) for p in planes]
    theirs = CvBridge().imgmsg_to_cv2(message_of(noise, encoding), 'bgr8')
    assert np.array_equal(convert(noise, encoding), theirs)


@pytest.mark.parametrize('encoding', ['8UC1', '8UC3', 'mono16'])
def test_same_as_cv_bridge_without_conversion(encoding):
    """For the others cv_bridge can at least tell the values."""
    planes = encode(picture(), encoding)
    theirs = CvBridge().imgmsg_to_cv2(message_of(planes, encoding), 'passthrough')
    if theirs.dtype == np.uint16:
        theirs = np.rint(theirs / 257).astype(np.uint8)
    if theirs.ndim == 2:
        theirs = theirs[..., None].repeat(3, axis=2)
    assert np.array_equal(convert(planes, encoding), theirs)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((b'x' * 12, 'bgr9', 2, 2, 6), r"unknown encoding 'bgr9'; known are bgr8, "),
        ((b'x' * 12, '', 2, 2, 6), "unknown encoding ''"),
        ((b'x' * 12, 'BGR8', 2, 2, 6), "unknown encoding 'BGR8'"),
        ((b'x' * 12, 'x' * 10**6, 2, 2, 6), "unknown encoding 'x{40}'; "),
        ((b'x' * 12, 'bgr8', 2, 2, 5), 'step is 5 bytes, a row of this image needs 6'),
        ((b'x' * 12, 'bgr8', 2, 2, 0), 'step is 0 bytes'),
        ((b'x' * 12, 'mono16', 2, 3, 5), 'step is 5 bytes, a row of this image needs 6'),
        ((b'x' * 12, 'nv12', 2, 4, 3), 'step is 3 bytes, a row of this image needs 4'),
        ((b'x' * 11, 'bgr8', 2, 2, 6), '11 bytes of data where 12 are needed'),
        ((b'x' * 13, 'bgr8', 2, 2, 8), '13 bytes of data where 16 are needed'),
        ((b'x' * 11, 'nv12', 2, 4, 4), 'bytes of data where'),
        ((b'x' * 4, 'nv12', 2, 4, 4), 'bytes of data where'),
        ((b'x' * 23, 'nv24', 2, 4, 4), 'bytes of data where'),
        ((b'', 'bgr8', 2, 2, 6), '0 bytes of data where 12 are needed'),
        ((b'', 'bgr8', 0, 0, 0), 'the image is empty: 0x0'),
        ((b'', 'bgr8', 0, 640, 1920), 'the image is empty: 640x0'),
        ((b'', 'mono8', 480, 0, 0), 'the image is empty: 0x480'),
        ((b'x' * 12, 'bgr8', 2**16, 2**15, 3 * 2**15), 'claims 32768x65536 pixels, more than'),
        ((b'x' * 12, 'bgr8', 2**32 - 1, 2**32 - 1, 2**32 - 1), 'claims 4294967295x4294967295'),
        ((b'x' * 12, 'bgr8', 2, 2, 2**32 - 1), '12 bytes of data where'),
    ],
)
def test_wrong_image(arguments, message):
    """What is wrong is said."""
    with pytest.raises(ImageError, match=message):
        to_bgr(*arguments)


def test_kind_of_fault(photo):
    """Diagnostics count faults by a few words that do not change from image to image."""
    faults = {
        'empty image': lambda: to_bgr(b'', 'bgr8', 0, 0, 0),
        'image too large': lambda: to_bgr(b'', 'bgr8', 10**5, 10**5, 3 * 10**5),
        'unknown encoding': lambda: to_bgr(b'xyz', 'xyz', 1, 1, 3),
        'step too small': lambda: to_bgr(b'xyz', 'bgr8', 1, 1, 2),
        'data missing': lambda: to_bgr(b'xyz', 'bgr8', 2, 1, 3),
        'size impossible for the encoding': lambda: to_bgr(b'xy', 'uyvy', 1, 1, 2),
        'image cut short': lambda: decode_compressed(pack('.jpg', photo)[:900]),
        'neither jpeg nor png': lambda: decode_compressed(b'hello'),
        'image damaged': lambda: decode_compressed(b'\xff\xd8\xff\xd9'),
        'too many scans': lambda: decode_compressed(bombs.jpeg_of_scans(16, 16, 200)),
    }
    for kind, cause in faults.items():
        with pytest.raises(ImageError) as caught:
            cause()
        assert caught.value.kind == kind


@pytest.mark.parametrize('encoding', YUV_PAIRS + PLANAR[:2])
@pytest.mark.parametrize(('height', 'width'), [(4, 5), (4, 1), (1, 1)])
def test_odd_width(encoding, height, width):
    """Formats with one color for two pixels have an even width."""
    with pytest.raises(ImageError, match=f'{encoding} needs an even (width|size), this is'):
        to_bgr(bytes(100), encoding, height, width, 2 * width)


@pytest.mark.parametrize('encoding', PLANAR[:2])
def test_odd_height(encoding):
    """Formats with one color for two rows have an even height."""
    with pytest.raises(ImageError, match=f'{encoding} needs an even size, this is 4x3'):
        to_bgr(bytes(100), encoding, 3, 4, 4)


def test_nv24_takes_odd_sizes():
    """With a color for each pixel any size is possible."""
    planes = encode(picture()[:7, :9], 'nv24')
    assert difference(convert(planes, 'nv24', 7, 9), picture()[:7, :9]) <= 2


@pytest.mark.parametrize('encoding', ENCODINGS)
@pytest.mark.parametrize(
    ('height', 'width'), [(1, 1), (1, 2), (2, 1), (2, 2), (1, 9), (9, 1), (3, 3), (2, 9), (9, 2)]
)
def test_tiny_images(encoding, height, width):
    """The smallest images convert or are refused as any other bad image is."""
    step = 4 * width
    data = np.full(step * height * 3, 60, np.uint8)
    impossible = (
        (encoding.startswith('bayer') and min(height, width) < 3)
        or (encoding in YUV_PAIRS and width % 2)
        or (encoding in PLANAR[:2] and (height % 2 or width % 2))
    )
    if impossible:
        with pytest.raises(ImageError, match=f'{encoding} needs .* this is {width}'):
            to_bgr(data, encoding, height, width, step)
        return
    result = to_bgr(data, encoding, height, width, step)
    assert result.shape == (height, width, 3)
    if encoding not in YUV_PAIRS + PLANAR:
        assert (result == 60).all()


@pytest.fixture(scope='module')
def photo():
    """Return a picture with detail, BGR uint8 [60, 80, 3]."""
    noise = np.random.default_rng(3).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def pack(suffix, image, *options):
    """Return a picture as a compressed file."""
    return cv2.imencode(suffix, image, list(options))[1].tobytes()


JPEG = {
    'baseline': [],
    'progressive': [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    'restart markers': [cv2.IMWRITE_JPEG_RST_INTERVAL, 2],
    'quality 100': [cv2.IMWRITE_JPEG_QUALITY, 100],
}


@pytest.mark.parametrize('kind', JPEG)
def test_jpeg(photo, kind):
    """A jpeg comes out as OpenCV decodes it, and near the original."""
    blob = pack('.jpg', photo, *JPEG[kind])
    result = decode_compressed(blob)
    assert np.array_equal(result, cv2.imdecode(np.frombuffer(blob, np.uint8), cv2.IMREAD_COLOR))
    assert np.abs(result.astype(int) - photo).mean() < 4


def test_gray_jpeg(photo):
    """A jpeg without color gives three equal channels."""
    gray = photo[..., 0]
    result = decode_compressed(pack('.jpg', gray, cv2.IMWRITE_JPEG_QUALITY, 100))
    assert difference(result, gray[..., None].repeat(3, axis=2)) <= 2


def test_png(photo):
    """A png is lossless, whatever its depth and channels."""
    gray = photo[..., 0]
    deep = photo.astype(np.uint16) * 256 + 200
    with_alpha = np.dstack((photo, np.full(photo.shape[:2], 3, np.uint8)))
    assert np.array_equal(decode_compressed(pack('.png', photo)), photo)
    assert np.array_equal(decode_compressed(pack('.png', gray)), photo[..., [0, 0, 0]])
    assert np.array_equal(decode_compressed(pack('.png', with_alpha)), photo)
    for original, expected in ((deep, photo), (deep[..., 0], photo[..., [0, 0, 0]])):
        blob = pack('.png', original)
        result = decode_compressed(blob)
        assert np.array_equal(result, cv2.imdecode(np.frombuffer(blob, np.uint8), 1))
        assert difference(result, expected) <= 1


@pytest.mark.parametrize(
    'container',
    [bytes, bytearray, memoryview, lambda data: array.array('B', data), np.frombuffer],
    ids=['bytes', 'bytearray', 'memoryview', 'array', 'ndarray'],
)
def test_compressed_containers(photo, container):
    """Compressed data comes in the same containers as raw data."""
    blob = pack('.png', photo)
    data = np.frombuffer(blob, np.uint8) if container is np.frombuffer else container(blob)
    assert np.array_equal(decode_compressed(data), photo)


def with_app1(jpeg, payload):
    """Return the jpeg with an Exif segment as its first."""
    return jpeg[:2] + b'\xff\xe1' + (len(payload) + 2).to_bytes(2, 'big') + payload + jpeg[2:]


def test_orientation_is_ignored(photo):
    """A camera's pixels are taken as they are: boxes must fit the image that others see."""
    tiff = b'II*\0\x08\0\0\0' + b'\x01\0' + b'\x12\x01\x03\0\x01\0\0\0\x06\0\0\0' + bytes(4)
    plain = pack('.jpg', photo)
    turned = with_app1(plain, b'Exif\0\0' + tiff)
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), 1).shape == (80, 60, 3)
    assert np.array_equal(decode_compressed(turned), decode_compressed(plain))


@pytest.mark.parametrize('kind', [*JPEG, 'thumbnail', 'png'])
def test_cut_short(photo, kind):
    """However little is missing at the end, half a picture is never returned."""
    if kind == 'png':
        blob = pack('.png', photo)
    elif kind == 'thumbnail':
        blob = with_app1(pack('.jpg', photo), b'Exif\0\0' + pack('.jpg', photo[:16, :16]))
    else:
        blob = pack('.jpg', photo, *JPEG[kind])
    assert decode_compressed(blob).shape == photo.shape
    for length in range(1, len(blob)):
        with pytest.raises(ImageError, match=r'cut short|damaged|neither|cannot be decoded'):
            decode_compressed(blob[:length])


def test_message_of_cut_images(photo):
    """The message says how much arrived."""
    for suffix, kind in (('.jpg', 'jpeg'), ('.png', 'png')):
        half = pack(suffix, photo)[:1000]
        with pytest.raises(ImageError, match=f'the {kind} image is cut short after 1000 bytes'):
            decode_compressed(half)


def test_damaged_png(photo):
    """A png with a changed byte, or with a piece missing inside, is refused."""
    blob = pack('.png', photo)
    for at in range(8, len(blob) - 4, 41):
        changed = bytearray(blob)
        changed[at] ^= 0x55
        with pytest.raises(ImageError, match=r'damaged|cut short|cannot be decoded|claims'):
            decode_compressed(bytes(changed))
    with pytest.raises(ImageError, match='cut short'):
        decode_compressed(blob[: len(blob) // 2] + blob[-12:])


@pytest.mark.parametrize(
    ('blob', 'message'),
    [
        (b'', 'the compressed image is empty'),
        (b'\0', 'neither jpeg nor png'),
        (b'<!DOCTYPE html><html>', 'neither jpeg nor png: the data starts with'),
        (b'GIF89a' + bytes(40), "neither jpeg nor png: the data starts with b'GIF89a"),
        (b'RIFF\0\0\0\0WEBPVP8 ', 'neither jpeg nor png'),
        (b'\xff\xd8', 'cut short after 2 bytes|damaged'),
        (b'\xff\xd8\xff\xd9', 'damaged'),
        (b'\xff\xd8' + bytes(500) + b'\xff\xd9', 'damaged'),
        (b'\x89PNG\r\n\x1a\n', 'cut short after 8 bytes'),
        (b'\x89PNG\r\n\x1a\nIEND', 'damaged|cut short'),
    ],
)
def test_not_an_image(blob, message):
    """What is no image is named."""
    with pytest.raises(ImageError, match=message):
        decode_compressed(blob)


@pytest.mark.parametrize(('width', 'height'), [(2**16, 2**15), (2**31 - 1, 2**31 - 1), (2**31, 1)])
def test_png_that_claims_too_much(photo, width, height):
    """A header alone cannot make the node ask for gigabytes."""
    blob = bytearray(pack('.png', photo))
    blob[16:24] = width.to_bytes(4, 'big') + height.to_bytes(4, 'big')
    with pytest.raises(ImageError, match=f'png image claims {width}x{height} pixels, more than'):
        decode_compressed(bytes(blob))


@pytest.mark.parametrize('kind', [*JPEG, 'thumbnail'])
def test_jpeg_that_claims_too_much(photo, kind):
    """Two kilobytes that claim 900 million pixels would take the decoder 12 s and 5 GB."""
    blob = bytearray(pack('.jpg', photo, *JPEG.get(kind, [])))
    frame = max(blob.find(b'\xff\xc0'), blob.find(b'\xff\xc2'))
    assert blob[frame + 5 : frame + 9] == bytes([0, 60, 0, 80])
    blob[frame + 5 : frame + 9] = (30000).to_bytes(2, 'big') * 2
    if kind == 'thumbnail':
        blob = with_app1(bytes(blob), b'Exif\0\0' + pack('.jpg', photo[:16, :16]))
    with pytest.raises(ImageError, match=f'jpeg image claims 30000x30000 pixels.*{MAX_PIXELS}'):
        decode_compressed(bytes(blob))


def png_part(kind, body=b''):
    """Return one part of a png."""
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


def refused(blob, message):
    """Check that an image is refused at once and without memory."""

    def work():
        with pytest.raises(ImageError, match=message):
            decode_compressed(blob)

    began = time.monotonic()
    assert peak_mb(work) < 60
    assert time.monotonic() - began < 2


@pytest.mark.parametrize('kind', [b'IDAT', b'PLTE', b'tEXt', b'iCCP', b'fcTL', b'abCd', b'IEND'])
@pytest.mark.parametrize('length', [2**32 - 1, 2**31, 2**30, 10**5])
def test_a_png_whose_parts_claim_gigabytes(photo, kind, length):
    """72 bytes took OpenCV's decoder 4 GB and several seconds."""
    blob = pack('.png', photo)
    harm = struct.pack('>I', length) + kind + bytes(20)
    refused(blob[:33] + harm + blob[33:], 'cut short')
    refused(blob[:-12] + harm + blob[-12:], 'cut short')
    refused(blob[:33] + harm + png_part(b'IEND'), 'cut short')


def test_a_png_that_says_its_size_twice(photo):
    blob = pack('.png', photo)
    second = png_part(b'IHDR', struct.pack('>IIBBBBB', 30_000, 30_000, 8, 2, 0, 0, 0))
    refused(blob[:33] + second + blob[33:], 'damaged: its size is not at its begin')


@pytest.mark.parametrize('size', [(50_000, 50_000), (40_000, 2_501)])
def test_a_small_png_of_a_huge_picture(size):
    blob = bombs.png(*size, rows=1000)
    assert len(blob) < 10_000
    refused(blob, f'png image claims {size[0]}x{size[1]} pixels, more than')


def test_a_small_jpeg_of_a_huge_picture():
    refused(bombs.jpeg(50_000, 50_000), 'jpeg image claims 50000x50000 pixels, more than')


def test_the_largest_picture_that_is_read_stays_within_its_size():
    """12 kB become the 300 MB that the limit allows, and no more."""
    blob = bombs.png(10_000, 9_900, rows=9_900)
    assert len(blob) < 20_000
    assert peak_mb(lambda: decode_compressed(blob)) < 700


def test_what_surrounds_a_png_is_not_unpacked(photo):
    """Texts and color profiles are packed too, and unpack to whatever they like."""
    plain = pack('.png', photo)
    packed = zlib.compress(bytes(2**27), 9)
    bomb = png_part(b'zTXt', b'a\0\0' + packed) + png_part(b'iCCP', b'a\0\0' + packed)
    harmed = plain[:33] + bomb * 4 + plain[33:]
    found = []
    assert peak_mb(lambda: found.append(decode_compressed(harmed))) < 60
    assert np.array_equal(found[0], photo)


def test_an_animated_png_is_its_picture(photo):
    plain = pack('.png', photo)
    for width, height in ((80, 60), (40, 30), (2**31 - 1, 2**31 - 1)):
        frame = struct.pack('>IIIIIHHBB', 0, width, height, 0, 0, 1, 10, 0, 0)
        parts = png_part(b'acTL', struct.pack('>II', 2, 0)) + png_part(b'fcTL', frame)
        after = png_part(b'fcTL', frame) + png_part(b'fdAT', bytes(4) + bytes(50))
        animated = plain[:33] + parts + plain[33:-12] + after + plain[-12:]
        assert np.array_equal(decode_compressed(animated), photo)


def test_colors_of_a_palette_and_what_is_clear(photo):
    """What belongs to the picture itself stays in it."""
    rows = b''.join(b'\0' + bytes(row) for row in (photo[..., 0] % 3))
    head = struct.pack('>IIBBBBB', 80, 60, 8, 3, 0, 0, 0)
    palette = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255])
    parts = [
        (b'IHDR', head),
        (b'gAMA', struct.pack('>I', 45455)),
        (b'PLTE', palette),
        (b'tRNS', b'\0\x80'),
    ]
    parts += [(b'tIME', bytes(7)), (b'IDAT', zlib.compress(rows)), (b'IEND', b'')]
    blob = b'\x89PNG\r\n\x1a\n' + b''.join(png_part(*part) for part in parts)
    expected = np.frombuffer(palette, np.uint8).reshape(3, 3)[photo[..., 0] % 3, ::-1]
    assert np.array_equal(decode_compressed(blob), expected)


def test_a_jpeg_that_goes_over_its_pixels_again_and_again():
    """A pass over 88 megapixels takes 130 bytes and 7 ms: half a megabyte would take twenty seconds."""
    assert decode_compressed(bombs.jpeg_of_scans(64, 64, 90)).shape == (64, 64, 3)
    refused(bombs.jpeg_of_scans(9_400, 9_400, 3_000), 'passes over its pixels 3001 times')
