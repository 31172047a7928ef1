"""The command `emotion-training`."""

import argparse
import os
import sys

from emotion_perception.errors import ModelError
from emotion_training.commands import (
    build,
    card,
    evaluate,
    experiment,
    export,
    filter,
    geometry,
    predict,
    robustness,
    train,
)
from emotion_training.data.fer2013 import DatasetError

COMMANDS = (
    build,
    filter,
    geometry,
    train,
    evaluate,
    robustness,
    card,
    export,
    predict,
    experiment,
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='emotion-training',
        description='Build, filter and learn from a FER2013-style dataset; judge the model, export it for the robot.',
    )
    commands = parser.add_subparsers(dest='command', required=True)
    for module in COMMANDS:
        module.add_parser(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; 0 on success, 1 if a picture could not be read, 2 on other bad input."""
    os.environ.setdefault('KERAS_BACKEND', 'tensorflow')
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
    args = _parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except (DatasetError, ModelError, OSError, RuntimeError, ValueError) as error:
        print(f'emotion-training {args.command}: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('stopped; start the same command again to go on', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
