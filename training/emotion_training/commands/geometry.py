# SPDX-License-Identifier: Apache-2.0
"""
The subcommand `geometry`: measure where eyes and mouth are.

The robot's crops are made to match: `alignment.FER2013_LANDMARKS`.
"""

import argparse
from pathlib import Path

_MIN_DETECTION_SCORE, _MARGIN_PX = 0.7, 4


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the parser of `emotion-training`."""
    parser = commands.add_parser('geometry', help='measure where eyes and mouth are in the images')
    parser.add_argument('dataset', type=Path, help='folder made by build')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print median and spread of each landmark."""
    import cv2
    import numpy as np
    from tqdm import tqdm

    from emotion_perception.detection.blazeface import BlazeFaceDetector
    from emotion_perception.types import Detection
    from emotion_training.data.dataset import load

    images = load(args.dataset, 'train').images
    detector = BlazeFaceDetector(min_detection_score=_MIN_DETECTION_SCORE)
    side = images.shape[1] - 2 * _MARGIN_PX
    whole = Detection((_MARGIN_PX, _MARGIN_PX, side, side), 1.0)
    landmarks = []
    for image in tqdm(images, unit='image', desc='landmarks'):
        face = detector.detect_in_region(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), whole)
        if face and face.landmarks is not None and face.score >= _MIN_DETECTION_SCORE:
            landmarks.append(face.landmarks)
    low, median, high = np.percentile(landmarks, (16, 50, 84), axis=0)
    rows = zip(('left eye', 'right eye', 'mouth'), median, (high - low) / 2, strict=True)
    for name, (x, y), (dx, dy) in rows:
        print(f'{name:<10}x {x:5.2f} +- {dx:4.2f}   y {y:5.2f} +- {dy:4.2f}')
    print(
        'median and half the distance from the 16th to the 84th percentile, in pixels; '
        f'a face was found in {len(landmarks)} of {len(images)} images'
    )
