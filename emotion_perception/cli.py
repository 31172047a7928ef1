"""The command `emotion-perception`: the same pipeline without ROS, for files, videos and cameras."""

import argparse
import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np

from emotion_perception.bag import cli as bag_command
from emotion_perception.classification import DEFAULT_MODEL
from emotion_perception.detection import DETECTORS
from emotion_perception.detection.keyframes import DETECT_EVERY
from emotion_perception.doctor import cli as doctor_command
from emotion_perception.emotions import EMOTIONS
from emotion_perception.errors import BagError, DetectorError, ImageError, ModelError, SourceError
from emotion_perception.imaging.codecs import find_images, read_image
from emotion_perception.imaging.sources import MovingImageSource, open_source
from emotion_perception.pipeline import Pipeline
from emotion_perception.runtime.metadata import read_metadata
from emotion_perception.types import FaceEmotion
from emotion_perception.visualization import annotate


def _record(source: str, time_s: float | None, face: FaceEmotion) -> dict:
    record: dict = {'source': source}
    if time_s is not None:
        record |= {'time_s': round(time_s, 3), 'face_id': face.face_id}
    return record | {
        'label': face.label,
        'confidence': round(face.confidence, 4),
        'box': list(face.box),
        'detection_score': round(face.detection_score, 4),
        'probabilities': {
            name: round(float(share), 4)
            for name, share in zip(EMOTIONS, face.probabilities, strict=True)
        },
    }


def _print(source: str, time_s: float | None, faces: list[FaceEmotion], as_json: bool) -> None:
    for face in faces:
        if as_json:
            print(json.dumps(_record(source, time_s, face)), flush=True)
            continue
        where = source if time_s is None else f'{time_s:8.2f} s  face {face.face_id:<3}'
        x, y, w, h = face.box
        print(f'{where}  {face.label:<10} {face.confidence:6.1%}  {w}x{h} at {x},{y}', flush=True)
    if not faces and time_s is None and not as_json:
        print(f'{source}  no face')


def _write_copy(folder: Path, source: Path, picture: np.ndarray, taken: set[Path]) -> None:
    """Write an annotated copy under a name of its own, never over a picture that was read."""
    folder.mkdir(parents=True, exist_ok=True)
    target, number = folder / f'{source.stem}.png', 1
    while target in taken:
        number += 1
        target = folder / f'{source.stem}_{number}.png'
    taken.add(target)
    if target.resolve() == source.resolve():
        raise OSError(f'{target} is the picture itself; choose another folder for --out')
    if not cv2.imwrite(str(target), picture):
        raise OSError(f'{target} cannot be written')


def _image(args: argparse.Namespace) -> int:
    pipeline = _pipeline(args, tracking=False)
    unread = 0
    taken: set[Path] = set()
    for path in find_images(args.files):
        try:
            image = read_image(path)
        except (ImageError, OSError) as error:
            print(f'{path}: {error}', file=sys.stderr)
            unread += 1
            continue
        faces = pipeline.process(image)
        _print(str(path), None, faces, args.json)
        if args.out:
            _write_copy(args.out, path, annotate(image, faces), taken)
    return 1 if unread else 0


def _video(args: argparse.Namespace) -> int:
    pipeline = _pipeline(args, tracking=True)
    source = open_source(str(args.source), loop=False)
    if isinstance(source, MovingImageSource):
        raise SourceError(f'{args.source} is a picture; use `emotion-perception image`')
    writer, count = None, 0
    try:
        while (frame := source.read()) is not None:
            time_s = count / source.rate_hz
            faces = pipeline.process(frame, time_s)
            if count % args.every == 0:
                _print(str(args.source), time_s, faces, args.json)
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
        raise SourceError(f'{args.source} holds no picture that can be read')
    return 0


def _models(args: argparse.Namespace) -> int:
    for path in sorted(DEFAULT_MODEL.parent.glob('*.json')):
        model = read_metadata(path)
        size = (path.parent / model.file).stat().st_size
        print(
            f'{model.name}  {model.parameters} parameters, {size / 1e6:.1f} MB, heads {", ".join(model.heads)}'
        )
        print(f'  file    {path.parent / model.file}')
        print(f'  sha256  {model.sha256}')
        for name, row in model.scores.items():
            print(
                f'  {name:<28} accuracy {row["accuracy"]:6.2%}  macro recall {row["macro_recall"]:6.2%}'
                f'  ECE {row["ece"]:5.2%}  ({row["images"]} images)'
            )
    return 0


def _pipeline(args: argparse.Namespace, tracking: bool) -> Pipeline:
    return Pipeline.default(
        tracking,
        args.detector,
        args.detector_model,
        args.model,
        min_detection_score=args.min_detection_score,
        detect_every=DETECT_EVERY,
    )


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text} is not a whole number above 0')
    return int(text)


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{text} does not lie in 0..1')
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='emotion-perception',
        description='Which expression each face in pictures, videos or before a camera shows. Not what people feel.',
    )
    commands = parser.add_subparsers(dest='command', required=True)
    parts = argparse.ArgumentParser(add_help=False)
    parts.add_argument(
        '--detector', default=DETECTORS[0], choices=DETECTORS, help='face detector (blazeface)'
    )
    parts.add_argument(
        '--detector-model', default='', help="the detector's model file; yunet needs it"
    )
    parts.add_argument('--model', help='another classifier: .tflite with its json, .keras or .h5')
    parts.add_argument(
        '--min-detection-score', type=_share, default=0.5, help='lowest detection score (0.5)'
    )
    common = argparse.ArgumentParser(add_help=False, parents=[parts])
    common.add_argument('--json', action='store_true', help='one json object a face and line')

    image = commands.add_parser('image', parents=[common], help='pictures, or folders of them')
    image.add_argument(
        'files', nargs='+', metavar='FILE', help='pictures, folders of them, or patterns'
    )
    image.add_argument(
        '--out', type=Path, help='folder for annotated copies; nothing is written without it'
    )
    image.set_defaults(run=_image)

    for name, text in (
        ('video', 'a video file'),
        ('camera', 'a camera: its number or /dev/video0'),
    ):
        video = commands.add_parser(name, parents=[common], help=text)
        video.add_argument('source', help=text)
        video.add_argument('--every', type=_whole, default=1, help='print every n-th frame (1)')
        video.add_argument(
            '--out', type=Path, help='annotated video (.mp4); nothing is written without it'
        )
        video.set_defaults(run=_video)

    bag_command.add_parser(commands, parts, _pipeline)

    models = commands.add_parser('models', help='installed models, their hashes and scores')
    models.set_defaults(run=_models)

    doctor_command.add_parser(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; 0 on success, 1 if a file could not be read, 2 on other bad input."""
    args = _parser().parse_args(arguments)
    try:
        return args.run(args)
    except BrokenPipeError:
        # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (BagError, SourceError, DetectorError, ModelError, OSError) as error:
        print(f'emotion-perception {args.command}: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == '__main__':
    sys.exit(main())
