# SPDX-License-Identifier: Apache-2.0
"""Decode jpeg, png and other image files, but not what is cut short or claims too many pixels."""

import glob
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from emotion_perception.errors import ImageError
from emotion_perception.imaging import avif, jpeg
from emotion_perception.imaging.levels import Levels

MAX_PIXELS = 100_000_000
"""Images that claim more are refused before anything is allocated for them."""

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
    if blob.startswith(jpeg.START):
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
    image = cv2.imdecode(data, flags)  # real numbers
    return image if image is not None and image.ndim == 3 else None  # pfm stays single-channeled


def _whole_jpeg(blob: bytes) -> bytes:
    """Return a jpeg up to its end, which is added where only that is missing."""
    parts = jpeg.read_parts(blob)
    check_pixel_count('jpeg image', parts.width, parts.height)
    return jpeg.complete(blob, parts)


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
    # a link to nothing counts, so that reading it says so
    return known and not path.name.startswith('._') and (path.is_file() or not path.exists())


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
    if cv2.imdecode(np.frombuffer(blob, np.uint8), cv2.IMREAD_UNCHANGED) is not None:
        return ImageError(
            'real numbers', 'the image holds real numbers; convert it to integers of 8 or 16 bits'
        )
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
    if blob.startswith((jpeg.START, _PNG[:6])) or not blob:
        decode_compressed(blob)  # refuses files that are cut short, which OpenCV fills with gray
    if blob.startswith(jpeg.START):
        blob = _whole_jpeg(blob)
    boxes = avif.is_avif(blob)
    try:
        image = _decode(blob, cv2.IMREAD_IGNORE_ORIENTATION if boxes else 0, Levels())
    except cv2.error as error:
        raise ImageError('image damaged', f'cannot be decoded: {error.err}') from None
    if image is None:
        raise _not_read(path, blob)
    return avif.orient(image, blob) if boxes else image
