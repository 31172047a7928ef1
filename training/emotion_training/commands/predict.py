"""The subcommand `predict`: tell what faces in pictures show."""

import argparse
import sys
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser(
        'predict', help='tell what the faces in pictures or before a camera show'
    )
    parser.add_argument(
        'files', metavar='FILE', nargs='*', help='pictures, folders of them, or patterns such as "a/**/*.png"'
    )  # fmt: skip
    parser.add_argument('--model', type=Path, help="another model than the robot's")
    parser.add_argument(
        '--head', default='crowd', choices=('crowd', 'fer2013'),
        help="whose answer: the crowd's (default) or FER2013's labels",
    )  # fmt: skip
    parser.add_argument(
        '--cropped', action='store_true', help='each picture is one face that is cut out already'
    )
    parser.add_argument('--camera', metavar='N', help='one picture of this camera, or of a video')
    parser.add_argument(
        '--uncertain-below', type=float, metavar='P',
        help="confidence below which the label is uncertain, 0 to 1 (the robot's)",
    )  # fmt: skip
    parser.add_argument('--format', default='table', choices=('table', 'json', 'csv'))
    parser.add_argument('--out', type=Path, help='file for the answers, in place of the screen')
    parser.add_argument('--annotate', metavar='DIR', type=Path, help='folder for annotated copies')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand."""
    from functools import partial

    from tqdm import tqdm

    from emotion_perception.imaging.codecs import find_images, read_image
    from emotion_perception.imaging.sources import capture_frame
    from emotion_perception.tracking import TrackingSettings
    from emotion_training.evaluate.model_outputs import check_kind
    from emotion_training.evaluate.prediction import (
        cropped_faces,
        predict,
        whole_pictures,
    )
    from emotion_training.evaluate.prediction_rows import write_rows
    from emotion_training.files import whole_file

    pictures = [(str(path), partial(read_image, path)) for path in find_images(args.files)]
    if args.camera is not None:
        pictures.append((f'camera {args.camera}', partial(capture_frame, args.camera)))
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
