# SPDX-License-Identifier: Apache-2.0
"""The subcommand `bag` of `emotion-perception`; imports its libraries only when it runs."""

import argparse
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emotion_perception.arguments import positive_number, whole_number
from emotion_perception.bag import process_command
from emotion_perception.bag.printing import say, warn, warn_of_remark
from emotion_perception.errors import BagError
from emotion_perception.files import check_outputs

_ARCHIVE_LIBRARIES = ('dask', 'distributed', 'pyarrow')
_LIBRARIES = ('apsw', 'backports', 'jinja2', 'lz4', 'rosbags', 'ruamel', 'tqdm')
_STORAGES = ('mcap', 'sqlite3')


def add_parser(
    commands: argparse._SubParsersAction,
    pipeline_options: argparse.ArgumentParser,
    make_pipeline: Callable[[argparse.Namespace, bool], Any],
    pipeline_arguments: Callable[[argparse.Namespace, bool], dict[str, Any]],
) -> None:
    """
    Add the subcommand to the parser of `emotion-perception`.

    The functions make the pipeline, or its arguments, with or without tracking.
    """
    bag = commands.add_parser(
        'bag',
        help='recordings (rosbag2): process, play, report, record',
        description='Read and write rosbag2 recordings. Open recordings from strangers with care: '
        'a small file can unpack to more than the memory or disk holds.',
    )
    actions = bag.add_subparsers(dest='action', required=True)

    process = actions.add_parser(
        'process',
        parents=[pipeline_options],
        help='add the emotions to recordings; the same on every run',
    )
    _add_in_and_out(process, several=True)
    _add_storage(process, compress=True)
    text = "do not copy the recording's own messages"
    process.add_argument('--only-new', action='store_true', help=text)
    text = 'write a parquet file of all people and their expressions too; needs pyarrow'
    process.add_argument('--table', metavar='FILE', type=Path, help=text)
    where = process.add_mutually_exclusive_group()
    text = 'recordings that are processed at once (one for each core)'
    cores = len(os.sched_getaffinity(0))
    where.add_argument('--processes', type=whole_number, default=cores, help=text)
    text = 'process on the workers of a Dask cluster, such as tcp://host:8786'
    where.add_argument('--scheduler', metavar='ADDRESS', help=text)
    process.set_defaults(
        run=_command(process_command.run),
        make_pipeline=make_pipeline,
        pipeline_arguments=pipeline_arguments,
    )

    play = actions.add_parser('play', help='send the images to a live node, record its emotions')
    _add_in_and_out(play)
    play.add_argument(
        '--rate', type=positive_number, default=1.0, help='times faster than recorded (1)'
    )
    play.add_argument(
        '--every-image',
        action='store_true',
        help='wait for the result of each image before the next is sent, so that none is dropped',
    )
    text = 'publish /clock, for a node with use_sim_time'
    play.add_argument('--clock', action='store_true', help=text)
    text = 'topic of the published images (image, image/compressed)'
    play.add_argument('--to', default='', help=text)
    play.add_argument('--with-images', action='store_true', help='record the images in OUT too')
    text = 'seconds to wait for the node (10)'
    play.add_argument('--wait', type=positive_number, default=10.0, help=text)
    _add_storage(play, compress=False)
    play.set_defaults(run=_command(_play))

    report = actions.add_parser('report', help='one HTML page about the emotions in a recording')
    report.add_argument('source', metavar='IN', type=Path, help='recording by process or play')
    report.add_argument('-o', '--out', metavar='PAGE', type=Path, required=True, help='.html file')
    report.add_argument('--namespace', default='', help='of the topic /emotion/faces')
    report.add_argument(
        '--pictures',
        metavar='BAG',
        nargs='?',
        type=Path,
        const=Path(),
        help='show the face where its label changes; from BAG where IN holds no images',
    )
    report.add_argument('--topic', default='', help='of these images')
    report.set_defaults(run=_command(_report))

    record = actions.add_parser('record', help='make a recording from a camera or a video file')
    record.add_argument(
        'source',
        metavar='SOURCE',
        help='number of a camera, video or image file, folder of frames, address, or portrait',
    )
    record.add_argument('-o', '--out', metavar='OUT', type=Path, required=True, help='new folder')
    record.add_argument('--format', default='raw', choices=('raw', 'jpeg'), help='of images (raw)')
    record.add_argument(
        '--seconds', type=positive_number, help='maximum duration; Ctrl-C ends it too'
    )
    record.add_argument('--topic', default='', help='of the images (/camera/image_raw)')
    _add_storage(record, compress=True)
    record.set_defaults(run=_command(_record))

    compare = actions.add_parser('compare', help='differences of two results: labels, ids, counts')
    for name in ('expected', 'found'):
        compare.add_argument(
            name, metavar=name.upper(), type=Path, help='result, or its summary.json'
        )
    compare.add_argument('--namespace', default='', help='of the topic /emotion/faces')
    compare.set_defaults(run=_command(_compare))


def _add_in_and_out(parser: argparse.ArgumentParser, several: bool = False) -> None:
    text = 'recording: a rosbag2 folder, or its .mcap or .db3'
    out = 'new folder'
    if several:
        parser.add_argument(
            'sources',
            metavar='IN',
            type=Path,
            nargs='+',
            help=f'{text}; or a folder of recordings',
        )
        out += '; with several recordings the folder of their results, which may exist'
    else:
        parser.add_argument('source', metavar='IN', type=Path, help=text)
    parser.add_argument('-o', '--out', metavar='OUT', type=Path, required=True, help=out)
    parser.add_argument(
        '--topic', default='', help='of the images; needed where there are several'
    )
    parser.add_argument('--namespace', default='', help='of the topics /emotion, /emotion/faces')


def _add_storage(parser: argparse.ArgumentParser, compress: bool) -> None:
    parser.add_argument(
        '--storage', default=_STORAGES[0], choices=_STORAGES, help='storage format (mcap)'
    )
    if compress:
        parser.add_argument('--compress', action='store_true', help='with zstd')


def _command(
    action: Callable[[argparse.Namespace], int],
) -> Callable[[argparse.Namespace], int]:
    """Return `action` with one line of advice where a library is missing, or after Ctrl-C."""

    @functools.wraps(action)
    def run(args: argparse.Namespace) -> int:
        try:
            if 'out' in args and not args.out.exists():  # else it is refused later
                check_outputs([args.out], map(Path, _inputs(args)))
            return action(args)
        except ModuleNotFoundError as error:
            library = (error.name or '').split('.')[0]
            if library in _ARCHIVE_LIBRARIES:
                raise BagError(
                    f'{library} is missing; install what bootstrap/requirements-archives.txt '
                    'lists: python3 -m pip install distributed pyarrow'
                ) from None
            if library not in _LIBRARIES:
                raise
            raise BagError(
                f'{library} is missing; install what bootstrap/requirements-bags.txt lists: '
                "python3 -m pip install 'rosbags==0.11.9' tqdm jinja2"
            ) from None
        except KeyboardInterrupt:
            print('stopped; nothing was written, start the same command again', file=sys.stderr)
            return 130

    return run


def _inputs(args: argparse.Namespace) -> list[Path]:
    return args.sources if 'sources' in args else [args.source]


def _event_of_ctrl_c() -> threading.Event:
    """Return an event that Ctrl-C sets from now on."""
    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    return stopped


def _play(args: argparse.Namespace) -> int:
    from emotion_perception.bag.message_types import printable
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
    result = play_bag(args.source, args.out, args.topic, options, args.storage, _event_of_ctrl_c())
    warn_of_remark(args.source, result.remark)
    p50, p99 = result.latency_ms()
    received = len(result.round_trips_s)
    say(
        f'{args.out}: {result.sent} images of {printable(result.topic)} sent, {received} results, '
        f'round trip p50 {p50:.1f} ms, p99 {p99:.1f} ms; {result.late} sent late'
    )
    if result.failed or result.damaged:
        warn(
            f'{result.failed} images that no node can decode, '
            f'{result.damaged} messages that hold no image'
        )
    lost = result.sent - result.failed - received
    if lost:
        reason = '' if args.every_image else 'the node dropped them because it was busy, or '
        warn(
            f'{lost} images have no result: {reason}they were lost on the way '
            '(docs/install.md, "Start the camera with the same profile")'
        )
    # a node may drop frames, but not with --every-image
    failed = result.failed or result.damaged or not received or (args.every_image and lost)
    return 1 if failed else 0


def _report(args: argparse.Namespace) -> int:
    from emotion_perception.bag.report import report_bag

    images_of = args.source if args.pictures == Path() else args.pictures
    report_bag(args.source, args.out, args.namespace, images_of, args.topic)
    say(str(args.out))
    return 0


def _record(args: argparse.Namespace) -> int:
    from emotion_perception.bag.record import record_bag

    result = record_bag(
        args.source,
        args.out,
        args.format,
        args.seconds,
        args.topic,
        args.storage,
        args.compress,
        _event_of_ctrl_c(),
    )
    for problem in result.problems:
        say(problem)
    say(f'{args.out}: {result.images} images on {result.topic}, {result.duration_s:.2f} s')
    return 1 if result.problems else 0


def _compare(args: argparse.Namespace) -> int:
    from emotion_perception.bag.comparison import differences, read_summary, table

    expected = read_summary(args.expected, args.namespace)
    rows = differences(expected, read_summary(args.found, args.namespace))
    print(table(rows, (str(args.expected), str(args.found))) if rows else 'no difference')
    return 1 if rows else 0
