# SPDX-License-Identifier: Apache-2.0
"""The command `emotion-training`."""

import argparse
import os
import signal
import sys

from emotion_perception.errors import ModelError, one_line
from emotion_training.commands import (
    build,
    card,
    evaluate,
    experiment,
    export,
    filter,
    geometry,
    predict,
    reproduce,
    robustness,
    train,
)
from emotion_training.data.fer2013 import DatasetError

COMMANDS = (
    build, filter, geometry, train, evaluate, robustness, card, export, predict, experiment,
    reproduce,
)  # fmt: skip


_RESUMING = frozenset({'train', 'filter', 'experiment', 'reproduce'})


def main(argv: list[str] | None = None) -> int:
    """
    Run a subcommand.

    Returns:
        0 on success, 1 if an image could not be read, 2 on other invalid input, 130 on Ctrl-C.

    """
    os.environ.setdefault('KERAS_BACKEND', 'tensorflow')
    # errors are raised, too; without a graphics card TensorFlow logs one
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    parser = argparse.ArgumentParser(
        prog='emotion-training',
        description='Build and filter a FER2013-style dataset; train, evaluate, export a model.',
    )
    subparsers = parser.add_subparsers(dest='command', required=True)
    for module in COMMANDS:
        module.add_parser(subparsers)
    args = parser.parse_args(argv)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # a shell starts background jobs so
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return args.run(args) or 0
    except (DatasetError, ModelError, OSError, RuntimeError, ValueError) as error:
        print(f'emotion-training {args.command}: {one_line(error)}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        again = 'resumes' if args.command in _RESUMING else 'starts anew'
        print(f'stopped; the same command {again}', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
