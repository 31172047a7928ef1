# SPDX-License-Identifier: Apache-2.0
"""The subcommand `card`: make the measurements of a model card."""

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser(
        'card', help='make the measurements of a model card: scores, calibration, robustness'
    )
    parser.add_argument('model', metavar='MODEL', type=Path, help='.tflite with its json')
    parser.add_argument(
        'dataset', metavar='DATASET', type=Path, help='folder made by build, with votes'
    )
    parser.add_argument('--records', type=Path, required=True, help='folder for the records, json')
    parser.add_argument('--images', type=Path, required=True, help='folder for the figures, png')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    from emotion_training.evaluate.model_card import measure

    for path in measure(args.model, args.dataset, args.records, args.images):
        print(path)
