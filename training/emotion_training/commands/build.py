# SPDX-License-Identifier: Apache-2.0
"""The subcommand `build`: make a dataset from fer2013.csv or folders of images."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from emotion_training.data.fer2013 import DatasetError


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
        help='fraction of each class to use for validation if there is only train, e.g. 0.1',
    )
    parser.add_argument(
        '--ignore',
        action='append',
        default=[],
        metavar='NAME',
        help='ignore folders of this name',
    )
    parser.set_defaults(run=run)


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not a fraction from 0 to below 1')
    return value


def run(args: argparse.Namespace) -> None:
    """Build the dataset and print its summary."""
    from emotion_training.data.build import build
    from emotion_training.data.fer2013 import LeftOut, Sample, count_rows, read_fer2013
    from emotion_training.data.folders import find_images, has_splits, read_images

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
        files = find_images(source, args.ignore)
        if args.validation_share is None and not has_splits(source, args.ignore):
            raise DatasetError(
                f'{source} contains classes but no splits; say how much becomes validation, such '
                'as --validation-share 0.1'
            )
        samples, total = read_images(source, files), len(files)
    summary = build(
        samples,
        args.out,
        total,
        validation_share=args.validation_share or 0.0,
        leak_free=args.leak_free,
        origin=str(source),
    )
    print(summary.text())
    print(f'{args.out}: manifest.csv, duplicates.csv, left_out.csv, class_distribution.png')
