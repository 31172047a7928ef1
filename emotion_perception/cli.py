# SPDX-License-Identifier: Apache-2.0
"""The command `emotion-perception`: images, videos and cameras without ROS; recordings; checks."""

import argparse
import csv
import itertools
import json
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_perception.bag import cli as bag_command
from emotion_perception.doctor import cli as doctor_command
from emotion_perception.emotions import EMOTIONS
from emotion_perception.errors import BagError, DetectorError, ImageError, ModelError, SourceError
from emotion_perception.files import whole_output

# NumPy, OpenCV, LiteRT and ROS are imported where they are used: the doctor runs without them
if TYPE_CHECKING:
    import numpy as np

    from emotion_perception.pipeline import Pipeline
    from emotion_perception.types import FaceEmotion

DETECTORS = ('blazeface', 'yunet', 'haar')
HEADS = ('crowd', 'fer2013')
_BOX = ('x', 'y', 'width', 'height')
CSV_COLUMNS = ('source', 'face', 'label', 'confidence', *_BOX, 'detection_score', *EMOTIONS)


def _face_record(source: str, time_s: float | None, face: 'FaceEmotion') -> dict[str, Any]:
    record: dict[str, Any] = {'source': source}
    if time_s is not None:
        record |= {'time_s': round(time_s, 3), 'face_id': face.face_id}
    score = None if math.isnan(face.detection_score) else round(face.detection_score, 4)
    probabilities = [round(float(probability), 4) for probability in face.probabilities]
    return record | {
        'label': face.label,
        'confidence': round(face.confidence, 4),
        'box': list(face.box),
        'detection_score': score,
        'probabilities': dict(zip(EMOTIONS, probabilities, strict=True)),
    }


def _print_faces(
    source: str, time_s: float | None, faces: 'list[FaceEmotion]', as_json: bool
) -> None:
    for face in faces:
        if as_json:
            print(json.dumps(_face_record(source, time_s, face)), flush=True)
            continue
        where = source if time_s is None else f'{time_s:8.2f} s  face {face.face_id:<3}'
        x, y, w, h = face.box
        print(f'{where}  {face.label:<10} {face.confidence:6.1%}  {w}x{h} at {x},{y}', flush=True)
    if not faces and time_s is None and not as_json:
        print(f'{source}  no face', flush=True)


def _csv_rows(source: str, faces: 'list[FaceEmotion]') -> list[dict[str, Any]]:
    """Return a row of `CSV_COLUMNS` per face, numbered from 1; without faces one with face 0."""
    rows = []
    for number, face in enumerate(faces, 1):
        record = _face_record(source, None, face)
        rows.append(record | face.box._asdict() | record['probabilities'] | {'face': number})
    return rows or [{'source': source, 'face': 0}]


def _classify_crop(pipeline: 'Pipeline', image: 'np.ndarray') -> 'list[FaceEmotion]':
    """Classify a BGR image, uint8 [H, W, 3], as one crop of a face; its detection score is NaN."""
    import cv2

    from emotion_perception.tracking import SmoothedExpression
    from emotion_perception.types import Box, FaceEmotion

    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if gray.shape != (48, 48):
        method = cv2.INTER_AREA if min(gray.shape) > 48 else cv2.INTER_LINEAR
        gray = cv2.resize(gray, (48, 48), interpolation=method)
    probabilities = pipeline.classifier.classify(gray[None])[0]
    expression = SmoothedExpression()
    expression.update(probabilities, 0.0, pipeline.settings)
    box = Box(0, 0, image.shape[1], image.shape[0])
    label, p = expression.label, probabilities
    return [FaceEmotion(0, box, math.nan, p, p, label, expression.confidence, 0.0)]


def _write_image(folder: Path, source: Path, image: 'np.ndarray', written: set[Path]) -> None:
    """Write a png under the name of its source, with a number where that is taken."""
    import cv2

    target = folder / f'{source.stem}.png'
    numbers = itertools.count(2)
    while target in written:
        target = folder / f'{source.stem}_{next(numbers)}.png'
    written.add(target)
    if target.resolve() == source.resolve():
        raise OSError(f'{target} is the image itself; choose another folder for --out')
    folder.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(target), image):
        raise OSError(f'{target} cannot be written')


def _image(args: argparse.Namespace) -> int:
    from emotion_perception.imaging.codecs import find_images, read_image
    from emotion_perception.visualization import annotate

    pipeline = _pipeline(args, tracking=False)
    failed = 0
    rows: list[dict[str, Any]] = []
    written: set[Path] = set()
    for path in find_images(args.files):
        try:
            image = read_image(path)
        except (ImageError, OSError) as error:
            print(f'{path}: {getattr(error, "strerror", None) or error}', file=sys.stderr)
            failed += 1
            continue
        faces = _classify_crop(pipeline, image) if args.crops else pipeline.process(image)
        _print_faces(str(path), None, faces, args.json)
        rows += _csv_rows(str(path), faces)
        if args.out:
            _write_image(args.out, path, annotate(image, faces), written)
    if args.csv:
        with (
            whole_output(args.csv, replace=True) as partial,
            partial.open('w', newline='', encoding='utf-8') as stream,
        ):
            table = csv.DictWriter(stream, CSV_COLUMNS, extrasaction='ignore', lineterminator='\n')
            table.writeheader()
            table.writerows(rows)
    return 1 if failed else 0


def _video(args: argparse.Namespace) -> int:
    import cv2

    from emotion_perception.imaging.sources import MovingImageSource, open_source
    from emotion_perception.visualization import annotate

    pipeline = _pipeline(args, tracking=True)
    source = open_source(str(args.source), loop=False)
    if isinstance(source, MovingImageSource):
        raise SourceError(f'{args.source} is an image; use `emotion-perception image`')
    writer, count = None, 0
    try:
        while (frame := source.read()) is not None:
            time_s = count / source.rate_hz
            faces = pipeline.process(frame, time_s)
            if count % args.every == 0:
                _print_faces(str(args.source), time_s, faces, args.json)
            if args.out:
                if writer is None:
                    code = cv2.VideoWriter.fourcc(*'mp4v')
                    size = frame.shape[1], frame.shape[0]
                    writer = cv2.VideoWriter(str(args.out), code, source.rate_hz, size)
                    if not writer.isOpened():
                        raise SourceError(
                            f'{args.out} cannot be written; choose a path that ends in .mp4'
                        )
                writer.write(annotate(frame, faces))
            count += 1
    finally:
        source.close()
        if writer is not None:
            writer.release()
    if not count:
        raise SourceError(f'{args.source} holds no frame that can be read')
    return 0


def _models(args: argparse.Namespace) -> int:
    from emotion_perception.classification import DEFAULT_MODEL
    from emotion_perception.runtime.metadata import read_metadata

    for path in sorted(DEFAULT_MODEL.parent.glob('*.json')):
        model = read_metadata(path)
        size_mb = (path.parent / model.file).stat().st_size / 1e6
        heads = ', '.join(model.heads)
        print(f'{model.name}  {model.parameters} parameters, {size_mb:.1f} MB, heads {heads}')
        print(f'  file    {path.parent / model.file}')
        print(f'  sha256  {model.sha256}')
        for name, row in model.scores.items():
            print(
                f'  {name:<28} accuracy {row["accuracy"]:6.2%}  macro recall '
                f'{row["macro_recall"]:6.2%}  ECE {row["ece"]:5.2%}  ({row["images"]} images)'
            )
    return 0


def _pipeline(args: argparse.Namespace, tracking: bool) -> 'Pipeline':
    from emotion_perception.detection.keyframes import DETECT_EVERY
    from emotion_perception.pipeline import Pipeline

    return Pipeline.default(
        tracking,
        args.detector,
        args.detector_model,
        args.model,
        args.head,
        min_detection_score=args.min_detection_score,
        detect_every=DETECT_EVERY,
        rotate=args.rotate,
        search_width=args.search_width,
    )


def _whole_number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text} is not a whole number above 0')
    return int(text)


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{text} is not between 0 and 1')
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='emotion-perception',
        description='Which expression each face in images, in videos or before a camera shows; '
        'not what people feel.',
    )
    commands = parser.add_subparsers(dest='command', required=True)
    pipeline = argparse.ArgumentParser(add_help=False)
    add = pipeline.add_argument
    add('--detector', default=DETECTORS[0], choices=DETECTORS, help='face detector (blazeface)')
    add('--detector-model', default='', help="the detector's model file; yunet needs it")
    add('--model', help='another classifier: .tflite with its json, .keras or .h5')
    text = "labels as most people would choose them (crowd), or as FER2013's authors did"
    add('--head', default=HEADS[0], choices=HEADS, help=text)
    text = 'lowest detection score (0.5)'
    add('--min-detection-score', type=_fraction, default=0.5, help=text)
    text = 'clockwise rotation of the images before detection, in degrees (0)'
    add('--rotate', type=int, default=0, choices=(0, 90, 180, 270), help=text)
    text = 'longer side to which yunet shrinks an image, in pixels (320)'
    add('--search-width', type=_whole_number, default=320, help=text)
    common = argparse.ArgumentParser(add_help=False, parents=[pipeline])
    common.add_argument('--json', action='store_true', help='print one json object per face')

    image = commands.add_parser('image', parents=[common], help='image files, or folders of them')
    text = 'images, folders of them, or patterns such as "a/**/*.png"'
    image.add_argument('files', nargs='+', metavar='FILE', help=text)
    text = 'each image is the crop of one face; no detection'
    image.add_argument('--crops', action='store_true', help=text)
    image.add_argument('--csv', metavar='FILE', type=Path, help='write a table of the faces too')
    text = 'folder for annotated copies; nothing is written without it'
    image.add_argument('--out', type=Path, help=text)
    image.set_defaults(run=_image)

    for name, text in (
        ('video', 'a video file'),
        ('camera', 'a camera: its number or /dev/video0'),
    ):
        video = commands.add_parser(name, parents=[common], help=text)
        video.add_argument('source', help=text)
        text = 'print every n-th frame (1)'
        video.add_argument('--every', type=_whole_number, default=1, help=text)
        text = 'annotated video (.mp4); nothing is written without it'
        video.add_argument('--out', type=Path, help=text)
        video.set_defaults(run=_video)

    bag_command.add_parser(commands, pipeline, _pipeline)
    models = commands.add_parser('models', help='installed models, their hashes and scores')
    models.set_defaults(run=_models)
    doctor_command.add_parser(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; return 0, 1 if some input could not be read, 2 on any other error."""
    args = _parser().parse_args(arguments)
    try:
        return args.run(args)
    except BrokenPipeError:
        # the reader of our output, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ImportError as error:
        message = f'{error}; `emotion-perception doctor` lists what is missing'
    except (BagError, SourceError, DetectorError, ModelError, OSError) as error:
        message = str(error)
    except KeyboardInterrupt:
        return 130
    print(f'emotion-perception {args.command}: {message}', file=sys.stderr)
    return 2


if __name__ == '__main__':
    sys.exit(main())
