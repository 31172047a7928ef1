"""Load what `build` wrote, and turn labels and votes into what a network learns from."""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.build import MANIFEST
from emotion_training.data.fer2013 import SIDE_PX, VOTE_COLUMNS, DatasetError
from emotion_training.data.image_checks import SEPARATOR

_VOTE_INDEX = [VOTE_COLUMNS.index(name) for name in EMOTIONS]


@dataclass(frozen=True)
class Dataset:
    """
    One split in memory.

    Attributes:
        images: uint8 [N, 48, 48], grayscale.
        labels: int64 [N], index into EMOTIONS.
        votes: uint8 [N, 10] in the order of VOTE_COLUMNS, or None where the dataset has none.
        digests: sha256 of each image's pixels, as text.
        paths: the file of each image below the dataset's folder.
        checks: what `build` found, such as ``black`` or ``exact twin in train``, for each image.

    """

    images: np.ndarray
    labels: np.ndarray
    votes: np.ndarray | None
    digests: np.ndarray
    paths: tuple[str, ...]
    checks: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    @property
    def crowd(self) -> np.ndarray:
        """Vote shares over EMOTIONS, float32 [N, 7]; rows without any such vote are zero."""
        if self.votes is None:
            raise DatasetError(
                'this dataset has no FER+ votes; build it with --votes fer2013new.csv'
            )
        shares = self.votes[:, _VOTE_INDEX].astype(np.float32)
        return shares / np.maximum(shares.sum(1, keepdims=True), 1)

    @property
    def crowd_weight(self) -> np.ndarray:
        """Share of the ten people who chose one of the seven, float32 [N], 0..1."""
        if self.votes is None:
            return np.zeros(len(self), np.float32)
        return (self.votes[:, _VOTE_INDEX].sum(1) / np.maximum(self.votes.sum(1), 1)).astype(
            np.float32
        )

    @property
    def majority(self) -> np.ndarray:
        """Index of the expression that more than half of all ten votes name, int64 [N]; else -1."""
        if self.votes is None:
            return np.full(len(self), -1)
        seven = self.votes[:, _VOTE_INDEX]
        clear = seven.max(1) * 2 > self.votes.sum(1)
        return np.where(clear, seven.argmax(1), -1)

    def twin_in(self, split: str) -> np.ndarray:
        """Whether the same picture, exactly or nearly, stands elsewhere in `split`, bool [N]."""
        words = {f'exact twin in {split}', f'near twin in {split}'}
        return np.array([bool(words & {*found}) for found in self.checks], bool)


def load(folder: Path, split: str) -> Dataset:
    """
    Read one split of a built dataset.

    Raises:
        DatasetError: if there is no manifest, no such split, or an image cannot be read.

    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise DatasetError(
            f'{manifest} is missing; make the dataset with `emotion-training build`'
        )
    with manifest.open(newline='') as stream:
        rows = [row for row in csv.DictReader(stream) if row['split'] == split]
    if not rows:
        raise DatasetError(f'{manifest} lists no image of the split {split!r}')
    images = np.empty((len(rows), SIDE_PX, SIDE_PX), np.uint8)
    for index, row in enumerate(rows):
        images[index] = _read_image(folder / row['path'])
    voted = all(row['neutral'] != '' for row in rows)
    return Dataset(
        images,
        np.array([EMOTIONS.index(row['label']) for row in rows]),
        np.array([[int(row[name]) for name in VOTE_COLUMNS] for row in rows], np.uint8)
        if voted
        else None,
        np.array([row['sha256'] for row in rows]),
        tuple(row['path'] for row in rows),
        tuple(tuple(filter(None, row.get('checks', '').split(SEPARATOR))) for row in rows),
    )


def _read_image(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None or image.shape != (SIDE_PX, SIDE_PX):
        raise DatasetError(f'{path} is not a readable {SIDE_PX}x{SIDE_PX} image')
    return image
