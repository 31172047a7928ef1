"""The subcommand `export`: make the files that the robot loads."""

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser(
        'export', help='make the LiteRT file and json that the robot loads'
    )
    parser.add_argument('run_folder', metavar='run', type=Path, help='folder that train wrote')
    parser.add_argument('dataset', type=Path, help='folder that build made')
    parser.add_argument(
        '--out', type=Path, required=True, help='folder for the file, its json and the epochs'
    )
    parser.add_argument(
        '--quantization',
        default='int8',
        choices=('int8', 'float16', 'float32'),
        help='of the weights; int8 (default) of the values too: as accurate here, and the fastest',
    )
    parser.add_argument(
        '--no-mirror',
        dest='mirror',
        action='store_false',
        help='ask for the face alone, not for its mirror image too: half the time; docs/lab/experiments.md says what it costs',
    )
    parser.add_argument(
        '--balance',
        type=float,
        default=0.5,
        help='of what people see: 0 answers as often with each expression as they do in the training images, '
        '1 as if all were as frequent, and 0.5 (default) lies half way; docs/lab/experiments.md says what each costs',
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    from emotion_training.data.dataset import load
    from emotion_training.evaluate.evaluation import table
    from emotion_training.export import export

    done = export(
        args.run_folder,
        load(args.dataset, 'train'),
        load(args.dataset, 'validation'),
        args.out,
        args.quantization,
        args.mirror,
        args.balance,
    )
    print(table(done.scores))
    print(f'{args.out / done.file}  {done.parameters} parameters  sha256 {done.sha256}')
