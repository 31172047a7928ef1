"""The command `emotion-training`."""

import argparse
import os
import sys
from pathlib import Path

from emotion_perception.emotions import EMOTIONS
from emotion_perception.litert import ModelError
from emotion_training.fer2013 import DatasetError


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
    from emotion_training.assess import report_data
    from emotion_training.compare import comparison
    from emotion_training.dataset import load
    from emotion_training.evaluate import table

    split = load(args.dataset, args.split)
    data = report_data(args.models, args.dataset, args.split, split, args.train or args.dataset)
    for remark in data['remarks']:
        print(f'note: {remark}', file=sys.stderr)
    several = len(args.models) > 1
    print(comparison(data['models']) if several else table(data['models'][0]['questions']))
    if args.out:
        from emotion_training.report import write_report

        for path in write_report(data, split, args.out):
            print(path)


def _predict(args: argparse.Namespace) -> int:
    from functools import partial

    from tqdm import tqdm

    from emotion_perception.tracking import TrackingSettings
    from emotion_training.answers import check_kind
    from emotion_training.pictures import find_pictures, read_picture, take_frame
    from emotion_training.predict import cropped_faces, predict, whole_pictures
    from emotion_training.prediction_rows import write_rows
    from emotion_training.writing import whole_file

    pictures = [(str(path), partial(read_picture, path)) for path in find_pictures(args.files)]
    if args.camera is not None:
        pictures.append((f'camera {args.camera}', partial(take_frame, args.camera)))
    if not pictures:
        raise ValueError('name files, folders or patterns, or --camera')
    if args.model:
        check_kind(args.model)
    reader = cropped_faces if args.cropped else whole_pictures
    settings = TrackingSettings()
    if args.uncertain_below is not None:
        settings.uncertain_below = args.uncertain_below
    read = reader(args.model, args.head, settings)
    unread: list[str] = []

    def refused(message: str) -> None:
        unread.append(message)
        tqdm.write(message, file=sys.stderr)

    bar = tqdm(pictures, unit='picture', disable=None if args.out else True)
    rows = predict(bar, read, refused, args.annotate)
    if args.out:
        with whole_file(args.out) as stream:
            write_rows(rows, stream, args.format)
    else:
        write_rows(rows, sys.stdout, args.format)
    return 1 if unread else 0


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

    train = commands.add_parser('train', help='train a recipe; started again, it goes on')
    train.add_argument('config', help='name of a recipe in emotion_training/configs')
    train.add_argument('dataset', type=Path, help='folder that build made')
    train.add_argument('--out', type=Path, required=True, help='folder of the run')
    train.set_defaults(run=_train)

    evaluate = commands.add_parser(
        'evaluate', help='score a model on a built dataset, or compare several'
    )
    evaluate.add_argument(
        'models', metavar='MODEL', type=Path, nargs='+',
        help='.tflite with its json, .keras or .h5; further ones are compared with the first',
    )  # fmt: skip
    evaluate.add_argument('dataset', metavar='DATASET', type=Path, help='folder that build made')
    evaluate.add_argument('--split', default='validation', help='validation (default) or test')
    evaluate.add_argument(
        '--train', metavar='DATASET', type=Path,
        help='dataset whose training images the models learned from, to leave twins out (the same)',
    )  # fmt: skip
    evaluate.add_argument(
        '--out', type=Path, help='folder for report.html and scores.json; none without it'
    )
    evaluate.set_defaults(run=_evaluate)

    export = commands.add_parser(
        'export', help='make the LiteRT file and json that the robot loads'
    )
    export.add_argument('run_folder', metavar='run', type=Path, help='folder that train wrote')
    export.add_argument('dataset', type=Path, help='folder that build made')
    export.add_argument('--out', type=Path, required=True, help='folder for the two files')
    export.set_defaults(run=_export)

    predict = commands.add_parser(
        'predict', help='tell what the faces in pictures or before a camera show'
    )
    predict.add_argument(
        'files', metavar='FILE', nargs='*', help='pictures, folders of them, or patterns such as "a/**/*.png"'
    )  # fmt: skip
    predict.add_argument('--model', type=Path, help="another model than the robot's")
    predict.add_argument(
        '--head', default='crowd', choices=('crowd', 'fer2013'),
        help="whose answer: the crowd's (default) or FER2013's labels",
    )  # fmt: skip
    predict.add_argument(
        '--cropped', action='store_true', help='each picture is one face that is cut out already'
    )
    predict.add_argument('--camera', metavar='N', help='one picture of this camera, or of a video')
    predict.add_argument(
        '--uncertain-below', type=float, metavar='P',
        help="confidence below which the label is uncertain, 0 to 1 (the robot's)",
    )  # fmt: skip
    predict.add_argument('--format', default='table', choices=('table', 'json', 'csv'))
    predict.add_argument('--out', type=Path, help='file for the answers, in place of the screen')
    predict.add_argument(
        '--annotate', metavar='DIR', type=Path, help='folder for annotated copies'
    )
    predict.set_defaults(run=_predict)

    geometry = commands.add_parser(
        'geometry', help='measure where eyes and mouth sit in the images'
    )
    geometry.add_argument('dataset', type=Path, help='folder that build made')
    geometry.set_defaults(run=_geometry)
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
