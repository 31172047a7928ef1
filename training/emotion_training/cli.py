"""The command `emotion-training`."""

import argparse
import dataclasses
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from emotion_perception.litert import ModelError
from emotion_training.fer2013 import DatasetError


def _build(args: argparse.Namespace) -> None:
    from emotion_training.build import build
    from emotion_training.fer2013 import LeftOut, Sample, count_rows, read_fer2013
    from emotion_training.folders import find_images, has_splits, read_images

    source = args.source
    if not source.exists():
        raise DatasetError(f'{source} does not exist')
    if not source.is_dir():
        samples: Iterator[Sample | LeftOut] = read_fer2013(source, args.votes)
        total = count_rows(source)
    elif args.votes:
        raise DatasetError('--votes belongs to fer2013.csv; a folder of images has no rows')
    elif args.out.resolve().is_relative_to(source.resolve()):
        raise DatasetError(f'{args.out} lies inside {source}; choose a folder beside it')
    elif args.validation_share is None and not has_splits(source, args.ignore):
        raise DatasetError(
            f'{source} holds classes and no splits; say how much becomes validation, such as '
            '--validation-share 0.1'
        )
    else:
        files = find_images(source, args.ignore)
        samples, total = read_images(source, files), len(files)
    summary = build(
        samples,
        args.out,
        total,
        validation_share=args.validation_share or 0.0,
        leak_free=args.leak_free,
        origin=str(source),
    )
    print(summary.text())
    print(f'{args.out}: manifest.csv, duplicates.csv, left_out.csv, class_distribution.png')


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not a share from 0 to below 1')
    return value


def _train(args: argparse.Namespace) -> None:
    from emotion_training.config import load_config
    from emotion_training.train import train

    changes = {name: getattr(args, name) for name in ('epochs', 'precision', 'seed')}
    config = dataclasses.replace(
        load_config(args.config),
        **{name: value for name, value in changes.items() if value is not None},
    )
    print(train(config, args.dataset, args.out))


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
    from emotion_training.atomic import whole_file
    from emotion_training.pictures import find_pictures, read_picture, take_frame
    from emotion_training.predict import cropped_faces, predict, whole_pictures
    from emotion_training.prediction_rows import write_rows

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
        args.run_folder,
        load(args.dataset, 'train'),
        load(args.dataset, 'validation'),
        args.out,
        args.quantisation,
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

    build = commands.add_parser(
        'build', help='make a dataset from fer2013.csv or folders of images, and check it'
    )
    build.add_argument(
        'source',
        type=Path,
        help='fer2013.csv, or a folder: of classes, or of train, validation, test with classes in each',
    )
    build.add_argument('--votes', type=Path, help='fer2013new.csv of FER+, the same rows')
    build.add_argument('--out', type=Path, required=True, help='folder to make')
    build.add_argument(
        '--leak-free',
        action='store_true',
        help='leave out of train what stands in validation or test, pixel for pixel or nearly',
    )
    build.add_argument(
        '--validation-share',
        type=_share,
        metavar='SHARE',
        help='take this part of each class for validation where there is only train, e.g. 0.1',
    )
    build.add_argument(
        '--ignore',
        action='append',
        default=[],
        metavar='NAME',
        help='pass over folders of this name',
    )
    build.set_defaults(run=_build)

    train = commands.add_parser('train', help='train a recipe; started again, it goes on')
    train.add_argument('config', help='name of a recipe in emotion_training/configs')
    train.add_argument('dataset', type=Path, help='folder that build made')
    train.add_argument('--out', type=Path, required=True, help='folder of the run')
    train.add_argument('--epochs', type=int, help='instead of the recipe')
    train.add_argument('--seed', type=int, help='instead of the recipe')
    train.add_argument(
        '--precision', help="Keras' dtype policy instead of the recipe's, such as mixed_bfloat16"
    )
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
    export.add_argument(
        '--quantisation',
        default='float16',
        choices=('float16', 'float32', 'int8'),
        help='of the weights; int8 of the values too (float16)',
    )
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
