# SPDX-License-Identifier: Apache-2.0
"""A small dataset of drawn faces, built once a session."""

import numpy as np
import pytest

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.build import build
from emotion_training.data.fer2013 import read_fer2013
from support.drawn_faces import draw_face, write_fer2013


@pytest.fixture(scope='session')
def drawn_csv(tmp_path_factory):
    """Return (fer2013.csv, fer2013new.csv) with 20 training and 6 validation faces a class."""
    rng = np.random.default_rng(7)
    rows = [
        (label, draw_face(label, rng), usage)
        for usage, count in (('Training', 20), ('PublicTest', 6))
        for label in EMOTIONS
        for _ in range(count)
    ]
    return write_fer2013(tmp_path_factory.mktemp('csv'), rows)


@pytest.fixture(scope='session')
def data(drawn_csv, tmp_path_factory):
    """Return the folder of a dataset built from them; tests must not change it."""
    folder = tmp_path_factory.mktemp('built') / 'data'
    build(read_fer2013(*drawn_csv), folder)
    return folder


@pytest.fixture(scope='session')
def small_run(data, tmp_path_factory):
    """Return the folder of a small training, interrupted in its third epoch and resumed."""
    from emotion_training.train.training import train
    from support.small_training import SMALL, power_cut

    folder = tmp_path_factory.mktemp('run')
    with power_cut(at_epoch=2):
        train(SMALL, data, folder)
    train(SMALL, data, folder)
    return folder
