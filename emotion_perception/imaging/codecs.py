# SPDX-License-Identifier: Apache-2.0
"""Decode jpeg, png and other image files, but not what is cut short or claims too many pixels."""

import glob
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from emotion_perception.errors import ImageError
from emotion_perception.imaging import avif
from emotion_perception.imaging.levels import Levels

MAX_PIXELS = 100_000_000
"""Images that claim more are refused before anything is allocated for them."""

MAX_SCANS = 100
"""Largest number of passes of a jpeg over its pixels; progressive ones have about ten."""

IMAGE_SUFFIXES = frozenset({'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'})
"""Suffixes of the images in a folder; a file that is named itself may have any suffix."""

_RARE_SUFFIXES = frozenset({'.avif', '.gif', '.heic', '.heif', '.jp2', '.jxl'})
"""Images that not every OpenCV reads; those in a folder are tried, so that none is overlooked."""

_STARTS = {
    b'BM': '.bmp',
    b'GIF8': '.gif',
    b'II*\0': '.tiff',
    b'MM\0*': '.tiff',
    b'\xff\x0a': '.jxl',
    b'\0\0\0\x0cJXL ': '.jxl',
    b'\0\0\0\x0cjP  ': '.jp2',
}
_BRANDS = dict.fromkeys((b'heic', b'heix', b'mif1'), '.heic') | {
    b'avif': '.avif',
    b'WEBP': '.webp',
}
"""What stands in the bytes 8 to 11."""

JPEG_END_MISSING = 'jpeg end missing'
"""Kind of a jpeg that is whole but for its end marker, as many cameras send it."""

_JPEG, _JPEG_END = b'\xff\xd8', b'\xff\xd9'
_JPEG_MARKER = re.compile(rb'\xff([^\x00\xff\xd0-\xd7])')
"""A marker that is neither a byte of pixels nor a restart within them."""
_COEFFICIENTS = 64
"""Of a block of a jpeg; progressive ones send them in several scans, to the bit `low`."""
_OTHER_BITS = b'\xa5' * 32
"""Neither zeros, with which libjpeg continues a scan that is cut short, nor a marker."""
_PNG = b'\x89PNG\r\n\x1a\n'
_PNG_PIXEL_CHUNKS = (b'IHDR', b'PLTE', b'tRNS', b'IDAT', b'IEND')
"""Chunks of a png that define its pixels; the others are texts, profiles and animations."""


def check_pixel_count(what: str, width: int, height: int) -> None:
    """
    Refuse an image before a decoder allocates what its header claims.

    Raises:
        ImageError: if it claims more than `MAX_PIXELS`.

    """
    if width * height > MAX_PIXELS:
        raise ImageError(
            'image too large',
            f'the {what} claims {width}x{height} pixels, more than {MAX_PIXELS}',
        )


def decode_compressed(
    data: bytes | bytearray | memoryview | np.ndarray,
    levels: Levels | None = None,
    repairs: Counter[str] | None = None,
) -> np.ndarray:
    """
    Decode a jpeg or png image, such as `sensor_msgs/CompressedImage.data`.

    Args:
        data: contents of the file.
        levels: scale of 16-bit images, kept from image to image; None makes 65535 to 255.
        repairs: an image without its end marker is counted here as `JPEG_END_MISSING`.

    Returns:
        BGR uint8 [H, W, 3]; an Exif orientation is ignored.

    Raises:
        ImageError: if it is neither jpeg nor png, is cut short or damaged, or claims too many
            pixels.

    """
    blob = bytes(data)
    if blob.startswith(_JPEG):
        whole = _whole_jpeg(blob)
        if repairs is not None and not blob.startswith(whole):
            repairs[JPEG_END_MISSING] += 1
        blob = whole
    elif blob.startswith(_PNG):
        blob = _strip_png(blob)
    elif not blob:
        raise ImageError('empty image', 'the compressed image is empty')
    else:
        raise ImageError(
            'neither jpeg nor png', f'neither jpeg nor png: the data starts with {blob[:8]!r}'
        )
    try:
        image = _decode(blob, cv2.IMREAD_IGNORE_ORIENTATION, levels)
    except cv2.error as error:
        raise ImageError(
            'image damaged', f'the compressed image cannot be decoded: {error.err}'
        ) from None
    if image is None:
        raise ImageError('image damaged', f'the compressed image of {len(blob)} bytes is damaged')
    return image


def _decode(blob: bytes, flags: int, levels: Levels | None) -> np.ndarray | None:
    """Return BGR uint8 [H, W, 3], 16-bit values scaled by `levels`; None if it is damaged."""
    data, flags = np.frombuffer(blob, np.uint8), cv2.IMREAD_COLOR | flags
    image = cv2.imdecode(data, flags | cv2.IMREAD_ANYDEPTH if levels else flags)
    if image is None or image.dtype == np.uint8:
        return image
    if levels and image.dtype == np.uint16:
        return levels.to_8_bit(image)
    return cv2.imdecode(data, flags)  # real numbers


class _JpegParts(NamedTuple):
    """
    What the markers of a jpeg say, found as libjpeg finds them.

    Attributes:
        width: of the image.
        height: of the image.
        scans: passes over the pixels.
        all_sent: whether the scans hold all coefficients of all components to their last bit.
        end: position of the end marker, or of the next image, or the length.
        ended: whether there is an end marker.

    """

    width: int
    height: int
    scans: int
    all_sent: bool
    end: int
    ended: bool


def _jpeg_parts(blob: bytes) -> _JpegParts:
    at, scans, missing, end, ended = 2, 0, 0, len(blob), False
    size: tuple[int, int] | None = None
    progressive = False
    while (found := _JPEG_MARKER.search(blob, at)) is not None:
        marker, at = found[1][0], found.end()
        length = int.from_bytes(blob[at : at + 2])
        segment = blob[at + 2 : at + length]
        is_scan = marker == 0xDA and 6 <= len(segment) == length - 2 == 4 + 2 * segment[0]
        all_sent = scans > 0 and missing <= 0
        # where all is sent without an end marker, what looks like a marker is a film's by chance
        if marker == 0xD9 or (scans and marker == 0xD8) or (all_sent and not is_scan):
            end, ended = found.start(), marker == 0xD9
            break
        if marker in (0x01, 0xD8):  # stands alone, no segment follows
            continue
        is_frame = 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)
        if is_frame and size is None and len(segment) >= 6:
            size = int.from_bytes(segment[3:5]), int.from_bytes(segment[1:3])
            missing, progressive = segment[5] * _COEFFICIENTS, marker == 0xC2
        if marker == 0xDA:
            scans += 1
            missing -= _coefficients_sent(segment, progressive)
        at += length
    if size is None:
        raise ImageError(
            'image damaged', f'the jpeg image of {len(blob)} bytes is damaged: no frame header'
        )
    return _JpegParts(*size, scans, missing <= 0, end, ended)


def _coefficients_sent(scan: bytes, progressive: bool) -> int:
    """Return the coefficients of a block of each component that a scan sends to their last bit."""
    first, last, bits = scan[-3:] if len(scan) >= 6 else (0, 0, 1)
    if not progressive:
        return scan[0] * _COEFFICIENTS if scan else 0
    return 0 if bits & 0x0F else scan[0] * (last - first + 1)


def _whole_jpeg(blob: bytes) -> bytes:
    """
    Return a jpeg up to its end, which is added where only that is missing.

    What follows the end is no part of the image: the film of a phone's motion photo, other views.
    """
    parts = _jpeg_parts(blob)
    check_pixel_count('jpeg image', parts.width, parts.height)
    if parts.scans > MAX_SCANS:
        raise ImageError(
            'too many scans',
            f'the jpeg image passes over its pixels {parts.scans} times, more than {MAX_SCANS}',
        )
    body = blob[: parts.end]
    if parts.ended:
        return body + _JPEG_END
    body = _without_padding(body)
    # a jpeg that ends inside its last scan would be decoded to a half-gray image without an error
    if not parts.all_sent or not _is_last_scan_whole(body, parts.scans):
        raise ImageError('image cut short', f'the jpeg image is cut short after {len(blob)} bytes')
    return body + _JPEG_END


def _without_padding(body: bytes) -> bytes:
    """Return a jpeg without fill bytes and the zeros of a buffer that is longer than its image."""
    body = body.rstrip(b'\xff')
    scan = body.rstrip(b'\0')
    if len(body) - len(scan) < 3:  # bits of the scan
        return body
    return scan + b'\0' * scan.endswith(b'\xff')  # a zero marks that 255 as bits of the scan


def _is_last_scan_whole(body: bytes, scans: int) -> bool:
    """Return whether the pixels of a jpeg without its end do not depend on what follows."""
    # several scans are decoded only up to an end; after a single one libjpeg would report the bits
    ends = (body + _OTHER_BITS + _JPEG_END * (scans > 1), body + _JPEG_END)
    found = None
    for blob in ends:
        try:
            image = _decode(blob, cv2.IMREAD_IGNORE_ORIENTATION, None)
        except cv2.error:
            return False
        if image is None or (found is not None and not np.array_equal(image, found)):
            return False
        found = image
    return True


def _strip_png(blob: bytes) -> bytes:
    """
    Return a png with its pixel chunks only.

    OpenCV allocates and clears the length that any chunk claims: 4 GB for a file of 72 bytes.
    """
    kept, at, kind = [_PNG], len(_PNG), b''
    while kind != b'IEND':
        end = at + 12 + int.from_bytes(blob[at : at + 4])
        kind = blob[at + 4 : at + 8]
        if end > len(blob):
            raise ImageError(
                'image cut short', f'the png image is cut short after {len(blob)} bytes'
            )
        if kind in _PNG_PIXEL_CHUNKS:
            kept.append(blob[at:end])
        elif not kind[0] & 0x20:  # a capital letter: the pixels cannot be decoded without it
            raise ImageError(
                'image damaged', f'the png image is damaged: it holds an unknown part {kind!r}'
            )
        at = end
    header = kept[1]
    if [chunk[4:8] for chunk in kept].count(b'IHDR') != 1 or header[4:8] != b'IHDR':
        raise ImageError(
            'image damaged', 'the png image is damaged: it does not start with its size'
        )
    check_pixel_count('png image', *(int.from_bytes(header[at : at + 4]) for at in (8, 12)))
    return b''.join(kept)


def is_image_file(path: Path) -> bool:
    """Return whether a file in a folder is an image by its name."""
    # ._photo.jpg holds a system's notes about photo.jpg
    known = path.suffix.lower() in IMAGE_SUFFIXES | _RARE_SUFFIXES
    return known and not path.name.startswith('._') and path.is_file()


def find_images(names: Iterable[str]) -> list[Path]:
    """
    Return the image files that names stand for.

    Args:
        names: of files, of folders, which are searched recursively, and glob patterns. One that
            matches nothing is returned as it is, so that reading it raises the error.

    """
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.exists() or not glob.has_magic(name):
            matches = [path]
        else:
            matches = sorted(map(Path, glob.glob(name, recursive=True))) or [path]
        for match in matches:
            inside = match.rglob('*') if match.is_dir() else ()
            images = sorted(p for p in inside if is_image_file(p))
            found += images or [match]
    return list(dict.fromkeys(found))


def _not_read(path: Path, blob: bytes) -> ImageError:
    """Return why OpenCV does not read a file, by its content where its name says nothing."""
    suffix = path.suffix
    if suffix.lower() not in _RARE_SUFFIXES:
        starts = (kind for start, kind in _STARTS.items() if blob.startswith(start))
        suffix = next(starts, _BRANDS.get(blob[8:12], ''))
    if not suffix:
        return ImageError('not an image', f'not an image: it starts with {blob[:16]!r}')
    if cv2.haveImageWriter(f'image{suffix.lower()}'):
        return ImageError(
            'image damaged', f'the {suffix[1:]} image of {len(blob)} bytes is damaged'
        )
    return ImageError(
        'unknown format', f'this OpenCV does not read {suffix}; convert it to jpeg or png'
    )


def read_image(path: Path) -> np.ndarray:
    """
    Read an image file of any format that OpenCV reads.

    Returns:
        BGR uint8 [H, W, 3], rotated by its Exif orientation, or that of avif, 16 bits scaled by
        their range.

    Raises:
        ImageError: if it is not an image, or damaged.
        OSError: if the file cannot be read.

    """
    if path.is_dir():
        raise ImageError('not an image', 'a folder without images')
    blob = path.read_bytes()
    if blob.startswith((_JPEG, _PNG[:6])) or not blob:
        decode_compressed(blob)  # refuses files that are cut short, which OpenCV fills with gray
    if blob.startswith(_JPEG):
        blob = _whole_jpeg(blob)
    boxes = avif.is_avif(blob)
    try:
        image = _decode(blob, cv2.IMREAD_IGNORE_ORIENTATION if boxes else 0, Levels())
    except cv2.error as error:
        raise ImageError('image damaged', f'cannot be decoded: {error.err}') from None
    if image is None:
        raise _not_read(path, blob)
    return avif.orient(image, blob) if boxes else image
