# SPDX-License-Identifier: Apache-2.0
"""Measure speed, latency and cost; write results.json and tables.md."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import avx2_only, dds_transports, node_load, peers, stages
from benchmarks.clip_labels import measure_clip_labels
from benchmarks.detect_every import measure_detect_every
from benchmarks.head_pose import measure_head_pose
from benchmarks.live_page import measure_live_page
from benchmarks.networks import measure_models, network_sizes
from benchmarks.reach import load_faces, measure_reach
from benchmarks.reach_plot import draw_reach
from benchmarks.result_tables import tables_of
from benchmarks.runtimes import measure_runtimes
from emotion_perception.doctor.machine import describe_machine

PARTS = (
    'networks', 'models', 'reach', 'head_pose', 'peers', 'stages', 'runtimes', 'detect_every',
    'clip_labels', 'streams', 'slow_machine', 'start', 'states', 'live_page', 'overload',
    'transport', 'cameras',
)  # fmt: skip


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m benchmarks', description=__doc__)
    add = parser.add_argument
    add('--out', type=Path, help='output folder (benchmarks/out, with --avx2 benchmarks/out/avx2)')
    add('--yunet', type=Path, help='face_detection_yunet_2023mar.onnx, for YuNet and DeepFace')
    add('--media', type=Path, help='folder of clips for the parts detect_every and clip_labels')
    add(
        '--boxes', type=Path, action='append', default=[], metavar='FILE',
        help='labeled faces for the part reach: dlib (.xml) or WIDER FACE (.txt), beside their '
        'photographs; may be repeated',
    )  # fmt: skip
    add(
        '--empty', type=Path, action='append', default=[], metavar='FOLDER',
        help='images without faces for the part reach; may be repeated',
    )  # fmt: skip
    add(
        '--expressions', type=Path, metavar='FOLDER',
        help='face crops in a folder for each label, as `emotion-training build` writes, for the '
        'parts head_pose and runtimes',
    )  # fmt: skip
    add(
        '--model', type=Path, action='append', metavar='FILE',
        help='.tflite classifier for the part models (default: the packaged one); may be repeated',
    )  # fmt: skip
    add(
        '--avx2', action='store_true',
        help=f'measure as on a processor without {avx2_only.HIDDEN} (Linux on x86-64)',
    )  # fmt: skip
    add(
        '--part', action='append', choices=PARTS,
        help='measure only this part and keep the others of an earlier run; may be repeated',
    )  # fmt: skip
    add('--quick', action='store_true', help='a tenth of the time, to try the command')
    args = parser.parse_args()
    args.out = args.out or Path('benchmarks/out', 'avx2' if args.avx2 else '')
    if args.yunet and not args.yunet.is_file():
        parser.error(f'there is no file {args.yunet}')
    if args.media and not args.media.is_dir():
        parser.error(f'there is no folder {args.media}')
    try:
        args.faces = load_faces(args.boxes)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    for model in args.model or ():
        if not model.is_file():
            parser.error(f'there is no file {model}')
    if args.avx2 and not avx2_only.active():
        try:
            library = avx2_only.build(args.out)
        except RuntimeError as error:
            parser.error(str(error))
        avx2_only.restart(library)
    if missing := [str(folder) for folder in args.empty if not folder.is_dir()]:
        parser.error(f'there is no folder {missing[0]}')
    return args


def main() -> int:
    """Measure the parts, write the results after each, and print the tables."""
    args = _parse_arguments()
    scale = 0.1 if args.quick else 1.0
    run_s, started_s = max(8 * scale, 1.0), time.monotonic()
    rounds = 1 if args.quick else node_load.ROUNDS

    def report(text: str) -> None:
        print(f'[{time.monotonic() - started_s:5.0f} s] {text}', file=sys.stderr, flush=True)

    models = {'yunet': args.yunet} if args.yunet else {}
    measure: dict[str, Callable[[], Any]] = {
        'networks': network_sizes,
        'models': lambda: measure_models(args.model, max(round(60 * scale), 5), 5),
        'reach': lambda: measure_reach(
            args.faces[: 5 if args.quick else None], args.empty, args.yunet, report
        ),
        'head_pose': lambda: measure_head_pose(
            args.faces[: 5 if args.quick else None],
            args.media,
            args.expressions,
            round(600 * scale),
            report,
        ),
        'peers': lambda: peers.measure_peers(args.yunet, max(round(40 * scale), 2), 5, report),
        'stages': lambda: stages.measure_stages(models, max(round(60 * scale), 5), 3, report),
        'runtimes': lambda: measure_runtimes(
            max(round(200 * scale), 10), args.expressions, round(1500 * scale)
        ),
        'detect_every': lambda: measure_detect_every(
            args.media, 2 if args.quick else None, report
        ),
        'clip_labels': lambda: measure_clip_labels(args.media, 2 if args.quick else None, report),
        'streams': lambda: node_load.measure_streams(run_s, rounds),
        'slow_machine': lambda: node_load.measure_slow_machine(run_s),
        'start': lambda: node_load.measure_start(max(round(11 * scale), 1)),
        'states': lambda: node_load.measure_states(run_s / 2),
        'live_page': lambda: measure_live_page(run_s, rounds=rounds),
        'overload': lambda: node_load.measure_overload(60 * scale),
        'transport': lambda: dds_transports.measure_transports(run_s / 2),
        'cameras': lambda: node_load.measure_cameras(0.75 * run_s),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / 'results.json'
    results: dict[str, Any] = json.loads(path.read_text()) if args.part and path.exists() else {}
    results['machine'] = describe_machine()
    if avx2_only.active():
        results['machine']['hidden'] = avx2_only.HIDDEN
    for part in args.part or PARTS:
        report(f'measuring {part}')
        results[part] = measure[part]()
        path.write_text(json.dumps(results, indent=1) + '\n')
    if 'reach' in results:
        draw_reach(results['reach'], args.out / 'reach.png')
    text = '\n\n'.join(f'**{name}**\n\n{made}' for name, made in tables_of(results).items())
    (args.out / 'tables.md').write_text(text + '\n')
    print(text)
    report(f'the results are in {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
