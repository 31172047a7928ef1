# SPDX-License-Identifier: Apache-2.0
"""
The teacher and origin of the packaged model: 2.7 M parameters, the last of five trainings.

    emotion-training train expression_full DATASET --out runs/expression_full \
        --teacher runs/expression_large/best.keras \
        --teacher runs/expression_loose_crop/best.keras \
        --initial-weights runs/expression_loose_crop/best.keras

Its exported files are in training/teacher; docs/training.md has the four commands before it.
"""

import dataclasses

from emotion_training.train.configs import expression_loose_crop

config = dataclasses.replace(
    expression_loose_crop.config,
    name='expression_full',
    epochs=34,
    learning_rate=1e-3,
    seed=3,
)
