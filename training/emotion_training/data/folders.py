"""Read images from folders named after classes: one folder of them, or one for each split."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from emotion_perception.emotions import canonical_emotion
from emotion_perception.errors import ImageError
from emotion_perception.imaging.codecs import decode_compressed
from emotion_training.data.fer2013 import SIDE_PX, DatasetError, LeftOut, Sample
from emotion_training.data.image_checks import what_else

SPLIT_FOLDERS = {
    **dict.fromkeys(('train', 'training'), 'Training'),
    **dict.fromkeys(('validation', 'valid', 'val', 'dev', 'publictest'), 'PublicTest'),
    **dict.fromkeys(('test', 'testing', 'privatetest'), 'PrivateTest'),
}
"""FER2013's `Usage` for each folder name of a split, in lower case."""

_LITTER = ('desktop.ini', 'thumbs.db')


@dataclass(frozen=True)
class ImageFile:
    """A file that should be an image; `usage` as in fer2013.csv, `label` of EMOTIONS."""

    path: Path
    usage: str
    label: str


def _folders(parent: Path, ignore: Iterable[str]) -> list[Path]:
    passed_over = {name.lower() for name in ignore}
    try:
        inside = list(parent.iterdir())
    except OSError as error:
        raise DatasetError(f'{parent} cannot be read: {error.strerror}') from None
    return sorted(
        path
        for path in inside
        if path.is_dir() and path.name[0] not in '._' and path.name.lower() not in passed_over
    )


def _is_split(folder: Path) -> bool:
    return folder.name.lower() in SPLIT_FOLDERS


def _split_folders(root: Path, ignore: Iterable[str]) -> list[tuple[Path, str]]:
    """Return the folders that hold class folders, with the usage of each; looks through wrappers."""
    inside = _folders(root, ignore)
    splits = [folder for folder in inside if _is_split(folder)]
    if splits:
        others = [folder for folder in inside if not _is_split(folder)]
        if others:
            raise DatasetError(
                f'{others[0]} stands beside {splits[0].name}/ and is no split; known are '
                f'{", ".join(SPLIT_FOLDERS)}; `--ignore {others[0].name}` passes it over'
            )
        return [(folder, SPLIT_FOLDERS[folder.name.lower()]) for folder in splits]
    if len(inside) == 1 and any(_is_split(f) or _is_class(f) for f in _folders(inside[0], ignore)):
        return _split_folders(inside[0], ignore)
    return [(root, 'Training')]


def _is_class(folder: Path) -> bool:
    try:
        canonical_emotion(folder.name)
    except ValueError:
        return False
    return True


def has_splits(root: Path, ignore: Iterable[str] = ()) -> bool:
    """Return whether `root` holds folders of splits rather than of classes."""
    return any(_is_split(folder) for folder, _ in _split_folders(root, ignore))


def find_images(root: Path, ignore: Iterable[str] = ()) -> list[ImageFile]:
    """
    Return the files of every class below `root`, in order.

    Args:
        root: holds folders of classes, or folders of splits (`SPLIT_FOLDERS`) that hold those.
        ignore: names of folders to pass over, such as ``contempt``.

    Raises:
        DatasetError: if a folder stands for no class, or holds no file, or there is none.

    """
    found: list[ImageFile] = []
    for parent, usage in _split_folders(root, ignore):
        classes = _folders(parent, ignore)
        if not classes:
            raise DatasetError(f'{parent} holds no folders named after classes')
        for folder in classes:
            try:
                label = canonical_emotion(folder.name)
            except ValueError as error:
                raise DatasetError(
                    f'{folder}: {error}; `--ignore {folder.name}` passes it over'
                ) from None
            files = sorted(
                path
                for path in folder.rglob('*')
                if path.is_file() and path.name[0] != '.' and path.name.lower() not in _LITTER
            )
            if not files:
                raise DatasetError(f'{folder} is empty: no image of {label}')
            found += [ImageFile(path, usage, label) for path in files]
    return found


def _read_gray(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return uint8 [48, 48] and what had to be changed; raises ImageError or OSError."""
    data = path.read_bytes()
    what = what_else(data[:512])
    if what:
        raise ImageError(what, what)
    image = decode_compressed(data)
    notes = []
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if not np.array_equal(image, cv2.merge((gray, gray, gray))):
        notes.append('from color')
    height, width = gray.shape
    if (height, width) != (SIDE_PX, SIDE_PX):
        notes.append(f'resized from {width}x{height}')
        smaller = min(height, width) >= SIDE_PX
        gray = cv2.resize(
            gray, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        )
    return gray, tuple(notes)


def read_images(root: Path, files: Iterable[ImageFile]) -> Iterator[Sample | LeftOut]:
    """
    Yield each file as a gray 48x48 image, or as left out with the reason.

    Args:
        root: what `source` is relative to.
        files: of `find_images`.

    """
    for row, file in enumerate(files):
        source = file.path.relative_to(root).as_posix()
        try:
            image, notes = _read_gray(file.path)
        except ImageError as error:
            reason = error.kind if error.kind == str(error) else f'{error.kind}: {error}'
            yield LeftOut(row, source, file.usage, file.label, reason)
        except OSError as error:
            yield LeftOut(row, source, file.usage, file.label, f'not readable: {error.strerror}')
        else:
            yield Sample(row, image, file.label, file.usage, None, source, notes)
