"""The subcommand `geometry`: measure where eyes and mouth sit."""

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser('geometry', help='measure where eyes and mouth sit in the images')
    parser.add_argument('dataset', type=Path, help='folder that build made')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    from emotion_training.data.dataset import load
    from emotion_training.data.landmark_positions import measure

    found = measure(load(args.dataset, 'train').images)
    for name, at, spread in zip(
        ('eye at the left', 'eye at the right', 'mouth'), found.median, found.spread, strict=True
    ):
        print(f'{name:<18}x {at[0]:5.2f} +- {spread[0]:4.2f}   y {at[1]:5.2f} +- {spread[1]:4.2f}')
    print(
        f'medians and half of the middle 68 %, in pixels; {found.found} of {found.images} images'
    )
