# SPDX-License-Identifier: Apache-2.0
"""The subcommand `train`: train a recipe."""

import argparse
import dataclasses
from pathlib import Path

from emotion_perception.arguments import whole_number
from emotion_perception.runtime.quiet import without_library_notes


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser('train', help='train a recipe; a repeated command resumes')
    parser.add_argument(
        'config',
        help='name of a recipe in emotion_training/train/configs, or path of a .py file with one',
    )
    parser.add_argument('dataset', type=Path, help='folder made by build')
    parser.add_argument('--out', type=Path, required=True, help='folder of the run')
    parser.add_argument('--epochs', type=whole_number, help="instead of the recipe's")
    parser.add_argument('--seed', type=int, help="instead of the recipe's")
    parser.add_argument(
        '--precision', help="Keras' dtype policy instead of the recipe's, such as mixed_bfloat16"
    )
    parser.add_argument(
        '--teacher',
        type=Path,
        action='append',
        default=[],
        metavar='MODEL',
        help='teacher, for recipes with distillation (docs/training.md); may be repeated',
    )
    parser.add_argument(
        '--initial-weights',
        type=Path,
        metavar='MODEL',
        help='start with the weights of this model of the same network, of an exported .tflite '
        'also with those that approximate it in fewer multiplications (default: random)',
    )
    parser.add_argument(
        '--continue',
        dest='longer',
        action='store_true',
        help='go on with a run of fewer epochs, finished or not, to --epochs',
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    from emotion_training.train.config import load_config

    with without_library_notes():
        from emotion_training.train.training import train

    changes = {name: getattr(args, name) for name in ('epochs', 'precision', 'seed')}
    config = dataclasses.replace(
        load_config(args.config),
        **{name: value for name, value in changes.items() if value is not None},
    )
    print(train(config, args.dataset, args.out, args.teacher, args.initial_weights, args.longer))
