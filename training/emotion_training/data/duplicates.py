"""Find images that are the same picture: pixel for pixel, or shifted, scaled and compressed anew."""

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np
from tqdm import tqdm

from emotion_training.data.image_checks import is_flat

NEAR_BITS = 10
"""Most bits of 64 in which the perceptual hashes of two candidates differ."""

NEAR_CORRELATION = 0.9
"""Least correlation, at the best shift, of two images that are called the same picture.

On FER2013 each of 170 groups that were drawn at random and looked at was one photograph. The hash
alone is not enough: of the pairs 8 bits apart only a quarter correlates that much.
"""

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
    """Return the correlation of the middle of one image with the other at the best shift, -1..1."""
    inner = slice(_SHIFT_PX, -_SHIFT_PX)
    return max(
        float(cv2.matchTemplate(whole, part[inner, inner], cv2.TM_CCOEFF_NORMED).max())
        for whole, part in ((a, b), (b, a))
    )


def group_twins(images: np.ndarray, digests: Sequence[str], hashes: np.ndarray) -> np.ndarray:
    """
    Return the group of each image, int64 [N]; images of the same picture share one.

    Candidates are all pairs whose hashes differ in few bits; they are joined where their pixels
    correlate. What a group joins by way of a third image is one picture too.

    Args:
        images: uint8 [N, 48, 48].
        digests: `pixel_hash` of each.
        hashes: `perceptual_hashes` of them, uint64 [N].

    """
    _, first, groups = np.unique(digests, return_index=True, return_inverse=True)
    clear = np.array([at for at in first if not is_flat(images[at])], np.int64)
    joined = np.arange(len(first))
    kinds, codes = groups[clear], hashes[clear]
    with tqdm(total=len(clear), unit='image', desc='compare', mininterval=0.5) as bar:
        for start in range(0, len(clear), _BLOCK):
            block = codes[start : start + _BLOCK]
            near = np.bitwise_count(block[:, None] ^ codes[None, start:]) <= NEAR_BITS
            for row in np.flatnonzero(near.sum(1) > 1):
                at = start + int(row)
                others = at + 1 + np.flatnonzero(near[row, row + 1 :])
                _join(images, clear, joined, kinds, at, others)
            bar.update(len(block))
    return joined[groups]


def _join(
    images: np.ndarray,
    clear: np.ndarray,
    joined: np.ndarray,
    kinds: np.ndarray,
    at: int,
    others: np.ndarray,
) -> None:
    """Join `at` with each of `others` that shows its picture and is not joined with it yet."""
    while len(others := others[joined[kinds[others]] != joined[kinds[at]]]):
        other, others = int(others[0]), others[1:]
        if correlation(images[clear[at]], images[clear[other]]) >= NEAR_CORRELATION:
            joined[joined == joined[kinds[other]]] = joined[kinds[at]]
