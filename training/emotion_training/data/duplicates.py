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
is not enough: only a quarter of the pairs 8 bits apart reach this correlation. Nor is both where
all faces have one pose, light and background: see `difference`.
"""

NEAR_DIFFERENCE, NEAR_DIFFERENCE_IN_LABORATORIES = 0.6, 0.25
"""
Maximum `difference` of near duplicates.

Half of FER2013's differ by less than 0.08, and those by more in a watermark. In images of a
laboratory, of which one in four or more correlates with another, expressions of one person differ
by 0.2 to 1. Jpeg at quality 30 and a crop by 4 % change 98 % of the images by less than 0.25.
"""

DUPLICATES_COLUMNS = (
    'group', 'kind', 'labels', 'splits',
    'path', 'source', 'row', 'split', 'label', 'sha256', 'phash',
)  # fmt: skip

_SHIFT_PX = 6
_INNER_PX = 2
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


def correlation(a: np.ndarray, b: np.ndarray) -> tuple[float, np.ndarray]:
    """Return how one image's center correlates with the other, -1..1, and b's shift, [x, y]."""
    inner = slice(_SHIFT_PX, -_SHIFT_PX)
    found = []
    for whole, part, sign in ((a, b, -1), (b, a, 1)):
        scores = cv2.matchTemplate(whole, part[inner, inner], cv2.TM_CCOEFF_NORMED)
        _, score, _, corner = cv2.minMaxLoc(scores)
        found.append((score, sign * (np.array(corner) - _SHIFT_PX)))
    return max(found, key=lambda each: each[0])


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """
    Return the largest local difference of two images, in standard deviations of the gray levels.

    The affine transform from `a` to `b` (enhanced correlation coefficient; Evangelidis & Psarakis,
    2008) and a cubic curve of gray levels are removed first, so that scale, crop and light hardly
    count, and the rest is blurred, so that noise and compression do not. Another person or another
    expression remains. Infinite if the images cannot be aligned.

    Args:
        a: uint8 [H, W].
        b: uint8 [H, W].

    """
    to_b = np.column_stack((np.eye(2), correlation(a, b)[1])).astype(np.float32)
    first, second = a.astype(np.float32), b.astype(np.float32)
    criteria = cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4
    try:
        found = cv2.findTransformECC(first, second, to_b, cv2.MOTION_AFFINE, criteria)
    except cv2.error:
        return np.inf
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved, inside = (
        cv2.warpAffine(np.asarray(each), np.asarray(found[1]), first.shape[::-1], flags=flags)
        for each in (second, np.ones_like(second))
    )
    both = cv2.erode(inside, np.ones((3, 3))) > 0.99
    if both.mean() < 0.5:
        return np.inf
    curve = np.polynomial.Polynomial.fit(moved[both], first[both], 3)
    rest = cv2.GaussianBlur(np.where(both, curve(moved) - first, 0), (0, 0), 2)
    return float(np.abs(rest).max() / max(first[both].std(), 8))


def _similar(hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the pairs of rows whose hashes differ by `NEAR_BITS` at most, int [M, 2]."""
    found = [np.empty((0, 2), np.int64)]
    blocks = range(0, len(hashes), _BLOCK)
    for start in tqdm(blocks, unit='block', desc='compare', mininterval=0.5):
        apart = np.bitwise_count(hashes[start : start + _BLOCK, None] ^ others)
        found.append(np.argwhere(apart <= NEAR_BITS) + (start, 0))
    pairs = np.sort(np.concatenate(found), axis=1)
    return np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)


def group_duplicates(images: np.ndarray, digests: Sequence[str], hashes: np.ndarray) -> np.ndarray:
    """
    Return the duplicate group of each image, int [N].

    Groups are connected components: exact duplicates, and pairs with similar hashes, as they are,
    cropped or mirrored, correlated pixels and no local difference. Black and flat images have
    exact duplicates only.

    Args:
        images: uint8 [N, 48, 48].
        digests: `pixel_hash` of each image.
        hashes: `perceptual_hashes` of the images, uint64 [N].

    """
    _, first, exact_groups = np.unique(digests, return_index=True, return_inverse=True)
    compared = np.array([k for k, at in enumerate(first) if not blank_check(images[at])], np.int64)
    unlike, codes = images[first[compared]], hashes[first[compared]]
    mirrored = np.ascontiguousarray(unlike[:, :, ::-1])
    inner = slice(_INNER_PX, -_INNER_PX)
    cropped = [cv2.resize(image[inner, inner], image.shape[::-1]) for image in unlike]
    as_they_are = np.concatenate(
        [_similar(codes, others) for others in (codes, perceptual_hashes(cropped))]
    )
    candidates = [(unlike, pair) for pair in np.unique(as_they_are, axis=0)]
    candidates += [(mirrored, pair) for pair in _similar(codes, perceptual_hashes(mirrored))]
    alike = [
        (compared[[a, b]], difference(unlike[a], others[b]))
        for others, (a, b) in candidates
        if correlation(unlike[a], others[b])[0] >= NEAR_CORRELATION
    ]
    laboratory = len(alike) > len(compared) / 4
    limit = NEAR_DIFFERENCE_IN_LABORATORIES if laboratory else NEAR_DIFFERENCE
    edges = [pair for pair, differ in alike if differ <= limit]
    rows, columns = np.array(edges, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(first), len(first)))
    return connected_components(graph, directed=False)[1][exact_groups]


def join(*columns: Sequence | pd.Series) -> np.ndarray:
    """Return the group of each row, int [N]: rows with a common value in a column are joined."""
    codes = [pd.factorize(np.asarray(column))[0] for column in columns]
    values = np.concatenate([code + len(codes[0]) * (k + 1) for k, code in enumerate(codes)])
    rows = np.tile(np.arange(len(codes[0])), len(codes))
    size = len(codes[0]) * (len(codes) + 1)
    graph = coo_array((np.ones(len(rows)), (rows, values)), shape=(size, size))
    return connected_components(graph, directed=False)[1][: len(codes[0])]


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
