# SPDX-License-Identifier: Apache-2.0
"""Compressed images: decoded, or refused before they cost memory and time."""

import array
import re
import struct
import zlib
from collections import Counter

import cv2
import numpy as np
import pytest

from emotion_perception.errors import ImageError
from emotion_perception.imaging.codecs import (
    JPEG_END_MISSING,
    MAX_PIXELS,
    decode_compressed,
    find_images,
    read_image,
)
from support import bombs
from support.peak_memory import peak_mb


@pytest.fixture(scope='module')
def photo():
    """Return an image with detail, BGR uint8 [60, 80, 3]."""
    noise = np.random.default_rng(3).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def pack(suffix, image, *options):
    """Return an image as a compressed file."""
    return cv2.imencode(suffix, image, list(options))[1].tobytes()


def with_exif(jpeg, payload):
    """Return the jpeg with an Exif segment as its first."""
    payload = b'Exif\0\0' + payload
    return jpeg[:2] + b'\xff\xe1' + (len(payload) + 2).to_bytes(2, 'big') + payload + jpeg[2:]


OPTIONS = {
    'baseline': [],
    'progressive': [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    'restart markers': [cv2.IMWRITE_JPEG_RST_INTERVAL, 2],
    'quality 100': [cv2.IMWRITE_JPEG_QUALITY, 100],
}


def jpeg_of_a_scan_a_component(photo):
    """Return a jpeg with luma and both differences in scans of their own."""
    parts = [pack('.jpg', plane) for plane in cv2.split(cv2.cvtColor(photo, cv2.COLOR_BGR2YCrCb))]
    frame, scan = parts[0].index(b'\xff\xc0'), parts[0].index(b'\xff\xda')
    head = bytearray(parts[0])
    head[frame + 2 : frame + 4], head[frame + 9] = bytes([0, 17]), 3
    head[frame + 10 : frame + 13] = b'\1\x11\0\3\x11\0\2\x11\0'
    blob = bytes(head[: head.index(b'\xff\xda')])
    for name, part in zip(b'\1\2\3', parts, strict=True):
        blob += part[scan : scan + 5] + bytes([name]) + part[scan + 6 : -2]
    return blob + b'\xff\xd9'


def jpeg_of(kind, photo):
    """Return a jpeg with these options, or with a jpeg as its thumbnail."""
    if kind == 'scan a component':
        return jpeg_of_a_scan_a_component(photo)
    plain = pack('.jpg', photo, *OPTIONS.get(kind, []))
    return with_exif(plain, pack('.jpg', photo[:16, :16])) if kind == 'thumbnail' else plain


JPEGS = [*OPTIONS, 'thumbnail', 'scan a component']


@pytest.mark.parametrize('kind', JPEGS)
def test_jpeg(photo, kind):
    blob = jpeg_of(kind, photo)
    result = decode_compressed(blob)
    assert np.array_equal(result, cv2.imdecode(np.frombuffer(blob, np.uint8), cv2.IMREAD_COLOR))
    assert np.abs(result.astype(int) - photo).mean() < 4


def test_gray_jpeg(photo):
    result = decode_compressed(pack('.jpg', photo[..., 0], cv2.IMWRITE_JPEG_QUALITY, 100))
    assert np.abs(result.astype(int) - photo[..., :1]).max() <= 2


@pytest.mark.parametrize('depth', [8, 16])
@pytest.mark.parametrize('channels', ['bgr', 'gray', 'alpha'])
def test_png(photo, depth, channels):
    expected = photo[..., [0, 0, 0]] if channels == 'gray' else photo
    original = photo[..., 0] if channels == 'gray' else photo
    if channels == 'alpha':
        original = np.dstack((photo, np.full(photo.shape[:2], 3, np.uint8)))
    if depth == 16:
        original = original.astype(np.uint16) * 256 + 200
    result = decode_compressed(pack('.png', original))
    assert np.abs(result.astype(int) - expected).max() <= (depth == 16)


@pytest.mark.parametrize(
    'container',
    [bytes, bytearray, memoryview, lambda data: array.array('B', data), np.frombuffer],
    ids=['bytes', 'bytearray', 'memoryview', 'array', 'ndarray'],
)
def test_containers(photo, container):
    blob = pack('.png', photo)
    data = np.frombuffer(blob, np.uint8) if container is np.frombuffer else container(blob)
    assert np.array_equal(decode_compressed(data), photo)


def test_only_files_are_rotated_by_their_orientation(photo, tmp_path):
    """The boxes of a message must fit the image that other subscribers see."""
    tiff = b'II*\0\x08\0\0\0' + b'\x01\0' + b'\x12\x01\x03\0\x01\0\0\0\x06\0\0\0' + bytes(4)
    plain = pack('.jpg', photo)
    rotated = with_exif(plain, tiff)
    assert np.array_equal(decode_compressed(rotated), decode_compressed(plain))
    (tmp_path / 'image.jpg').write_bytes(rotated)
    turned = np.rot90(decode_compressed(plain), -1)
    assert np.array_equal(read_image(tmp_path / 'image.jpg'), turned)


@pytest.mark.parametrize('kind', [*JPEGS, 'png'])
def test_cut_short(photo, kind):
    """However little is missing at the end, half an image is never returned."""
    blob = pack('.png', photo) if kind == 'png' else jpeg_of(kind, photo)
    assert decode_compressed(blob).shape == photo.shape
    shortest = len(blob) - 2 * (kind != 'png')  # a jpeg's last two bytes are its end marker
    for length in [*range(1, len(blob) - 40, 7), *range(len(blob) - 40, shortest)]:
        with pytest.raises(ImageError, match=r'cut short|damaged|neither|cannot be decoded'):
            decode_compressed(blob[:length])
    format_name = 'png' if kind == 'png' else 'jpeg'
    length = len(blob) - 20
    with pytest.raises(
        ImageError, match=f'the {format_name} image is cut short after {length} bytes'
    ) as caught:
        decode_compressed(blob[:length])
    assert caught.value.kind == 'image cut short'


@pytest.mark.parametrize('kind', JPEGS)
@pytest.mark.parametrize(
    'behind', [b'\xff\xda' * 300, b'\xff\xd8\xff\xda', b'\0\0\0\x18ftypmp42', bytes(5000)]
)
def test_bytes_behind_a_jpeg_are_no_part_of_it(photo, kind, behind, tmp_path):
    """A phone's motion photo has a film there, whose bytes look like parts of a jpeg by chance."""
    blob = jpeg_of(kind, photo)
    assert np.array_equal(decode_compressed(blob + behind), decode_compressed(blob))
    (tmp_path / 'photo.jpg').write_bytes(blob + behind)
    assert read_image(tmp_path / 'photo.jpg').shape == photo.shape


@pytest.mark.parametrize('kind', JPEGS)
@pytest.mark.parametrize(
    'behind',
    [
        b'',
        b'\xff',
        b'\xff' * 5,
        bytes(3),
        bytes(4000),
        b'\xff' + bytes(100),
        b'\xff\xd8',
        # what Samsung's phones put there without an end marker, and then the film
        b'\0\0\x01\x0aImage_UTC_Data' + b'\xff\xda' * 300 + b'\xff\xd9',
        b'\0\0\x01\x0aImage_UTC_Data' + b'\xff\xe0\xff\xff',
    ],
)
def test_a_jpeg_without_its_end_marker_is_whole(photo, kind, behind, tmp_path):
    """Cameras leave it out, and fill up a buffer or send the next image instead."""
    blob = jpeg_of(kind, photo)
    repairs = Counter()
    assert np.array_equal(
        decode_compressed(blob[:-2] + behind, repairs=repairs), decode_compressed(blob)
    )
    assert repairs == {JPEG_END_MISSING: 1}
    decode_compressed(blob, repairs=repairs)
    decode_compressed(blob + behind, repairs=repairs)
    assert repairs == {JPEG_END_MISSING: 1}
    (tmp_path / 'photo.jpg').write_bytes(blob[:-2] + behind)
    assert np.array_equal(read_image(tmp_path / 'photo.jpg'), decode_compressed(blob))


@pytest.mark.parametrize('kind', JPEGS)
@pytest.mark.parametrize('behind', [b'', bytes(3), bytes(4000), b'\xff\xd8\xff\xe1'])
def test_a_jpeg_without_its_last_bits_is_cut_short(photo, kind, behind):
    blob = jpeg_of(kind, photo)
    for missing in (20, 60, 200):
        with pytest.raises(ImageError, match='cut short'):
            decode_compressed(blob[:-missing] + behind)


def test_a_progressive_jpeg_without_its_last_scans_is_cut_short(photo):
    """Each of its scans ends where an end marker may stand."""
    blob = jpeg_of('progressive', photo)
    scans = [match.start() for match in re.finditer(rb'\xff\xc4|\xff\xda', blob)]
    assert len(scans) > 10
    for at in scans[1:]:
        with pytest.raises(ImageError, match='cut short'):
            decode_compressed(blob[:at])


def test_an_image_of_several_jpegs_is_the_first(photo):
    """Cameras put views for screens, other lenses and depths behind the image (CIPA DC-007)."""
    blob, other = pack('.jpg', photo), pack('.jpg', photo[:20, :30])
    assert np.array_equal(decode_compressed(blob + other + other), decode_compressed(blob))
    # whole within a segment, as a thumbnail is, or spread over two
    segments = with_exif(with_exif(blob, other), other[:100])
    assert np.array_equal(decode_compressed(segments), decode_compressed(blob))


def test_a_whole_jpeg_without_its_end_is_decoded_without_a_word(photo, capfd):
    for kind in ('baseline', 'restart markers'):
        decode_compressed(jpeg_of(kind, photo)[:-2])
    assert capfd.readouterr().err == ''


def test_a_long_run_of_fill_bytes_takes_no_time(photo):
    """Each was tried as the first of a marker, with all that follow: half an hour for 300 kB."""
    with pytest.raises(ImageError, match='cut short'):
        decode_compressed(pack('.jpg', photo)[:-30] + b'\xff' * 300_000 + b'\0')


def test_damaged_png(photo):
    blob = pack('.png', photo)
    for at in range(8, len(blob) - 4, 41):
        changed = bytearray(blob)
        changed[at] ^= 0x55
        with pytest.raises(ImageError, match=r'damaged|cut short|cannot be decoded|claims'):
            decode_compressed(bytes(changed))
    with pytest.raises(ImageError, match='cut short'):
        decode_compressed(blob[: len(blob) // 2] + blob[-12:])


@pytest.mark.parametrize(
    ('blob', 'kind', 'message'),
    [
        (b'', 'empty image', 'the compressed image is empty'),
        (b'\0', 'neither jpeg nor png', 'neither jpeg nor png'),
        (b'<!DOCTYPE html>', 'neither jpeg nor png', "the data starts with b'<!DOCTYP'"),
        (b'GIF89a' + bytes(40), 'neither jpeg nor png', "the data starts with b'GIF89a"),
        (b'RIFF\0\0\0\0WEBPVP8 ', 'neither jpeg nor png', 'neither jpeg nor png'),
        (b'\xff\xd8', 'image damaged', 'the jpeg image of 2 bytes is damaged: no frame header'),
        (b'\xff\xd8\xff\xd9', 'image damaged', 'damaged: no frame header'),
        (b'\xff\xd8\xff\xda\0\2\xff\xda\0\1', 'image damaged', 'damaged: no frame header'),
        (b'\xff\xd8' + bytes(500) + b'\xff\xd9', 'image damaged', 'damaged: no frame header'),
        (b'\x89PNG\r\n\x1a\n', 'image cut short', 'the png image is cut short after 8 bytes'),
        (b'\x89PNG\r\n\x1a\nIEND', 'image cut short', 'cut short after 12 bytes'),
        (bombs.jpeg_of_scans(16, 16, 200), 'too many scans', 'passes over its pixels 201 times'),
    ],
)
def test_not_an_image(blob, kind, message):
    with pytest.raises(ImageError, match=message) as caught:
        decode_compressed(blob)
    assert caught.value.kind == kind


def refused(blob, message):
    """Assert that an image is refused without taking memory."""

    def decode():
        with pytest.raises(ImageError, match=message):
            decode_compressed(blob)

    assert peak_mb(decode) < 60


@pytest.mark.parametrize(('width', 'height'), [(40_000, 2501), (2**31 - 1, 2**31 - 1), (2**31, 1)])
def test_a_png_that_claims_too_many_pixels(photo, width, height):
    blob = bytearray(pack('.png', photo))
    blob[16:24] = width.to_bytes(4, 'big') + height.to_bytes(4, 'big')
    refused(bytes(blob), f'png image claims {width}x{height} pixels, more than {MAX_PIXELS}')


@pytest.mark.parametrize('kind', JPEGS)
def test_a_jpeg_that_claims_too_many_pixels(photo, kind):
    """Two kilobytes that claim 900 million pixels would take the decoder 12 s and 5 GB."""
    blob = bytearray(jpeg_of('' if kind == 'thumbnail' else kind, photo))
    frame = max(blob.find(b'\xff\xc0'), blob.find(b'\xff\xc2'))
    assert blob[frame + 5 : frame + 9] == bytes([0, 60, 0, 80])
    blob[frame + 5 : frame + 9] = (30000).to_bytes(2, 'big') * 2
    blob = bytes(blob)
    if kind == 'thumbnail':
        blob = with_exif(blob, pack('.jpg', photo[:16, :16]))
    refused(blob, f'jpeg image claims 30000x30000 pixels, more than {MAX_PIXELS}')


def test_a_small_file_of_many_passes_over_many_pixels():
    """A pass over 88 megapixels takes 130 bytes and 7 ms."""
    blob = bombs.jpeg_of_scans(9_400, 9_400, 3_000)
    assert len(blob) < 600_000
    refused(blob, 'passes over its pixels 3001 times, more than 100')


def test_a_progressive_jpeg_may_have_many_scans():
    assert decode_compressed(bombs.jpeg_of_scans(64, 64, 90)).shape == (64, 64, 3)


def test_the_largest_image_takes_little_more_than_its_pixels():
    """12 kB become the 300 MB that the limit allows."""
    blob = bombs.png(10_000, 9_900, rows=9_900)
    assert len(blob) < 20_000
    assert peak_mb(lambda: decode_compressed(blob)) < 700


@pytest.mark.parametrize('kind', [b'IDAT', b'PLTE', b'tEXt', b'iCCP', b'fcTL', b'abCd', b'IEND'])
def test_a_png_whose_chunks_claim_gigabytes(photo, kind):
    """72 bytes took OpenCV's decoder 4 GB and several seconds."""
    blob = pack('.png', photo)
    for length in (2**32 - 1, 2**30, 10**5):
        chunk = struct.pack('>I', length) + kind + bytes(20)
        refused(blob[:33] + chunk + blob[33:], 'cut short')
        refused(blob[:-12] + chunk + blob[-12:], 'cut short')


def test_png_chunks_that_cannot_be_ignored(photo):
    blob = pack('.png', photo)
    second = bombs.png_chunk(b'IHDR', struct.pack('>IIBBBBB', 30_000, 30_000, 8, 2, 0, 0, 0))
    refused(
        blob[:33] + second + blob[33:], 'png image is damaged: it does not start with its size'
    )
    refused(
        blob[:33] + bombs.png_chunk(b'ABCD', b'') + blob[33:], "it holds an unknown part b'ABCD'"
    )


def test_texts_and_profiles_of_a_png_are_not_unpacked(photo):
    plain = pack('.png', photo)
    packed = zlib.compress(bytes(2**26), 9)
    bomb = bombs.png_chunk(b'zTXt', b'a\0\0' + packed) + bombs.png_chunk(
        b'iCCP', b'a\0\0' + packed
    )
    found = []
    blob = plain[:33] + bomb * 4 + plain[33:]
    assert peak_mb(lambda: found.append(decode_compressed(blob))) < 60
    assert np.array_equal(found[0], photo)


@pytest.mark.parametrize('size', [(80, 60), (40, 30), (2**31 - 1, 2**31 - 1)])
def test_an_animated_png_is_its_image(photo, size):
    plain = pack('.png', photo)
    frame = bombs.png_chunk(b'fcTL', struct.pack('>IIIIIHHBB', 0, *size, 0, 0, 1, 10, 0, 0))
    before = bombs.png_chunk(b'acTL', struct.pack('>II', 2, 0)) + frame
    after = frame + bombs.png_chunk(b'fdAT', bytes(4) + bytes(50))
    animated = plain[:33] + before + plain[33:-12] + after + plain[-12:]
    assert np.array_equal(decode_compressed(animated), photo)


def test_a_png_with_a_palette(photo):
    palette = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255])
    rows = b''.join(b'\0' + bytes(row) for row in (photo[..., 0] % 3))
    chunks = (
        (b'IHDR', struct.pack('>IIBBBBB', 80, 60, 8, 3, 0, 0, 0)),
        (b'gAMA', struct.pack('>I', 45455)),
        (b'PLTE', palette),
        (b'tRNS', b'\0\x80'),
        (b'tIME', bytes(7)),
        (b'IDAT', zlib.compress(rows)),
        (b'IEND', b''),
    )
    blob = b'\x89PNG\r\n\x1a\n' + b''.join(bombs.png_chunk(*chunk) for chunk in chunks)
    expected = np.frombuffer(palette, np.uint8).reshape(3, 3)[photo[..., 0] % 3, ::-1]
    assert np.array_equal(decode_compressed(blob), expected)


def test_find_images(tmp_path):
    files = ('b.jpg', 'a.PNG', 'd[1].png', 'inside/c.webp', 'inside/notes.txt', 'empty/notes.txt')
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'e.jpg').symlink_to('missing.jpg')
    (tmp_path / 'f.jpg').mkdir()
    found = find_images([str(tmp_path), str(tmp_path / '[be].jpg'), str(tmp_path / 'x*.jpg')])
    assert found == [
        tmp_path / n for n in ('a.PNG', 'b.jpg', 'd[1].png', 'e.jpg', 'inside/c.webp', 'x*.jpg')
    ]
    assert find_images([f'{tmp_path}/**/[cx]*']) == [tmp_path / 'inside/c.webp']
    named = [str(tmp_path / n) for n in ('d[1].png', 'empty', 'inside/notes.txt', 'missing')]
    assert list(map(str, find_images(named))) == named


def test_rare_formats_in_a_folder_are_named_and_notes_of_the_system_are_not(tmp_path):
    for name in ('a.heic', 'b.JXL', '._c.jpg', 'd.txt'):
        (tmp_path / name).write_bytes(b'\0\0\0\x18ftypheic')
    found = find_images([str(tmp_path)])
    assert [path.name for path in found] == ['a.heic', 'b.JXL']
    for path in found:
        with pytest.raises(ImageError, match=rf'this OpenCV does not read \{path.suffix};'):
            read_image(path)


@pytest.mark.parametrize(
    ('name', 'contents', 'message'),
    [
        # iPhones send heic under any name
        ('a.jpg', b'\0\0\0\x18ftypheic', r'this OpenCV does not read \.heic; convert it to jpeg'),
        ('a.HEIC', b'\0\0\0\x18ftypmif1', r'this OpenCV does not read \.HEIC; convert it'),
        ('a.png', b'\xff\x0a' + bytes(30), r'this OpenCV does not read \.jxl; convert it'),
        ('a.jp2', b'\0\0\0\x0cjP  \r\n\x87\n', 'the jp2 image of 12 bytes is damaged'),
        ('a.webp', b'RIFF\0\1\0\0WEBPVP8 ' + bytes(40), 'the webp image of 56 bytes is damaged'),
        ('a.png', b'RIFF\0\1\0\0AVI LIST', "not an image: it starts with b'RIFF"),
        ('a.jpg', b'BM' + bytes(60), 'the bmp image of 62 bytes is damaged'),
        ('a.tif', b'II*\0\x08' + bytes(60), 'the tiff image of 65 bytes is damaged'),
    ],
)
def test_what_opencv_does_not_read_is_told_from_what_is_damaged(tmp_path, name, contents, message):
    (tmp_path / name).write_bytes(contents)
    with pytest.raises(ImageError, match=message):
        read_image(tmp_path / name)


def test_real_numbers(tmp_path):
    """OpenCV writes them to tiff, and reads them back only as they are."""
    cv2.imwrite(str(tmp_path / 'depth.tiff'), np.ones((30, 40), np.float32))
    (tmp_path / 'depth.pfm').write_bytes(b'Pf\n2 2\n-1.0\n' + bytes(16))
    for path in tmp_path.iterdir():
        with pytest.raises(ImageError, match='holds real numbers; convert it') as caught:
            read_image(path)
        assert caught.value.kind == 'real numbers'


@pytest.mark.parametrize(
    ('contents', 'kind', 'message'),
    [
        (None, 'not an image', 'a folder without images'),
        (b'', 'empty image', 'the compressed image is empty'),
        (b'notes', 'not an image', "not an image: it starts with b'notes'"),
        (b'\xff\xd8\xff\xd9', 'image damaged', 'damaged: no frame header'),
    ],
)
def test_files_that_are_no_image(tmp_path, contents, kind, message):
    path = tmp_path / 'image.jpg'
    path.mkdir() if contents is None else path.write_bytes(contents)
    with pytest.raises(ImageError, match=message) as caught:
        read_image(path)
    assert caught.value.kind == kind
