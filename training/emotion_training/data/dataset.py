# SPDX-License-Identifier: Apache-2.0
"""Load a split of a built dataset into memory."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.build import MANIFEST
from emotion_training.data.fer2013 import SIDE_PX, VOTE_COLUMNS, DatasetError

_VOTE_INDEX = [VOTE_COLUMNS.index(name) for name in EMOTIONS]


@dataclass(frozen=True)
class Dataset:
    """
    One split in memory.

    Attributes:
        images: uint8 [N, 48, 48], grayscale.
        labels: int64 [N], index into EMOTIONS.
        votes: uint8 [N, 10] in the order of VOTE_COLUMNS, or None if the dataset has no votes.
        digests: sha256 of each image's pixels, str [N].
        paths: path of each image, relative to the dataset's folder.
        groups: duplicates and images of one person share one, str [N]; None if they are not known.

    """

    images: np.ndarray
    labels: np.ndarray
    votes: np.ndarray | None
    digests: np.ndarray
    paths: tuple[str, ...]
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def subset(self, rows: np.ndarray) -> 'Dataset':
        """Return the images selected by a mask, bool [N], or by indices, int [M]."""
        return dataclasses.replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            votes=None if self.votes is None else self.votes[rows],
            digests=self.digests[rows],
            paths=tuple(np.array(self.paths, object)[rows]),
            groups=None if self.groups is None else self.groups[rows],
        )

    @property
    def crowd(self) -> np.ndarray:
        """Vote distribution over EMOTIONS, float32 [N, 7]; zeros without such a vote."""
        if self.votes is None:
            raise DatasetError(
                'this dataset has no FER+ votes; build it with --votes fer2013new.csv, or use a '
                'recipe without the head crowd, such as small_net'
            )
        votes = self.votes[:, _VOTE_INDEX].astype(np.float32)
        return votes / np.maximum(votes.sum(1, keepdims=True), 1)

    @property
    def crowd_weight(self) -> np.ndarray:
        """Fraction of the ten votes that name one of the seven, float32 [N], 0..1."""
        if self.votes is None:
            return np.zeros(len(self), np.float32)
        total = np.maximum(self.votes.sum(1), 1)
        return (self.votes[:, _VOTE_INDEX].sum(1) / total).astype(np.float32)

    @property
    def majority(self) -> np.ndarray:
        """Index of the expression with more than half of all ten votes, int64 [N]; else -1."""
        if self.votes is None:
            return np.full(len(self), -1)
        seven = self.votes[:, _VOTE_INDEX]
        clear = seven.max(1) * 2 > self.votes.sum(1)
        return np.where(clear, seven.argmax(1), -1)

    @property
    def class_frequencies(self) -> np.ndarray:
        """Frequency of each expression among the FER+ majorities, float [7] above 0."""
        majority = self.majority
        counts = np.bincount(majority[majority >= 0], minlength=len(EMOTIONS)) + 1.0
        missing = counts == 1
        if missing.any() and not missing.all():
            # no offset: an expression that is never trained must not be favored
            counts[missing] = np.exp(np.log(counts[~missing]).mean())
        return counts / counts.sum()

    @property
    def neutral_faces(self) -> np.ndarray:
        """Mask of the faces with a neutral majority, without any of those labeled neutral."""
        neutral = EMOTIONS.index('neutral')
        clear = self.majority == neutral
        return clear if clear.any() else self.labels == neutral


def load(folder: Path, split: str) -> Dataset:
    """
    Load one split of a built dataset.

    Raises:
        DatasetError: if there is no manifest, no such split, or an image cannot be read.

    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise DatasetError(
            f'{manifest} is missing; make the dataset with `emotion-training build`'
        )
    table = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    splits = ', '.join(sorted(set(table.split)))
    table = table[table.split == split]
    if table.empty:
        advice = '; build it with --validation-share 0.1' if split == 'validation' else ''
        raise DatasetError(
            f'{manifest} lists no image of the split {split!r}; it has {splits}{advice}'
        )
    votes = table[list(VOTE_COLUMNS)]
    return Dataset(
        np.stack([_read_image(folder / path) for path in table.path]),
        np.array([EMOTIONS.index(label) for label in table.label]),
        votes.to_numpy(np.uint8) if (table.neutral != '').all() else None,
        table.sha256.to_numpy(str),
        tuple(table.path),
        table.group.to_numpy(str) if 'group' in table else None,
    )


def mean_neutral_face(data: Dataset) -> np.ndarray:
    """Return the mean of the neutral faces and their mirror images, float32 [48, 48]."""
    rows = data.neutral_faces
    if not rows.any():
        return np.full(data.images.shape[1:], 128, np.float32)
    mean = data.images[rows].mean(axis=0, dtype=np.float64)
    return ((mean + mean[:, ::-1]) / 2).astype(np.float32)


def _read_image(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None or image.shape != (SIDE_PX, SIDE_PX):
        raise DatasetError(f'{path} is not a readable {SIDE_PX}x{SIDE_PX} image')
    return image
