"""The command `emotion-training`."""

import argparse
import os
import sys
from pathlib import Path

from emotion_perception.emotions import EMOTIONS
from emotion_training.fer2013 import DatasetError
from emotion_training.filtering import command as filter_command


def _build(args: argparse.Namespace) -> None:
    from emotion_training.build import build
    from emotion_training.fer2013 import read_fer2013

    counts = build(read_fer2013(args.csv, args.votes), args.out)
    splits = sorted({split for split, _ in counts})
    print(f'{"":<12}' + ''.join(f'{split:>12}' for split in splits))
    for label in EMOTIONS:
        print(f'{label:<12}' + ''.join(f'{counts[split, label]:>12}' for split in splits))


def _train(args: argparse.Namespace) -> None:
    from emotion_training.config import load_config
    from emotion_training.train import train

    print(train(load_config(args.config), args.dataset, args.out))


def _evaluate(args: argparse.Namespace) -> None:
    from emotion_perception.model_description import HEADS
    from emotion_training.dataset import load
    from emotion_training.evaluate import evaluate, table
    from emotion_training.export import answers

    split, train = load(args.dataset, args.split), load(args.dataset, 'train')
    print(
        table(
            evaluate(
                {head: answers(args.model, head, split.images) for head in HEADS}, split, train
            )
        )
    )


def _export(args: argparse.Namespace) -> None:
    from emotion_training.dataset import load
    from emotion_training.evaluate import table
    from emotion_training.export import export

    done = export(
        args.run_folder, load(args.dataset, 'train'), load(args.dataset, 'validation'), args.out
    )
    print(table(done.scores))
    print(f'{args.out / done.file}  {done.parameters} parameters  sha256 {done.sha256}')


def _geometry(args: argparse.Namespace) -> None:
    from emotion_training.dataset import load
    from emotion_training.geometry import measure

    found = measure(load(args.dataset, 'train').images)
    for name, at, spread in zip(
        ('eye at the left', 'eye at the right', 'mouth'), found.median, found.spread, strict=True
    ):
        print(f'{name:<18}x {at[0]:5.2f} +- {spread[0]:4.2f}   y {at[1]:5.2f} +- {spread[1]:4.2f}')
    print(
        f'medians and half of the middle 68 %, in pixels; {found.found} of {found.images} images'
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='emotion-training', description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)

    build = commands.add_parser('build', help='make folders of images from fer2013.csv')
    build.add_argument('csv', type=Path, help='fer2013.csv')
    build.add_argument('--votes', type=Path, help='fer2013new.csv of FER+, the same rows')
    build.add_argument('--out', type=Path, required=True, help='folder to make')
    build.set_defaults(run=_build)

    filter_command.add_parser(commands)

    train = commands.add_parser('train', help='train a recipe; started again, it goes on')
    train.add_argument('config', help='name of a recipe in emotion_training/configs')
    train.add_argument('dataset', type=Path, help='folder that build made')
    train.add_argument('--out', type=Path, required=True, help='folder of the run')
    train.set_defaults(run=_train)

    evaluate = commands.add_parser('evaluate', help='score a model on a built dataset')
    evaluate.add_argument('model', type=Path, help='.tflite with its json, .keras or .h5')
    evaluate.add_argument('dataset', type=Path, help='folder that build made')
    evaluate.add_argument('--split', default='validation', help='validation (default) or test')
    evaluate.set_defaults(run=_evaluate)

    export = commands.add_parser(
        'export', help='make the LiteRT file and json that the robot loads'
    )
    export.add_argument('run_folder', metavar='run', type=Path, help='folder that train wrote')
    export.add_argument('dataset', type=Path, help='folder that build made')
    export.add_argument('--out', type=Path, required=True, help='folder for the two files')
    export.set_defaults(run=_export)

    geometry = commands.add_parser(
        'geometry', help='measure where eyes and mouth sit in the images'
    )
    geometry.add_argument('dataset', type=Path, help='folder that build made')
    geometry.set_defaults(run=_geometry)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; 0 on success, 2 on bad input."""
    os.environ.setdefault('KERAS_BACKEND', 'tensorflow')
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except (DatasetError, FileNotFoundError) as error:
        print(f'emotion-training {args.command}: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('stopped; start the same command again to go on', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
