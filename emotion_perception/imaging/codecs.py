"""Jpeg and png to BGR, looked over first: decoders believe what a file claims, and take memory and time for it."""

import glob
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from emotion_perception.errors import ImageError

MAX_SCANS = 100
"""How often a jpeg may pass over its pixels; progressive ones do so about ten times."""

_PNG = b'\x89PNG\r\n\x1a\n'
_OF_THE_PICTURE = (b'IHDR', b'PLTE', b'tRNS', b'IDAT', b'IEND')
"""Parts of a png that say what its pixels are; the others are texts, profiles and animations."""


def decode_compressed(data: bytes | bytearray | memoryview | np.ndarray) -> np.ndarray:
    """
    Return a jpeg or png image (`sensor_msgs/CompressedImage.data`) as BGR, uint8 [H, W, 3].

    Raises:
        ImageError: if it is neither, is cut short or damaged, or claims too many pixels.

    """
    blob = bytes(data)
    if blob.startswith(b'\xff\xd8'):
        _check_jpeg(blob)
    elif blob.startswith(_PNG):
        blob = _picture_alone(blob)
    elif not blob:
        raise ImageError('empty image', 'the compressed image is empty')
    else:
        raise ImageError(
            'neither jpeg nor png', f'neither jpeg nor png: the data starts with {blob[:8]!r}'
        )
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(blob, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(
            'image damaged', f'the compressed image cannot be decoded: {error.err}'
        ) from None
    if image is None:
        raise ImageError('image damaged', f'the compressed image of {len(blob)} bytes is damaged')
    return image


def _check_jpeg(blob: bytes) -> None:
    # a jpeg that ends inside its last scan decodes to a half-gray picture without an error
    if blob.rfind(b'\xff\xd9') < blob.rfind(b'\xff\xda'):
        raise ImageError('image cut short', f'the jpeg image is cut short after {len(blob)} bytes')
    check_pixel_count('jpeg image', *_jpeg_size(blob))
    scans = blob.count(b'\xff\xda')
    if scans > MAX_SCANS:
        raise ImageError(
            'too many scans',
            f'the jpeg image passes over its pixels {scans} times, more than {MAX_SCANS}',
        )


def _jpeg_size(blob: bytes) -> tuple[int, int]:
    """Return width and height from the frame header (SOF), searched for as libjpeg does."""
    at = blob.find(b'\xff', 2)
    while 0 <= at <= len(blob) - 9:
        marker = blob[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(blob[at + 7 : at + 9]), int.from_bytes(blob[at + 5 : at + 7])
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker <= 0x01 or 0xD0 <= marker <= 0xD8:  # stands alone, no segment follows
            at = blob.find(b'\xff', at + 2)
        else:
            at = blob.find(b'\xff', at + 2 + int.from_bytes(blob[at + 2 : at + 4]))
    raise ImageError(
        'image damaged', f'the jpeg image of {len(blob)} bytes is damaged: no frame header'
    )


def _picture_alone(blob: bytes) -> bytes:
    """
    Return a png with nothing in it but its picture.

    OpenCV allocates and clears whatever length a part claims, 4 GB for 72 bytes.
    """
    kept, at, kind = [_PNG], len(_PNG), b''
    while kind != b'IEND':
        end = at + 12 + int.from_bytes(blob[at : at + 4])
        kind = blob[at + 4 : at + 8]
        if end > len(blob):
            raise ImageError(
                'image cut short', f'the png image is cut short after {len(blob)} bytes'
            )
        if kind in _OF_THE_PICTURE:
            kept.append(blob[at:end])
        elif not kind[0] & 0x20:  # a large first letter: nobody can do without this part
            raise ImageError(
                'image damaged', f'the png image is damaged: it holds an unknown part {kind!r}'
            )
        at = end
    head = kept[1]
    if [part[4:8] == b'IHDR' for part in kept].count(True) != 1 or head[4:8] != b'IHDR':
        raise ImageError('image damaged', 'the png image is damaged: its size is not at its begin')
    check_pixel_count('png image', *(int.from_bytes(head[at : at + 4]) for at in (8, 12)))
    return b''.join(kept)


MAX_PIXELS = 100_000_000
"""Images that claim more are refused before anything is allocated for them."""


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


IMAGE_SUFFIXES = frozenset({'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'})
"""Names of files that count as pictures inside a folder; a file that is named itself may be called anything."""


def find_images(names: Iterable[str]) -> list[Path]:
    """
    Return the files that names stand for: files, folders with what lies below them, and patterns.

    What stands for nothing is returned as it is, so that reading it says what is wrong.
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
            pictures = sorted(
                p for p in inside if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()
            )
            found += pictures or [match]
    return list(dict.fromkeys(found))


def read_image(path: Path) -> np.ndarray:
    """
    Return a picture as BGR, uint8 [H, W, 3], turned as its camera held it.

    Raises:
        ImageError: if it is not a picture, or damaged.
        OSError: if the file cannot be read.

    """
    if path.is_dir():
        raise ImageError('no picture', 'a folder without pictures')
    blob = path.read_bytes()
    if blob.startswith((b'\xff\xd8', b'\x89PNG\r\n')) or not blob:
        decode_compressed(blob)  # notices what is cut short, which OpenCV fills with gray
    try:
        image = cv2.imdecode(np.frombuffer(blob, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError('image damaged', f'cannot be decoded: {error.err}') from None
    if image is None:
        raise ImageError('not a picture', f'not a picture: it starts with {blob[:16]!r}')
    return np.asarray(image)
