# SPDX-License-Identifier: Apache-2.0
"""Drawn faces for tests, and datasets made of them."""

import csv

import cv2
import numpy as np

from emotion_perception.emotions import FER2013_CODES
from emotion_training.data.fer2013 import VOTE_COLUMNS

# curve of the mouth, opening of the mouth, tilt of the brows
_FEATURES = {
    'anger': (-3, 0, 4),
    'disgust': (-2, 2, 2),
    'fear': (-1, 4, -3),
    'happiness': (5, 2, 0),
    'neutral': (0, 0, 0),
    'sadness': (-5, 0, -4),
    'surprise': (0, 8, -1),
}


def draw_laboratory_face(label, person, rng):
    """Return a drawn face of a person by number; pose, light and background are always equal."""
    look = np.random.default_rng(person)
    image = np.full((48, 48), 90, np.uint8)
    cv2.ellipse(image, (24, 25), (int(look.integers(16, 19)), 22), 0, 0, 360, 195, -1)
    cv2.ellipse(image, (24, 2), (16, int(look.integers(4, 10))), 0, 0, 180, 40, -1)  # hair
    cv2.ellipse(image, (24, 29), (2, int(look.integers(2, 5))), 0, 0, 180, 120, 1)  # nose
    _draw_features(image, label, 0, int(look.integers(-1, 2)), int(look.integers(8, 11)))
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)


def draw_face(label, rng):
    """Return a drawn face that shows `label`, uint8 [48, 48]."""
    image = np.full((48, 48), int(rng.integers(70, 110)), np.uint8)
    dx, dy = (int(v) for v in rng.integers(-2, 3, 2))
    cv2.ellipse(image, (24 + dx, 25 + dy), (18, 22), 0, 0, 360, int(rng.integers(170, 220)), -1)
    _draw_features(image, label, dx, dy, 9)
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def _draw_features(image, label, dx, dy, eyes):
    curve, opening, tilt = _FEATURES[label]
    for side in (-1, 1):
        x = 24 + dx + eyes * side
        cv2.circle(image, (x, 19 + dy), 2, 20, -1)
        cv2.line(
            image, (x - 4, 13 + dy - side * tilt // 2), (x + 4, 13 + dy + side * tilt // 2), 30, 2
        )
    mouth = np.array([(24 + dx + x, 37 + dy - curve * x * x // 64 + curve) for x in range(-8, 9)])
    cv2.polylines(image, [mouth.astype(np.int32)], False, 30, 2)
    if opening:
        cv2.ellipse(image, (24 + dx, 37 + dy), (5, opening), 0, 0, 360, 10, -1)


def write_fer2013(folder, rows):
    """Write fer2013.csv and fer2013new.csv from (label, image, usage) rows; return both paths."""
    pixels, votes = folder / 'fer2013.csv', folder / 'fer2013new.csv'
    with pixels.open('w', newline='') as a, votes.open('w', newline='') as b:
        table, counts = csv.writer(a), csv.writer(b)
        table.writerow(('emotion', 'pixels', 'Usage'))
        counts.writerow(('Usage', 'Image name', *VOTE_COLUMNS))
        for label, image, usage in rows:
            table.writerow((FER2013_CODES.index(label), ' '.join(map(str, image.ravel())), usage))
            counts.writerow(
                (usage, 'fer.png', *(8 if name == label else 0 for name in VOTE_COLUMNS[:-1]), 2)
            )
    return pixels, votes


def read_rows(path):
    """Return the rows of a csv file as dicts."""
    with path.open(newline='') as stream:
        return list(csv.DictReader(stream))
