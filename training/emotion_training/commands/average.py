# SPDX-License-Identifier: Apache-2.0
"""The subcommand `average`: average the weights of several trainings."""

import argparse
from pathlib import Path

from emotion_perception.files import check_outputs
from emotion_perception.runtime.quiet import without_library_notes


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser(
        'average', help='average the weights of trainings that began with the same ones'
    )
    parser.add_argument('runs', nargs='+', metavar='run', type=Path, help='folder of a training')
    parser.add_argument('--out', type=Path, required=True, help='folder of the new run')
    parser.add_argument('--name', required=True, help='of the model, when it is exported')
    parser.add_argument('--force', action='store_true', help='replace a run in that folder')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    with without_library_notes():
        from emotion_training.train.averaging import average
        from emotion_training.train.run_record import BEST

    check_outputs([args.out / BEST], args.runs, args.force)
    print(average(args.runs, args.name, args.out))
