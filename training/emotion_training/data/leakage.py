"""What twins mean for a dataset: which images they are, which labels disagree, what leaks."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DUPLICATES = 'duplicates.csv'
DUPLICATES_COLUMNS = (
    'group', 'kind', 'labels', 'splits', 'path', 'source', 'row', 'split', 'label', 'sha256', 'phash',
)  # fmt: skip


@dataclass(frozen=True)
class Duplicates:
    """
    The groups of images that show the same picture, and what can be asked of them.

    Attributes:
        groups: group of each image, int64 [N].
        digests: sha256 of the pixels of each image.
        splits: of each image.
        labels: of each image.

    """

    groups: np.ndarray
    digests: Sequence[str]
    splits: Sequence[str]
    labels: Sequence[str]

    def together(self) -> list[list[int]]:
        """Return the groups of more than one image, each in order, by its first image."""
        members = defaultdict(list)
        for index, group in enumerate(self.groups):
            members[int(group)].append(index)
        return [group for group in members.values() if len(group) > 1]

    def is_exact(self, group: list[int]) -> bool:
        """Return whether all images of a group have the same pixels."""
        return len({self.digests[i] for i in group}) == 1

    def disagree(self, group: list[int]) -> bool:
        """Return whether the images of a group have more than one label."""
        return len({self.labels[i] for i in group}) > 1

    def exact_parts(self, group: list[int]) -> list[list[int]]:
        """Return the sets of two and more images of a group that have the same pixels."""
        parts = defaultdict(list)
        for index in group:
            parts[self.digests[index]].append(index)
        return [part for part in parts.values() if len(part) > 1]

    def checks(self) -> list[tuple[str, ...]]:
        """Return for each image where its twins stand and whether their labels disagree."""
        found: list[tuple[str, ...]] = [()] * len(self.groups)
        for group in self.together():
            exact_disagree = {
                self.digests[part[0]] for part in self.exact_parts(group) if self.disagree(part)
            }
            for index in group:
                exact: set[str] = set()
                near: set[str] = set()
                for other in group:
                    if other != index:
                        same = self.digests[other] == self.digests[index]
                        (exact if same else near).add(self.splits[other])
                words = [f'exact twin in {split}' for split in sorted(exact)]
                words += [f'near twin in {split}' for split in sorted(near)]
                if self.digests[index] in exact_disagree:
                    words.append('exact twins disagree')
                elif self.disagree(group):
                    words.append('near twins disagree')
                found[index] = tuple(words)
        return found

    def only(self, at: np.ndarray) -> 'Duplicates':
        """Return the same of some of the images, int [M]."""
        return Duplicates(
            self.groups[at],
            [self.digests[i] for i in at],
            [self.splits[i] for i in at],
            [self.labels[i] for i in at],
        )

    def findings(self) -> dict[str, str]:
        """Return what a reader wants to know about the twins, in words."""
        together = self.together()
        exact = [part for group in together for part in self.exact_parts(group)]
        near = [group for group in together if not self.is_exact(group)]
        found = {
            name: f'{len(groups)} groups, {sum(map(len, groups))} images; '
            f'{sum(map(self.disagree, groups))} groups disagree in their label'
            for name, groups in (('exact twins', exact), ('near twins', near))
        }
        checks = self.checks()
        for split in sorted(set(self.splits) - {'train'}):
            own = [words for words, at in zip(checks, self.splits, strict=True) if at == split]
            same = sum('exact twin in train' in words for words in own)
            either = sum(bool({'exact twin in train', 'near twin in train'} & {*w}) for w in own)
            found[f'{split} images with a twin in train'] = (
                f'{same} exact, {either} exact or near, of {len(own)}'
            )
        return found

    def leaks(self, of: str = 'train') -> list[tuple[int, int]]:
        """Return (image of the split `of`, first twin of it that stands in another split)."""
        found = []
        for group in self.together():
            outside = [i for i in group if self.splits[i] != of]
            for index in group:
                if self.splits[index] == of and outside:
                    same = [i for i in outside if self.digests[i] == self.digests[index]]
                    found.append((index, (same or outside)[0]))
        return sorted(found)


def write_duplicates(path: Path, twins: Duplicates, rows: Sequence[dict]) -> None:
    """
    Write one line for each image that has a twin.

    Args:
        path: of the csv.
        twins: groups of the images.
        rows: path (empty if the image is left out), source, row and phash of each image.

    """
    with path.open('w', newline='') as stream:
        writer = csv.DictWriter(stream, DUPLICATES_COLUMNS, extrasaction='ignore')
        writer.writeheader()
        for number, group in enumerate(twins.together()):
            splits = {twins.splits[i] for i in group}
            about = {
                'group': number,
                'kind': 'exact' if twins.is_exact(group) else 'near',
                'labels': 'disagree' if twins.disagree(group) else 'agree',
                'splits': ' '.join(sorted(splits)),
            }
            for index in group:
                own = {
                    'split': twins.splits[index],
                    'label': twins.labels[index],
                    'sha256': twins.digests[index],
                }
                writer.writerow(rows[index] | about | own)
