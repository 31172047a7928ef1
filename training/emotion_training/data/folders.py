# SPDX-License-Identifier: Apache-2.0
"""Read images from class folders, directly in a folder or in a folder for each split."""

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_perception.errors import ImageError
from emotion_perception.imaging.codecs import read_image
from emotion_perception.runtime.quiet import without_library_notes
from emotion_training.data.fer2013 import SIDE_PX, DatasetError, LeftOut, Sample
from emotion_training.data.image_checks import wrong_content
from emotion_training.data.label_names import LabelNames

SPLIT_FOLDERS = {
    **dict.fromkeys(('train', 'training'), 'Training'),
    **dict.fromkeys(('validation', 'valid', 'val', 'dev', 'publictest'), 'PublicTest'),
    **dict.fromkeys(('test', 'testing', 'privatetest'), 'PrivateTest'),
}
"""FER2013's `Usage` for each folder name of a split, in lower case."""

_SYSTEM_FILES = ('desktop.ini', 'thumbs.db')


@dataclass(frozen=True)
class ImageFile:
    """
    An image file of a source.

    Attributes:
        path: of the file.
        usage: as in `Sample`.
        label: one of EMOTIONS, or what is left out: `CONTEMPT`, or empty if a pattern finds none.
        name: that `label` was taken for: of the class folder, or part of the file's name.
        person: as in `Sample`.

    """

    path: Path
    usage: str
    label: str
    name: str
    person: str = ''


def _folders(parent: Path, ignore: Iterable[str]) -> list[Path]:
    ignored = {name.lower() for name in ignore}
    try:
        inside = list(parent.iterdir())
    except OSError as error:
        raise DatasetError(f'{parent} cannot be read: {error.strerror}') from None
    return sorted(
        path
        for path in inside
        if path.is_dir() and path.name[0] not in '._' and path.name.lower() not in ignored
    )


def _is_split(folder: Path) -> bool:
    return folder.name.lower() in SPLIT_FOLDERS


def _split_folders(root: Path, ignore: Iterable[str], names: LabelNames) -> list[tuple[Path, str]]:
    """Return the parents of class folders and their usage; enters a single outer folder."""
    inside = _folders(root, ignore)
    splits = [folder for folder in inside if _is_split(folder)]
    if splits:
        others = [folder for folder in inside if not _is_split(folder)]
        if others:
            raise DatasetError(
                f'{others[0]} is next to {splits[0].name}/ but is not a split; known names are '
                f'{", ".join(SPLIT_FOLDERS)}; `--ignore {others[0].name}` ignores it'
            )
        return [(folder, SPLIT_FOLDERS[folder.name.lower()]) for folder in splits]
    if len(inside) == 1 and any(
        _is_split(folder) or _is_class(folder, names) for folder in _folders(inside[0], ignore)
    ):
        return _split_folders(inside[0], ignore, names)
    return [(root, 'Training')]


def _is_class(folder: Path, names: LabelNames) -> bool:
    try:
        names.label(folder.name)
    except ValueError:
        return folder.name.isdecimal()
    return True


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob('*')
        if path.is_file() and path.name[0] != '.' and path.name.lower() not in _SYSTEM_FILES
    )


def find_images(
    root: Path,
    ignore: Iterable[str] = (),
    names: LabelNames | None = None,
    pattern: re.Pattern[str] | None = None,
) -> list[ImageFile]:
    """
    Return the image files of every class below `root`, sorted.

    Args:
        root: folder of class folders, or of split folders (`SPLIT_FOLDERS`) with class folders.
        ignore: names of folders to ignore.
        names: the meaning of the class folders' names; None knows the usual words.
        pattern: searched in each file's path below `root`. Its group ``person`` names the person;
            its group ``label`` names the class in place of the class folders.

    Raises:
        DatasetError: if a folder is named after no class, or there is none.

    """
    names = names or LabelNames()
    groups = pattern.groupindex if pattern else {}
    found: list[ImageFile] = []
    for parent, usage in _split_folders(root, ignore, names):
        classes = [parent] if 'label' in groups else _folders(parent, ignore)
        if not classes:
            raise DatasetError(
                f'{parent} contains no folders named after classes; if the names of the files say '
                'the class, give a --pattern'
            )
        for folder in classes:
            name, label = folder.name, ''
            if 'label' not in groups:
                advice = f'`--ignore {name}` ignores it, --classes gives it a meaning'
                label = _label(name, names, folder, advice)
            for path in _files(folder):
                match = pattern and pattern.search(path.relative_to(root).as_posix())
                parts = match.groupdict(default='') if match else {}
                if 'label' in groups:
                    name = parts.get('label', '')
                    label = name and _label(name, names, path, '--classes gives it a meaning')
                found.append(ImageFile(path, usage, label, name, parts.get('person', '')))
    return found


def _label(name: str, names: LabelNames, where: Path, advice: str) -> str:
    try:
        return names.label(name)
    except ValueError as error:
        raise DatasetError(f'{where}: {error}; {advice}') from None


def _read_gray(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return uint8 [48, 48] and the conversions made; raises ImageError or OSError."""
    with path.open('rb') as stream:
        content = wrong_content(stream.read(512))
    if content:
        raise ImageError(content, content)
    with without_library_notes():
        try:
            image = read_image(path)
        except ImageError as error:
            image = _read_with_pillow(path, error)
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


def _read_with_pillow(path: Path, error: ImageError) -> np.ndarray:
    """Return BGR uint8 [H, W, 3] of a file that OpenCV does not read, or raise `error`."""
    from PIL import Image, ImageOps

    if error.kind not in ('image damaged', 'not an image', 'real numbers', 'unknown format'):
        raise error
    try:
        with warnings.catch_warnings(action='ignore'), Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode[0] in 'IF':  # more than 8 bits
                levels = np.nan_to_num(np.asarray(image, np.float32))
                scaled = (levels - levels.min()) * 255 / max(np.ptp(levels), 1e-9)
                return cv2.cvtColor(scaled.astype(np.uint8), cv2.COLOR_GRAY2BGR)
            return np.asarray(image.convert('RGB'))[..., ::-1]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise error from None


def read_images(root: Path, files: Iterable[ImageFile]) -> Iterator[Sample | LeftOut]:
    """
    Yield each file as a 48x48 grayscale image, or as left out with the reason.

    Args:
        root: folder that the samples' `source` is relative to.
        files: result of `find_images`.

    """
    for row, file in enumerate(files):
        source = file.path.relative_to(root).as_posix()
        # a name may hold bytes that are not UTF-8
        source = source.encode(errors='backslashreplace').decode()
        if file.label not in EMOTIONS:
            reason = f'{file.label} is none of the seven' if file.label else 'no label in the name'
            yield LeftOut(row, source, file.usage, file.label, reason)
            continue
        try:
            image, notes = _read_gray(file.path)
        except ImageError as error:
            text = str(error)
            reason = text if text.startswith(error.kind) else f'{error.kind}: {text}'
            yield LeftOut(row, source, file.usage, file.label, reason)
        except OSError as error:
            yield LeftOut(row, source, file.usage, file.label, f'not readable: {error.strerror}')
        else:
            yield Sample(row, image, file.label, file.usage, None, source, notes, file.person)
