# SPDX-License-Identifier: Apache-2.0
"""The subcommand `predict`: the same as `emotion-perception image`."""

import argparse


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    # no option of its own: everything after `predict`, --help too, is parsed by `image`
    parser = commands.add_parser(
        'predict',
        help='the expressions in new images; the same as `emotion-perception image`',
        add_help=False,
        prefix_chars='\0',
    )
    parser.add_argument('arguments', nargs=argparse.REMAINDER)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand."""
    from emotion_perception import cli

    return cli.main(['image', *args.arguments])
