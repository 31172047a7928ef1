# SPDX-License-Identifier: Apache-2.0
"""The subcommand `export`: make the model files that the node loads."""

import argparse
import sys
from pathlib import Path

from emotion_perception.files import check_outputs
from emotion_perception.runtime.quiet import without_library_notes


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser(
        'export', help='make the LiteRT file and json that the node loads'
    )
    parser.add_argument('run_folder', metavar='run', type=Path, help='folder written by train')
    parser.add_argument('dataset', type=Path, help='folder made by build')
    parser.add_argument(
        '--out', type=Path, required=True, help='folder for the model, its json and epoch log'
    )
    parser.add_argument(
        '--quantization',
        default='dynamic',
        choices=('dynamic', 'int8', 'float16', 'float32'),
        help='dynamic (default): eight bits, with a scale for each image; int8: with '
        'fixed scales; float16 and float32: of the weights only',
    )
    parser.add_argument(
        '--mirror',
        action=argparse.BooleanOptionalAction,
        default=False,
        help='classify the mean of each face and its mirror image, in twice the time; '
        'docs/lab/experiments.md has the gain in accuracy',
    )
    parser.add_argument(
        '--balance',
        type=float,
        default=0.5,
        help='of the crowd head: 0 keeps the class frequencies of the training set, 1 makes all '
        'classes equally likely (default: %(default)s); docs/lab/experiments.md compares them',
    )
    parser.add_argument(
        '--force', action='store_true', help='replace existing files; an input is never replaced'
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    from emotion_training.data.dataset import load
    from emotion_training.evaluate.evaluation import chance_remarks, table

    with without_library_notes():
        from emotion_training.export import export
        from emotion_training.train.run_record import data_digest, read_record

    record = read_record(args.run_folder)
    name = record['config']['name']
    outputs = [args.out / f'{name}{end}' for end in ('.tflite', '.json')]
    check_outputs(outputs, (args.run_folder, args.dataset), args.force)
    splits = load(args.dataset, 'train'), load(args.dataset, 'validation')
    metadata = export(
        args.run_folder, *splits, args.out, args.quantization, args.mirror, args.balance
    )
    if record['data_sha256'] != data_digest(*splits):
        print(
            f'note: {args.run_folder} was trained on other images: temperature, balance and '
            f'scores are those of {args.dataset}',
            file=sys.stderr,
        )
    path = args.out / metadata.file
    print(table(metadata.scores))
    for remark in chance_remarks(metadata.scores, splits[1]):
        print(f'note: {remark}', file=sys.stderr)
    print(f'{path}  {metadata.parameters} parameters  sha256 {metadata.sha256}')
