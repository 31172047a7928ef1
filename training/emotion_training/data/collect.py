"""Read everything a dataset is made of and find its twins, before anything is written."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.duplicates import group_twins, perceptual_hashes, pixel_hash
from emotion_training.data.fer2013 import SPLITS, DatasetError, LeftOut, Sample
from emotion_training.data.leakage import Duplicates
from emotion_training.data.splits import choose_validation


@dataclass(frozen=True)
class Gathered:
    """
    The images of a source.

    Attributes:
        samples: one for each image.
        images: uint8 [N, 48, 48].
        hashes: perceptual hash of each, uint64 [N].
        twins: with the splits and labels of the images.
        left_out: files that are no images.

    """

    samples: list[Sample]
    images: np.ndarray
    hashes: np.ndarray
    twins: Duplicates
    left_out: list[LeftOut]

    def require_all_classes(self, kept: np.ndarray, origin: str) -> None:
        """
        Check that the images `kept`, bool [N], show every expression in each split.

        Raises:
            DatasetError: with the split and the expressions that are missing.

        """
        splits, labels = self.twins.splits, self.twins.labels
        counts = Counter((splits[i], labels[i]) for i in np.flatnonzero(kept).tolist())
        for split in sorted(set(splits)):
            empty = [label for label in EMOTIONS if not counts[split, label]]
            if empty:
                lost = next((item for item in self.left_out if item.label in empty), None)
                raise DatasetError(
                    f'{origin}: {split} has no image of {", ".join(empty)}'
                    + (f'; {lost.source} is left out, {lost.reason}' if lost else '')
                )


def gather(
    items: Iterable[Sample | LeftOut],
    total: int | None = None,
    validation_share: float = 0.0,
    origin: str = 'the data',
) -> Gathered:
    """
    Read all samples, hash them and group the twins.

    Args:
        items: of `read_fer2013` or `read_images`.
        total: how many there are, for the progress bar.
        validation_share: part of each class that becomes validation where there is only train, 0..1.
        origin: name of the source, for messages.

    Raises:
        DatasetError: if a usage is unknown, there is no image, or `validation_share` is asked of a
            source that has its own splits.

    """
    samples, left_out = _read(items, total, origin)
    splits = [SPLITS[sample.usage] for sample in samples]
    if validation_share and set(splits) != {'train'}:
        raise DatasetError(
            f'{origin} has its own {" and ".join(sorted(set(splits)))}; leave --validation-share away'
        )
    images = np.stack([sample.image for sample in samples])
    labels = [sample.label for sample in samples]
    digests = [pixel_hash(image) for image in images]
    hashes = perceptual_hashes(images)
    groups = group_twins(images, digests, hashes)
    if validation_share:
        chosen = choose_validation(validation_share, groups, digests, labels)
        splits = ['validation' if there else 'train' for there in chosen]
    # the samples' own pixels are not needed twice
    samples = [replace(s, image=image) for s, image in zip(samples, images, strict=True)]
    return Gathered(samples, images, hashes, Duplicates(groups, digests, splits, labels), left_out)


def _read(
    items: Iterable[Sample | LeftOut], total: int | None, origin: str
) -> tuple[list[Sample], list[LeftOut]]:
    samples: list[Sample] = []
    left_out: list[LeftOut] = []
    with tqdm(items, total=total, unit='image', desc='read', mininterval=0.5) as bar:
        for item in bar:
            if item.usage not in SPLITS:
                raise DatasetError(
                    f'{origin}, row {item.row}: Usage is {item.usage!r}, expected '
                    f'{", ".join(SPLITS)}'
                )
            if isinstance(item, LeftOut):
                left_out.append(item)
            else:
                samples.append(item)
    if not samples:
        first = f'; {left_out[0].source}: {left_out[0].reason}' if left_out else ''
        raise DatasetError(f'{origin}: none of {len(left_out)} files is an image{first}')
    return samples, left_out
