# SPDX-License-Identifier: Apache-2.0
"""
Find duplicate images, leakage between splits and contradicting labels.

The functions on tables take a DataFrame with a row for each image and at least the columns
``group`` (of `group_duplicates`), ``sha256`` (of the pixels), ``split`` and ``label``.
"""

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from emotion_training.data.image_checks import blank_check

NEAR_BITS = 10
"""Perceptual hashes of near duplicates differ in at most this many of 64 bits."""

NEAR_CORRELATION = 0.9
"""Minimum correlation of the pixels of near duplicates, at the best shift.

On FER2013, 170 randomly drawn groups were inspected, and each was one photograph. The hash alone
is not enough: only a quarter of the pairs 8 bits apart reach this correlation.
"""

DUPLICATES_COLUMNS = (
    'group', 'kind', 'labels', 'splits',
    'path', 'source', 'row', 'split', 'label', 'sha256', 'phash',
)  # fmt: skip

_SHIFT_PX = 6
_BLOCK = 64


def pixel_hash(image: np.ndarray) -> str:
    """Return the sha256 of the pixels of an image, uint8."""
    return hashlib.sha256(image.tobytes()).hexdigest()


def perceptual_hashes(images: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Return the 64-bit DCT hash (`imagehash.phash`) of each image, uint64 [N]."""
    import imagehash
    from PIL import Image

    hashes = np.empty(len(images), np.uint64)
    for index, image in enumerate(tqdm(images, unit='image', desc='hash', mininterval=0.5)):
        bits = imagehash.phash(Image.fromarray(image)).hash
        hashes[index] = int.from_bytes(np.packbits(bits).tobytes())
    return hashes


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return the correlation of one image's center with the other at the best shift, -1..1."""
    inner = slice(_SHIFT_PX, -_SHIFT_PX)
    return max(
        float(cv2.matchTemplate(whole, part[inner, inner], cv2.TM_CCOEFF_NORMED).max())
        for whole, part in ((a, b), (b, a))
    )


def group_duplicates(images: np.ndarray, digests: Sequence[str], hashes: np.ndarray) -> np.ndarray:
    """
    Return the duplicate group of each image, int [N].

    Groups are connected components: exact duplicates, and pairs with similar hashes and
    correlated pixels. Black and flat images have exact duplicates only.

    Args:
        images: uint8 [N, 48, 48].
        digests: `pixel_hash` of each image.
        hashes: `perceptual_hashes` of the images, uint64 [N].

    """
    _, first, exact_groups = np.unique(digests, return_index=True, return_inverse=True)
    compared = np.array([k for k, at in enumerate(first) if not blank_check(images[at])], np.int64)
    codes = hashes[first[compared]]
    edges = []
    with tqdm(total=len(compared), unit='image', desc='compare', mininterval=0.5) as bar:
        for start in range(0, len(compared), _BLOCK):
            block = codes[start : start + _BLOCK]
            near = np.bitwise_count(block[:, None] ^ codes[None, start:]) <= NEAR_BITS
            for a, b in np.argwhere(np.triu(near, 1)) + start:
                pair = compared[a], compared[b]
                if correlation(*images[first[[*pair]]]) >= NEAR_CORRELATION:
                    edges.append(pair)
            bar.update(len(block))
    rows, columns = np.array(edges, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(first), len(first)))
    return connected_components(graph, directed=False)[1][exact_groups]


def duplicate_checks(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the duplicate checks of each image, such as ``exact duplicate in train``."""
    in_split = pd.crosstab(table.sha256, table.split)
    splits = in_split.columns
    itself = table.split.to_numpy()[:, None] == splits.to_numpy()
    same = in_split.loc[table.sha256].to_numpy()
    near = pd.crosstab(table.group, table.split).loc[table.group].to_numpy() - same
    exact_disagree = _labels_disagree(table, 'sha256')
    near_disagree = _labels_disagree(table, 'group') & ~exact_disagree
    checks = [f'{kind} duplicate in {split}' for kind in ('exact', 'near') for split in splits]
    names = np.array([*checks, 'exact duplicates disagree', 'near duplicates disagree'])
    flags = np.column_stack((same - itself, near, exact_disagree, near_disagree)).astype(bool)
    return [tuple(names[row].tolist()) for row in flags]


def _labels_disagree(table: pd.DataFrame, group: str) -> pd.Series:
    return table.groupby(group).label.transform('nunique') > 1


def duplicate_findings(table: pd.DataFrame) -> dict[str, str]:
    """Return the numbers of duplicates and leaked images as text for the summary."""
    counts = {'images': ('label', 'size'), 'labels': ('label', 'nunique')}
    exact = table.groupby('sha256').agg(**counts).query('images > 1')
    near = table.groupby('group').agg(**counts, pixels=('sha256', 'nunique')).query('pixels > 1')
    found = {
        f'{kind} duplicates': f'{len(groups)} groups, {groups.images.sum()} images; '
        f'{(groups.labels > 1).sum()} groups disagree in their label'
        for kind, groups in (('exact', exact), ('near', near))
    }
    train = table[table.split == 'train']
    for split, own in table[table.split != 'train'].groupby('split'):
        found[f'{split} images with a duplicate in train'] = (
            f'{own.sha256.isin(train.sha256).sum()} exact, '
            f'{own.group.isin(train.group).sum()} exact or near, of {len(own)}'
        )
    return found


def find_leaks(table: pd.DataFrame) -> pd.Series:
    """
    Return the leaked training images.

    Returns:
        Index: the rows of training images with a duplicate in another split. Values: the row of
        that duplicate, an exact one if there is any.

    """
    train, others = table[table.split == 'train'], table[table.split != 'train']
    exact, near = (
        train[column].map(pd.Series(others.index, others[column]).groupby(level=0).first())
        for column in ('sha256', 'group')
    )
    return exact.fillna(near).dropna().astype(int)


def list_duplicates(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of duplicates.csv: every image that has a duplicate, group by group."""
    found = table[table.groupby('group').label.transform('size') > 1]
    groups = found.groupby('group')
    exact = groups.sha256.transform('nunique') == 1
    found = found.assign(
        group=pd.factorize(found.group)[0],
        kind=np.where(exact, 'exact', 'near'),
        labels=np.where(_labels_disagree(found, 'group'), 'disagree', 'agree'),
        splits=groups.split.transform(lambda splits: ' '.join(sorted(set(splits)))),
    )
    return found.sort_values('group', kind='stable')[list(DUPLICATES_COLUMNS)]
