# SPDX-License-Identifier: Apache-2.0
"""The subcommand `evaluate`: score a model, or compare several."""

import argparse
import sys
from pathlib import Path

from emotion_perception.files import check_outputs


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser(
        'evaluate', help='score a model on a built dataset, or compare several'
    )
    parser.add_argument(
        'models', metavar='MODEL', type=Path, nargs='+',
        help='.tflite with its json, .keras or .h5; further ones are compared with the first',
    )  # fmt: skip
    parser.add_argument('dataset', metavar='DATASET', type=Path, help='folder made by build')
    parser.add_argument('--split', default='validation', help='validation (default) or test')
    parser.add_argument(
        '--train', metavar='DATASET', type=Path,
        help='dataset that the models were trained on, for leak-free scores (default: the same)',
    )  # fmt: skip
    parser.add_argument('--out', type=Path, help='folder for report.html and scores.json')
    parser.add_argument(
        '--record', metavar='FILE', type=Path,
        help='also write the scores as json, without the names of files in the dataset',
    )  # fmt: skip
    parser.add_argument(
        '--force', action='store_true', help='replace existing files; an input is never replaced'
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    from emotion_training.data.dataset import load
    from emotion_training.evaluate.evaluation import publishable, report_data, table
    from emotion_training.evaluate.evaluation_report import REPORT, SCORES, write_report
    from emotion_training.evaluate.model_comparison import comparison
    from emotion_training.files import write_json

    outputs = [args.out / name for name in (REPORT, SCORES)] if args.out else []
    outputs += [args.record] if args.record else []
    check_outputs(outputs, (*args.models, args.dataset), args.force)
    split = load(args.dataset, args.split)
    data = report_data(args.models, args.dataset, args.split, split, args.train or args.dataset)
    for remark in data['remarks']:
        print(f'note: {remark}', file=sys.stderr)
    several = len(args.models) > 1
    print(comparison(data['models']) if several else table(data['models'][0]['questions']))
    if args.record:
        write_json(args.record, publishable(data, details=False))
        print(args.record)
    if args.out:
        for path in write_report(data, split, args.out):
            print(path)
