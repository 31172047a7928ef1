"""Find and read pictures: files, folders, patterns, a camera."""

import glob
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from emotion_perception.camera import CameraError, open_source
from emotion_perception.image_conversion import ImageError, decode_compressed

SUFFIXES = frozenset({'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'})
"""Names of files that count as pictures inside a folder; a file that is named itself may be called anything."""

_WARM_UP_FRAMES = 5


def find_pictures(names: Iterable[str]) -> list[Path]:
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
            pictures = sorted(p for p in inside if p.suffix.lower() in SUFFIXES and p.is_file())
            found += pictures or [match]
    return list(dict.fromkeys(found))


def read_picture(path: Path) -> np.ndarray:
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
        decode_compressed(blob)  # notices what is cut short, which OpenCV fills with grey
    try:
        image = cv2.imdecode(np.frombuffer(blob, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError('image damaged', f'cannot be decoded: {error.err}') from None
    if image is None:
        raise ImageError('not a picture', f'not a picture: it starts with {blob[:16]!r}')
    return np.asarray(image)


def take_frame(source: str) -> np.ndarray:
    """
    Return one picture of a camera, BGR uint8 [H, W, 3], after some for it to find its exposure.

    Args:
        source: number of a camera, or whatever else `camera.open_source` opens.

    Raises:
        CameraError: if it gives no picture.

    """
    camera = open_source(source, loop=False)
    found = None
    try:
        for _ in range(_WARM_UP_FRAMES):
            frame = camera.read()
            if frame is None:
                break
            found = frame
    finally:
        camera.close()
    if found is None:
        raise CameraError(f'camera {source} gives no picture')
    return found
