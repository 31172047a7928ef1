# SPDX-License-Identifier: Apache-2.0
"""The subcommand `robustness`: score a model on corrupted faces and on detected crops."""

import argparse
from pathlib import Path

from emotion_perception.detection import DETECTORS

PARTS = ('corruptions', 'scenes')


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
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    from emotion_training.data.dataset import load
    from emotion_training.evaluate import corruption_scores, scene_scores
    from emotion_training.files import write_json

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
        write_json(args.out / 'robustness.json', results)
        print(args.out / 'robustness.json')
        if 'corruptions' in results:
            corruption_scores.draw(results['corruptions'], args.out / 'robustness.png')
            print(args.out / 'robustness.png')
