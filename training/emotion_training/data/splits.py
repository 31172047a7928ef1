"""Take a validation split out of training images, the same one every time, and no twin across."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np


def choose_validation(
    share: float, groups: np.ndarray, digests: Sequence[str], labels: Sequence[str]
) -> np.ndarray:
    """
    Return which images go to validation, bool [N].

    Whole groups of twins go, so that none is torn apart; the hashes of the pixels decide, so that
    neither the names of the files nor their order matter.

    Args:
        share: of each class, 0..1; at least one group of a class that has two.
        groups: group of each image, int64 [N].
        digests: hash of each image.
        labels: of each image; a group counts for that of its smallest hash.

    """
    members = defaultdict(list)
    for index in sorted(range(len(digests)), key=lambda i: (digests[i], labels[i])):
        members[int(groups[index])].append(index)
    by_label = defaultdict(list)
    for group in members.values():
        by_label[labels[group[0]]].append(group)
    chosen = np.zeros(len(digests), bool)
    for of_label in by_label.values():
        wanted = share * sum(map(len, of_label))
        taken = 0
        for group in of_label[:-1]:
            if taken and taken + len(group) / 2 > wanted:
                break
            chosen[group] = True
            taken += len(group)
    return chosen
