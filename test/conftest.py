# SPDX-License-Identifier: Apache-2.0
"""Fixtures of several folders: the packaged networks, a portrait, and the shared data."""

import os
import signal
from pathlib import Path

import cv2
import pytest

from emotion_perception.classification import EmotionClassifier
from emotion_perception.detection import make_detector
from emotion_perception.imaging.sources import portrait_path

ROOT = Path(__file__).resolve().parents[1]
# processes that the tests start import the same code as the tests, also from test/support
os.environ['PYTHONPATH'] = os.pathsep.join(
    [
        *(str(ROOT / name) for name in ('', 'test', 'training')),
        os.environ.get('PYTHONPATH', ''),
    ]
)


# a shell ignores SIGINT in what it runs in the background, and child processes would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope='session')
def shared():
    """Return the folder of images and clips that may not be part of this repository."""
    beside = Path(__file__).resolve().parents[2] / 'shared'
    folder = Path(os.environ.get('EMOTION_SHARED', beside)) / 'data'
    if not folder.is_dir():
        pytest.skip(f'there is no {folder}; EMOTION_SHARED can name another place for shared')
    return folder


@pytest.fixture(scope='session')
def portrait():
    """Return the NASA portrait, BGR uint8 [512, 512, 3], read-only as images of messages are."""
    image = cv2.imread(str(portrait_path()))
    image.flags.writeable = False
    return image


@pytest.fixture(scope='session')
def detector():
    """Return the default detector with its default settings; not to be changed."""
    return make_detector()


@pytest.fixture(scope='session')
def classifier():
    """Return the packaged classifier; not to be changed."""
    return EmotionClassifier.load()
