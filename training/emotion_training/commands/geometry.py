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
    import numpy as np

    from emotion_training.data.dataset import load
    from emotion_training.data.landmark_positions import find_landmarks

    images = load(args.dataset, 'train').images
    landmarks = find_landmarks(images)
    low, median, high = np.percentile(landmarks, (16, 50, 84), axis=0)
    rows = zip(('left eye', 'right eye', 'mouth'), median, (high - low) / 2, strict=True)
    for name, (x, y), (dx, dy) in rows:
        print(f'{name:<10}x {x:5.2f} +- {dx:4.2f}   y {y:5.2f} +- {dy:4.2f}')
    print(
        'median and half the distance from the 16th to the 84th percentile, in pixels; '
        f'a face was found in {len(landmarks)} of {len(images)} images'
    )
