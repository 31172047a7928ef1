# SPDX-License-Identifier: Apache-2.0
"""The subcommand `build`: make a dataset from fer2013.csv or folders of images."""

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_training.data.fer2013 import DatasetError

if TYPE_CHECKING:
    from emotion_training.data.folders import ImageFile

_CHECKED_FACES = 40
"""Faces of each class that the packaged model looks at, to check --codes."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser(
        'build', help='make a dataset from fer2013.csv or folders of images, and check it'
    )
    parser.add_argument(
        'source',
        type=Path,
        help='fer2013.csv, a folder of class folders, or one of train, validation and test '
        'folders with class folders in each',
    )
    parser.add_argument('--votes', type=Path, help='fer2013new.csv of FER+, with the same rows')
    parser.add_argument('--out', type=Path, required=True, help='folder to make')
    parser.add_argument(
        '--leak-free',
        action='store_true',
        help='leave out training images with an exact or near duplicate in validation or test',
    )
    parser.add_argument(
        '--validation-share',
        type=_share,
        metavar='SHARE',
        help='fraction of each class in train to use for validation if there is none, e.g. 0.1; '
        '0: build without one',
    )
    parser.add_argument(
        '--codes',
        default='',
        choices=('fer2013', 'affectnet', 'rafdb', 'ckplus'),
        help='what class folders named by numbers mean',
    )
    parser.add_argument(
        '--trust-codes',
        action='store_true',
        help='build also if the faces look as if --codes were wrong',
    )
    parser.add_argument(
        '--classes',
        type=Path,
        metavar='FILE',
        help='further names of class folders, a csv file with NAME,EXPRESSION in each line',
    )
    parser.add_argument(
        '--ignore',
        action='append',
        default=[],
        metavar='NAME',
        help='ignore folders of this name',
    )
    parser.add_argument(
        '--pattern',
        type=_pattern,
        metavar='REGEX',
        help='regular expression for the paths of the files. Images with the same group "person" '
        'stay in one split; a group "label" names the class where no folders do, for JAFFE '
        r"'(?P<person>\w\w)\.(?P<label>\w\w)\d'",
    )
    parser.set_defaults(run=run)


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not a fraction from 0 to below 1')
    return value


def _pattern(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f'{text} is no regular expression: {error}') from None
    if not pattern.groupindex or {*pattern.groupindex} - {'person', 'label'}:
        raise argparse.ArgumentTypeError(f'{text} needs groups (?P<person>...) or (?P<label>...)')
    return pattern


def _show_names(files: 'list[ImageFile]') -> None:
    """Print what names of classes are taken for, unless they are the labels."""
    counts = Counter((file.name, file.label) for file in files if file.label)
    for (name, label), count in sorted(counts.items()):
        if name.lower() != label:
            print(f'class {name} is {label}: {count} images')


def _check_numbering(source: Path, codes: str, files: 'list[ImageFile]') -> None:
    """Let the packaged model look at some faces of each class that is named by a number."""
    import numpy as np

    from emotion_training.data.fer2013 import Sample
    from emotion_training.data.folders import read_images
    from emotion_training.data.label_names import check_numbering

    by_folder: dict[str, list[ImageFile]] = {}
    for file in files:
        if file.name.isdecimal():
            by_folder.setdefault(file.name, []).append(file)
    images, numbers = [], []
    for folder, inside in by_folder.items():
        step = max(len(inside) // _CHECKED_FACES, 1)
        for sample in read_images(source, inside[::step][:_CHECKED_FACES]):
            if isinstance(sample, Sample):
                images.append(sample.image)
                numbers.append(folder)
    if images:
        check_numbering(codes, np.stack(images), np.array(numbers))


def run(args: argparse.Namespace) -> None:
    """Build the dataset and print its summary."""
    from emotion_training.data.build import build
    from emotion_training.data.fer2013 import LeftOut, Sample, count_rows, read_fer2013
    from emotion_training.data.folders import find_images, read_images
    from emotion_training.data.label_names import LabelNames, read_names

    source = args.source
    if not source.exists():
        raise DatasetError(f'{source} does not exist')
    if not source.is_dir():
        samples: Iterator[Sample | LeftOut] = read_fer2013(source, args.votes)
        total = count_rows(source)
    elif args.votes:
        raise DatasetError('--votes requires fer2013.csv; a folder of images has no rows')
    elif args.out.resolve().is_relative_to(source.resolve()):
        raise DatasetError(f'{args.out} is inside {source}; choose a folder outside of it')
    else:
        names = LabelNames(args.codes, read_names(args.classes) if args.classes else None)
        files = find_images(source, args.ignore, names, args.pattern)
        _show_names(files)
        if args.codes and not args.trust_codes:
            _check_numbering(source, args.codes, files)
        samples, total = read_images(source, files), len(files)
    summary = build(
        samples,
        args.out,
        total,
        validation_share=args.validation_share,
        leak_free=args.leak_free,
        origin=str(source),
    )
    print(summary.text())
    print(f'{args.out}: manifest.csv, duplicates.csv, left_out.csv, class_distribution.png')
