# SPDX-License-Identifier: Apache-2.0
"""A recipe that learns the drawn faces in seconds, and an interruption of its training."""

import csv
from contextlib import contextmanager

import pytest

from emotion_training.data.augmentation import Augmentation
from emotion_training.train.config import TrainingConfig
from emotion_training.train.validation import ValidationCallback

SMALL = TrainingConfig(
    name='drawn',
    network='expression_net',
    network_args={'stem': 8, 'widths': (16, 32), 'depths': (1, 1)},
    epochs=14,
    batch_size=20,
    min_steps=1,
    warmup_epochs=1,
    ema=0.8,
    learning_rate=5e-3,
    augmentation=Augmentation(5, 0.05, 1, 0.5, 0.1, 5, 0, 0),
)


class PowerCut(Exception):
    """Ends a training where a power cut would."""


@contextmanager
def power_cut(at_epoch):
    """End a training after the validation of an epoch, before anything of it is saved."""
    on_epoch_end = ValidationCallback.on_epoch_end

    def cut(self, epoch, logs=None):
        on_epoch_end(self, epoch, logs)
        if epoch == at_epoch:
            raise PowerCut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ValidationCallback, 'on_epoch_end', cut)
        with pytest.raises(PowerCut):
            yield


def epoch_rows(run):
    """Return the rows of a run's epoch log as text."""
    with (run / 'epochs.csv').open() as stream:
        return list(csv.DictReader(stream))
