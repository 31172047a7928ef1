"""The subcommand `bag` of `emotion-perception`."""

import argparse
import hashlib
import math
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from emotion_perception.bag.printable import visible
from emotion_perception.errors import BagError

_LIBRARIES = ('apsw', 'backports', 'jinja2', 'lz4', 'rosbags', 'ruamel', 'tqdm')
_STORAGES = ('mcap', 'sqlite3')

MakePipeline = Callable[[argparse.Namespace, bool], object]


def add_parser(
    commands: argparse._SubParsersAction,
    pipeline_options: argparse.ArgumentParser,
    make_pipeline: MakePipeline,
) -> None:
    """
    Add the subcommand to the parser of `emotion-perception`.

    Args:
        commands: where to add it.
        pipeline_options: those that choose detector and model.
        make_pipeline: makes the pipeline that they ask for, with or without tracking.

    """
    bag = commands.add_parser('bag', help='recordings (rosbag2): process, play, report, record')
    actions = bag.add_subparsers(dest='action', required=True)

    process = actions.add_parser(
        'process', parents=[pipeline_options], help='add the emotions to a recording; the same on every run'
    )  # fmt: skip
    _add_in_and_out(process)
    _add_kind(process)
    process.add_argument(
        '--only-new', action='store_true', help="leave the recording's own messages out"
    )
    process.set_defaults(run=_run(_process, kept=True), make_pipeline=make_pipeline)

    play = actions.add_parser('play', help='send the images to a live node, record its answers')
    _add_in_and_out(play)
    play.add_argument('--rate', type=_above_0, default=1.0, help='times faster than recorded (1)')
    play.add_argument(
        '--every-image', action='store_true',
        help='wait for each answer before the next image is sent, so that none is passed over',
    )  # fmt: skip
    play.add_argument(
        '--clock', action='store_true', help='publish /clock, for a node with use_sim_time'
    )
    play.add_argument(
        '--to', default='', help='topic that the node reads (image, image/compressed)'
    )
    play.add_argument('--with-images', action='store_true', help='keep the images in OUT too')
    play.add_argument(
        '--wait', type=_above_0, default=10.0, help='seconds to wait for the node (10)'
    )
    play.add_argument(
        '--storage', default=_STORAGES[0], choices=_STORAGES, help='kind of file (mcap)'
    )
    play.set_defaults(run=_run(_play))

    report = actions.add_parser('report', help='one HTML page about what the faces showed')
    report.add_argument('source', metavar='IN', type=Path, help='what process or play wrote')
    report.add_argument('-o', '--out', metavar='PAGE', type=Path, required=True, help='.html file')
    report.add_argument('--namespace', default='', help='in front of /emotion/faces')
    report.add_argument(
        '--pictures', metavar='BAG', nargs='?', type=Path, const=Path(),
        help='show the face small where its label changes; from BAG where IN holds no images',
    )  # fmt: skip
    report.add_argument('--topic', default='', help='of these images')
    report.set_defaults(run=_run(_report))

    record = actions.add_parser('record', help='make a recording from a camera or a video file')
    record.add_argument(
        'source', metavar='SOURCE', help='number of a camera, video, picture or portrait'
    )
    record.add_argument('-o', '--out', metavar='OUT', type=Path, required=True, help='new folder')
    record.add_argument('--format', default='raw', choices=('raw', 'jpeg'), help='of images (raw)')
    record.add_argument('--seconds', type=_above_0, help='how much; Ctrl-C ends it too')
    record.add_argument('--topic', default='', help='of the images (/camera/image_raw)')
    _add_kind(record)
    record.set_defaults(run=_run(_record))

    compare = actions.add_parser('compare', help='where two results differ: labels, ids, counts')
    compare.add_argument(
        'expected', metavar='EXPECTED', type=Path, help='result, or its summary.json'
    )
    compare.add_argument('found', metavar='FOUND', type=Path, help='result, or its summary.json')
    compare.add_argument('--namespace', default='', help='in front of /emotion/faces')
    compare.set_defaults(run=_run(_compare))


def _add_in_and_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'source', metavar='IN', type=Path, help='recording: a rosbag2 folder, or its .mcap or .db3'
    )
    parser.add_argument('-o', '--out', metavar='OUT', type=Path, required=True, help='new folder')
    parser.add_argument(
        '--topic', default='', help='of the images; needed where there are several'
    )
    parser.add_argument('--namespace', default='', help='in front of /emotion and /emotion/faces')


def _add_kind(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--storage', default=_STORAGES[0], choices=_STORAGES, help='kind of file (mcap)'
    )
    parser.add_argument('--compress', action='store_true', help='with zstd')


def _above_0(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'{text} is not a number above 0')
    return value


def _run(
    action: Callable[[argparse.Namespace], int], kept: bool = False
) -> Callable[[argparse.Namespace], int]:
    """Say what to install where a library is missing, and what is `kept` where it was stopped."""

    def run(args: argparse.Namespace) -> int:
        try:
            return action(args)
        except ModuleNotFoundError as error:
            library = (error.name or '').split('.')[0]
            if library in _LIBRARIES:
                raise BagError(
                    f'{library} is missing; recordings need what bootstrap/requirements-bags.txt names: '
                    "python3 -m pip install 'rosbags==0.11.9' tqdm jinja2"
                ) from None
            raise BagError(
                f'{library} is missing: source ROS 2 and the workspace first (in a clone: source env.sh)'
            ) from None
        except ImportError as error:
            raise BagError(str(error)) from None
        except KeyboardInterrupt:
            what = f'{args.out}.partial keeps what was found' if kept else 'nothing was written'
            advice = ' to go on' if kept else ''
            print(f'stopped; {what}, start the same command again{advice}', file=sys.stderr)
            return 130

    return run


def _until_stopped() -> threading.Event:
    """Return what Ctrl-C sets from now on."""
    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    return stopped


def _files(*paths: str | None) -> str:
    """Return what tells these files from others."""
    contents = [Path(path).read_bytes() if path else b'' for path in paths]
    return ' '.join(hashlib.sha256(content).hexdigest()[:16] for content in contents)


def _process(args: argparse.Namespace) -> int:
    from emotion_perception.bag.process import process_bag

    outcome = process_bag(
        args.source, args.out, args.make_pipeline(args, True), args.topic, args.namespace,
        args.only_new, args.storage, args.compress, _files(args.detector_model, args.model),
    )  # fmt: skip
    before = f'; {outcome.recalled} were read by the run before' * bool(outcome.recalled)
    print(
        f'{args.out}: {outcome.images} images of {visible(outcome.topic)}, {outcome.faces} faces '
        f'with {len(outcome.ids)} ids{before}'
    )
    for topic in outcome.left_out:
        print(f'left out, for its type is not known: {visible(topic)}', file=sys.stderr)
    for topic, count in outcome.missing.items():
        print(
            f'{args.source}: {count} messages of {visible(topic)} are announced and missing',
            file=sys.stderr,
        )
    if outcome.unusable:
        kinds = ', '.join(f'{count} {kind}' for kind, count in outcome.unusable.most_common())
        print(
            f'{outcome.unusable.total()} of {outcome.images} images could not be used: {kinds}; '
            f'the first: {outcome.first_fault}',
            file=sys.stderr,
        )
    return 1 if outcome.unusable or outcome.missing or outcome.left_out else 0


def _play(args: argparse.Namespace) -> int:
    from emotion_perception.bag.play import PlayOptions, play_bag

    options = PlayOptions(
        args.rate,
        args.clock,
        args.every_image,
        args.to,
        args.namespace,
        args.with_images,
        args.wait,
    )
    played = play_bag(args.source, args.out, args.topic, options, args.storage, _until_stopped())
    p50, p99 = played.latency_ms()
    answered = len(played.round_trips_s)
    print(
        f'{args.out}: {played.sent} images of {visible(played.topic)} sent, {answered} answered, '
        f'answer after p50 {p50:.1f} ms, p99 {p99:.1f} ms; {played.late} sent late'
    )
    if played.unusable or played.damaged:
        print(
            f'{played.unusable} images that no node can read, {played.damaged} messages that hold none',
            file=sys.stderr,
        )
    lost = played.sent - played.unusable - answered
    if lost:
        why = '' if args.every_image else 'the node was slower than the images came, or '
        print(
            f'{lost} images were not answered: {why}they were lost on the way '
            '(README: "Images get lost?")',
            file=sys.stderr,
        )
    # a node may pass over images, but not where it is waited for
    failed = played.unusable or played.damaged or not answered or (args.every_image and lost)
    return 1 if failed else 0


def _report(args: argparse.Namespace) -> int:
    from emotion_perception.bag.report import report_bag

    pictures_of = args.source if args.pictures == Path() else args.pictures
    report_bag(args.source, args.out, args.namespace, pictures_of, args.topic)
    print(args.out)
    return 0


def _record(args: argparse.Namespace) -> int:
    from emotion_perception.bag.record import record_bag

    made = record_bag(
        args.source, args.out, args.format, args.seconds, args.topic,
        args.storage, args.compress, _until_stopped(),
    )  # fmt: skip
    print(f'{args.out}: {made.images} images on {made.topic}, {made.span_s:.2f} s')
    return 0


def _compare(args: argparse.Namespace) -> int:
    from emotion_perception.bag.comparison import differences, read_summary, table

    expected = read_summary(args.expected, args.namespace)
    rows = differences(expected, read_summary(args.found, args.namespace))
    print(table(rows, (str(args.expected), str(args.found))) if rows else 'no difference')
    return 1 if rows else 0
