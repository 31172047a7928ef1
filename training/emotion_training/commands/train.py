"""The subcommand `train`: train a recipe."""

import argparse
import dataclasses
from pathlib import Path

from emotion_training.train.engines import ENGINES, KERAS


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser('train', help='train a recipe; started again, it goes on')
    parser.add_argument('config', help='name of a recipe in emotion_training/configs')
    parser.add_argument('dataset', type=Path, help='folder that build made')
    parser.add_argument('--out', type=Path, required=True, help='folder of the run')
    parser.add_argument('--epochs', type=int, help='instead of the recipe')
    parser.add_argument('--seed', type=int, help='instead of the recipe')
    parser.add_argument(
        '--precision', help="Keras' dtype policy instead of the recipe's, such as mixed_bfloat16"
    )
    parser.add_argument(
        '--engine',
        choices=ENGINES,
        default=KERAS,
        help='torch trains a twin of the network, faster on x86-64 cores, and needs PyTorch '
        '(default: %(default)s)',
    )
    parser.add_argument(
        '--teacher',
        type=Path,
        action='append',
        default=[],
        metavar='MODEL.keras',
        help='learn from the answers of this model too, which docs/training.md says of each recipe that '
        'needs one; may be given more than once',
    )
    parser.add_argument(
        '--initial-weights',
        type=Path,
        metavar='MODEL.keras',
        help='begin with the weights of this model, the same network; without it they are random',
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    from emotion_training.train.config import load_config
    from emotion_training.train.training import train

    changes = {name: getattr(args, name) for name in ('epochs', 'precision', 'seed')}
    config = dataclasses.replace(
        load_config(args.config),
        **{name: value for name, value in changes.items() if value is not None},
    )
    print(train(config, args.dataset, args.out, args.engine, args.teacher, args.initial_weights))
