"""The subcommand `evaluate`: score a model, or compare several."""

import argparse
import sys
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser(
        'evaluate', help='score a model on a built dataset, or compare several'
    )
    parser.add_argument(
        'models', metavar='MODEL', type=Path, nargs='+',
        help='.tflite with its json, .keras or .h5; further ones are compared with the first',
    )  # fmt: skip
    parser.add_argument('dataset', metavar='DATASET', type=Path, help='folder that build made')
    parser.add_argument('--split', default='validation', help='validation (default) or test')
    parser.add_argument(
        '--train', metavar='DATASET', type=Path,
        help='dataset whose training images the models learned from, to leave twins out (the same)',
    )  # fmt: skip
    parser.add_argument(
        '--out', type=Path, help='folder for report.html and scores.json; none without it'
    )
    parser.add_argument(
        '--record', metavar='FILE', type=Path,
        help='also write the scores alone as json, which names no file of the dataset',
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    from emotion_training.data.dataset import load
    from emotion_training.evaluate.assessment import publishable, report_data
    from emotion_training.evaluate.evaluation import table
    from emotion_training.evaluate.model_comparison import comparison
    from emotion_training.files import write_json

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
        from emotion_training.evaluate.evaluation_report import write_report

        for path in write_report(data, split, args.out):
            print(path)
