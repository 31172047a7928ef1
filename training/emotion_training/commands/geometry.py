# SPDX-License-Identifier: Apache-2.0
"""The subcommand `geometry`: measure where eyes and mouth are."""

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser('geometry', help='measure where eyes and mouth are in the images')
    parser.add_argument('dataset', type=Path, help='folder made by build')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print median and spread of each landmark."""
    from emotion_training.data.dataset import load
    from emotion_training.data.landmark_positions import measure

    images = load(args.dataset, 'train').images
    found = measure(images)
    for name, (x, y), (dx, dy) in zip(
        ('left eye', 'right eye', 'mouth'), found.median, found.spread, strict=True
    ):
        print(f'{name:<10}x {x:5.2f} +- {dx:4.2f}   y {y:5.2f} +- {dy:4.2f}')
    print(f'median and half of the central 68 %, in pixels; {found.found} of {len(images)} images')
