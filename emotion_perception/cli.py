# SPDX-License-Identifier: Apache-2.0
"""The command `emotion-perception`: images, videos, recordings, fake people, a live page."""

import argparse
import contextlib
import csv
import itertools
import json
import math
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_perception.arguments import fraction, labels, positive_number, whole_number
from emotion_perception.bag import cli as bag_command
from emotion_perception.doctor import cli as doctor_command
from emotion_perception.emotions import EMOTIONS
from emotion_perception.errors import (
    BagError,
    DetectorError,
    ImageError,
    ModelError,
    SourceError,
    one_line,
)
from emotion_perception.files import check_outputs, whole_output
from emotion_perception.ros.fake_script import WORDS, parse_step
from emotion_perception.ros.live import cli as live_command
from emotion_perception.runtime.quiet import without_library_notes

# NumPy, OpenCV, LiteRT and ROS are imported where they are used: the doctor runs without them
if TYPE_CHECKING:
    import numpy as np

    from emotion_perception.imaging.sources import FrameSource
    from emotion_perception.pipeline import Pipeline
    from emotion_perception.types import FaceEmotion

DETECTORS = ('blazeface', 'yunet', 'haar')
HEADS = ('crowd', 'fer2013')
_BOX = ('x', 'y', 'width', 'height')
CSV_COLUMNS = ('source', 'face', 'label', 'confidence', *_BOX, 'detection_score', *EMOTIONS)


def _face_record(source: str, time_s: float | None, face: 'FaceEmotion') -> dict[str, Any]:
    from emotion_perception.types import head_values

    record: dict[str, Any] = {'source': source}
    if time_s is not None:
        record |= {'time_s': round(time_s, 3), 'face_id': face.face_id}
    score = None if math.isnan(face.detection_score) else round(face.detection_score, 4)
    probabilities = [round(float(probability), 4) for probability in face.probabilities]
    head = {
        name: None if math.isnan(value) else round(value, 3)
        for name, value in head_values(face.head_pose).items()
    }
    return record | {
        'label': face.label,
        'confidence': round(face.confidence, 4),
        'box': list(face.box),
        'detection_score': score,
        'probabilities': dict(zip(EMOTIONS, probabilities, strict=True)),
        **head,
    }


def _print_faces(
    source: str, time_s: float | None, faces: 'list[FaceEmotion]', as_json: bool
) -> None:
    for face in faces:
        if as_json:
            print(json.dumps(_face_record(source, time_s, face)), flush=True)
            continue
        where = one_line(source) if time_s is None else f'{time_s:8.2f} s  face {face.face_id:<3}'
        x, y, w, h = face.box
        print(f'{where}  {face.label:<10} {face.confidence:6.1%}  {w}x{h} at {x},{y}', flush=True)
    if not faces and time_s is None:
        none = json.dumps({'source': source, 'label': None})
        print(none if as_json else f'{one_line(source)}  no face', flush=True)


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


def _annotated_paths(folder: Path, images: 'list[Path]') -> 'dict[Path, Path]':
    """Return a png for each image, under its name, with a number where that is taken."""
    taken: dict[Path, Path] = {}
    for image in images:
        target, numbers = folder / f'{image.stem}.png', itertools.count(2)
        while target in taken:
            target = folder / f'{image.stem}_{next(numbers)}.png'
        taken[target] = image
    return {image: target for target, image in taken.items()}


def _write_image(target: Path, image: 'np.ndarray', replace: bool) -> None:
    import cv2

    with whole_output(target, target.name, replace) as partial:
        partial.write_bytes(cv2.imencode('.png', image)[1].tobytes())


def _image(args: argparse.Namespace) -> int:
    from emotion_perception.imaging.codecs import find_images, read_image
    from emotion_perception.visualization import annotate

    images = find_images(args.files)
    copies = _annotated_paths(args.out, images) if args.out else {}
    outputs = [*copies.values(), *([args.csv] if args.csv else [])]
    check_outputs(outputs, (*map(Path, args.files), *images), args.force)
    pipeline = _pipeline(args, tracking=False)
    failed = 0
    rows: list[dict[str, Any]] = []
    for path in images:
        try:
            with without_library_notes():
                image = read_image(path)
        except (ImageError, OSError) as error:
            reason = getattr(error, 'strerror', None) or error
            print(f'{one_line(path)}: {reason}', file=sys.stderr)
            failed += 1
            continue
        faces = _classify_crop(pipeline, image) if args.crops else pipeline.process(image)
        _print_faces(str(path), None, faces, args.json)
        rows += _csv_rows(str(path), faces)
        if args.out:
            _write_image(copies[path], annotate(image, faces, args.rotate), args.force)
    if args.csv:
        with (
            whole_output(args.csv, replace=args.force) as partial,
            partial.open('w', newline='', encoding='utf-8', errors='surrogateescape') as stream,
        ):
            table = csv.DictWriter(stream, CSV_COLUMNS, extrasaction='ignore', lineterminator='\n')
            table.writeheader()
            table.writerows(rows)
    if failed and len(images) > 1:
        print(f'{failed} of {len(images)} images could not be read', file=sys.stderr)
    return 1 if failed else 0


def _video(args: argparse.Namespace) -> int:
    from emotion_perception.imaging.sources import (
        ImageFilesSource,
        MovingImageSource,
        local_path,
        open_source,
    )

    with without_library_notes():
        source = open_source(args.source, rate_hz=args.rate, loop=False)
    try:
        if args.out:
            frames = source.paths if isinstance(source, ImageFilesSource) else ()
            check_outputs([args.out], (Path(local_path(args.source)), *frames), args.force)
        if isinstance(source, MovingImageSource):
            raise SourceError(f'{args.source} is an image; `emotion-perception image` reads files')
        pipeline = _pipeline(args, tracking=True)
        if not args.out:
            count = _process_frames(source, pipeline, args, None)
        else:
            with whole_output(args.out, args.out.name, args.force) as partial:
                count = _process_frames(source, pipeline, args, partial)
    finally:
        source.close()
    if not count:
        raise SourceError(f'{args.source} holds no frame that can be read')
    for problem in source.problems:
        print(one_line(problem), file=sys.stderr)
    return 1 if source.problems else 0


def _process_frames(
    source: 'FrameSource', pipeline: 'Pipeline', args: argparse.Namespace, out: Path | None
) -> int:
    """Print the faces of all frames, write an annotated video to `out`; return how many."""
    from emotion_perception.imaging.video_file import VideoFile
    from emotion_perception.visualization import annotate

    count = 0
    film = VideoFile(out, source.rate_hz) if out else contextlib.nullcontext()
    with without_library_notes(), film as video:
        try:
            while (frame := source.read()) is not None:
                faces = pipeline.process(frame, source.time_s)
                if count % args.every == 0:
                    _print_faces(args.source, source.time_s, faces, args.json)
                if video is not None:
                    video.write(annotate(frame, faces, args.rotate), source.time_s)
                count += 1
        except KeyboardInterrupt:
            # a camera has no other end; half a film is not written
            if not source.live or not out:
                raise
    return count


def _models(args: argparse.Namespace) -> int:
    from emotion_perception.classification import DEFAULT_MODEL
    from emotion_perception.runtime.metadata import read_metadata
    from emotion_perception.runtime.tflite_file import multiplications, read_graph

    for path in sorted(DEFAULT_MODEL.parent.glob('*.json')):
        model = read_metadata(path)
        data = (path.parent / model.file).read_bytes()
        cost = f'{multiplications(read_graph(data)) / 1e6:.1f} million multiplications a face'
        print(
            f'{model.name}  {model.parameters} parameters, {cost}, {len(data) / 1e6:.1f} MB, '
            f'heads {", ".join(model.heads)}'
        )
        print(f'  file    {path.parent / model.file}')
        print(f'  sha256  {model.sha256}')
        for name, row in model.scores.items():
            print(
                f'  {name:<28} accuracy {row["accuracy"]:6.2%}  macro recall '
                f'{row["macro_recall"]:6.2%}  ECE {row["ece"]:5.2%}  ({row["images"]} images)'
            )
    return 0


def _fake(args: argparse.Namespace) -> int:
    from emotion_perception.ros.fake_node import play

    play(args.script, args.rate, args.loop, args.namespace)
    return 0


def _pipeline_arguments(args: argparse.Namespace, tracking: bool) -> dict[str, Any]:
    """Return the arguments of `Pipeline.default`."""
    from emotion_perception.detection.keyframes import DETECT_EVERY
    from emotion_perception.tracking import TrackingSettings

    max_gap_s = getattr(args, 'max_gap', None)
    return {
        'tracking': tracking,
        'detector': args.detector,
        'detector_model': args.detector_model,
        'model': args.model,
        'head': args.head,
        'min_detection_score': args.min_detection_score,
        'settings': TrackingSettings(max_gap_s=max_gap_s) if max_gap_s else None,
        'detect_every': DETECT_EVERY,
        'rotate': args.rotate,
        'search_width': args.search_width,
        'labels': args.labels,
        'head_pose': args.head_pose,
    }


def _pipeline(args: argparse.Namespace, tracking: bool) -> 'Pipeline':
    from emotion_perception.pipeline import Pipeline
    from emotion_perception.runtime.network import runtime_remark

    with without_library_notes():
        pipeline = Pipeline.default(**_pipeline_arguments(args, tracking))
    for remark in filter(None, (pipeline.classifier.remark, runtime_remark())):
        print(f'note: {one_line(remark)}', file=sys.stderr)
    return pipeline


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
    text = (
        'order of its outputs, where its json does not say it: seven names and commas, or fer2013'
    )
    add('--labels', type=labels, default=(), help=text)
    text = "labels as most people would choose them (crowd), or as FER2013's authors did"
    add('--head', default=HEADS[0], choices=HEADS, help=text)
    text = 'lowest detection score (0.5)'
    add('--min-detection-score', type=fraction, default=0.5, help=text)
    text = 'clockwise rotation of the images before detection, in degrees (0)'
    add('--rotate', type=int, default=0, choices=(0, 90, 180, 270), help=text)
    text = 'longer side to which yunet shrinks an image, in pixels (320)'
    add('--search-width', type=whole_number, default=320, help=text)
    text = 'do not read where heads are directed: faster, and turned faces are labeled too'
    add('--no-head-pose', dest='head_pose', action='store_false', help=text)
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
    text = 'replace existing files; an input is never replaced'
    image.add_argument('--force', action='store_true', help=text)
    image.set_defaults(run=_image)

    for name, text in (
        ('video', 'a video file, a folder of frames, or a pattern such as frame_%%03d.jpg'),
        ('camera', 'a camera: its number, /dev/video0, an rtsp address, a GStreamer pipeline'),
    ):
        video = commands.add_parser(name, parents=[common], help=text)
        video.add_argument('source', help=text)
        text = 'print every n-th frame (1)'
        video.add_argument('--every', type=whole_number, default=1, help=text)
        text = 'annotated video (.mp4); nothing is written without it'
        video.add_argument('--out', type=Path, help=text)
        text = 'replace an existing file; an input is never replaced'
        video.add_argument('--force', action='store_true', help=text)
        text = 'frames a second of images in a folder or pattern (30)'
        video.add_argument('--rate', type=positive_number, default=30.0, help=text)
        text = 'a face unseen for so many seconds is a new one (0.7); raise it for slow films'
        video.add_argument('--max-gap', type=positive_number, help=text)
        video.set_defaults(run=_video)

    bag_command.add_parser(commands, pipeline, _pipeline, _pipeline_arguments)
    fake = commands.add_parser(
        'fake',
        help='people who do what a script says, on the ROS topics of the node: no camera needed',
        description='Publish people who do what a script says, on the topics of the emotion node, '
        'to write and test behaviors without a camera.',
        epilog='example: emotion-perception fake appear@0s smile@2s look_away@3s sad@4s leave@5s '
        '2:appear@1s --loop',
    )
    text = (
        'what a person does and when: smile@2s, or 2:smile@2s for person 2, who is there from the '
        f'beginning unless the first word is appear. Words: {", ".join(WORDS)}'
    )
    fake.add_argument('script', nargs='+', metavar='[N:]WORD@SECONDS', type=parse_step, help=text)
    fake.add_argument('--loop', action='store_true', help='repeat it until Ctrl-C')
    fake.add_argument('--rate', type=positive_number, default=30.0, help='images a second (30)')
    fake.add_argument('--namespace', default='', help='of the topics')
    fake.set_defaults(run=_fake)
    live_command.add_parser(commands)
    models = commands.add_parser('models', help='installed models, their hashes and scores')
    models.set_defaults(run=_models)
    doctor_command.add_parser(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one subcommand; return 0, 1 if some input could not be read, 2 on any other error."""
    args = _parser().parse_args(arguments)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # a shell starts background jobs so
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return args.run(args)
    except BrokenPipeError:
        # the reader of our output, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ImportError as error:
        if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            return 130  # in the middle of rclpy's import
        message = f'{error}; `emotion-perception doctor` lists what is missing'
    except (BagError, SourceError, DetectorError, ModelError, OSError) as error:
        message = str(error)
    except KeyboardInterrupt:
        return 130
    print(f'emotion-perception {args.command}: {one_line(message)}', file=sys.stderr)
    return 2


if __name__ == '__main__':
    sys.exit(main())
