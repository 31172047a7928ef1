# SPDX-License-Identifier: Apache-2.0
"""The subcommand `robustness`: score a model on corrupted faces and on detected crops."""

import argparse
from pathlib import Path

from emotion_perception.detection import DETECTORS
from emotion_perception.files import check_outputs

PARTS = ('corruptions', 'scenes')
_RESULTS, _PLOT = 'robustness.json', 'robustness.png'


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser(
        'robustness', help='score a model on corrupted faces, and on faces detected in scenes'
    )
    parser.add_argument('model', metavar='MODEL', type=Path, help='.tflite, .keras or .h5')
    parser.add_argument('dataset', metavar='DATASET', type=Path, help='folder made by build')
    parser.add_argument('--split', default='validation', help='validation (default) or test')
    parser.add_argument(
        '--only',
        choices=PARTS,
        help='measure one of the two; corruptions take a minute, scenes five',
    )
    parser.add_argument(
        '--detector', choices=DETECTORS, default=DETECTORS[0], help='face detector for the scenes'
    )
    parser.add_argument(
        '--detector-model', default='', help="the detector's model file, for yunet"
    )
    parser.add_argument('--out', type=Path, help='folder for robustness.json and robustness.png')
    parser.add_argument(
        '--force', action='store_true', help='replace existing files; an input is never replaced'
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    from emotion_training.data.dataset import load
    from emotion_training.evaluate import corruption_scores, scene_scores
    from emotion_training.files import write_json

    outputs = [args.out / name for name in (_RESULTS, _PLOT)] if args.out else []
    check_outputs(outputs, (args.model, args.dataset), args.force)
    split = load(args.dataset, args.split)
    results = {}
    if args.only != 'scenes':
        results['corruptions'] = corruption_scores.measure(args.model, split)
        print(corruption_scores.table(results['corruptions']))
    if args.only != 'corruptions':
        results['scenes'] = scene_scores.measure(
            args.model, split, args.detector, args.detector_model
        )
        print(scene_scores.table(results['scenes']))
    if args.out:
        write_json(args.out / _RESULTS, results)
        print(args.out / _RESULTS)
        if 'corruptions' in results:
            corruption_scores.draw(results['corruptions'], args.out / _PLOT)
            print(args.out / _PLOT)
