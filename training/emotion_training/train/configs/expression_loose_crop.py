# SPDX-License-Identifier: Apache-2.0
"""
Initial weights and a teacher of expression_full, trained with loose crops.

    emotion-training train expression_loose_crop DATASET --out runs/expression_loose_crop \
        --teacher runs/expression_distilled/best.keras --initial-weights
        runs/expression_distilled/best.keras
"""

import dataclasses

from emotion_training.train.configs import expression_distilled

config = dataclasses.replace(
    expression_distilled.config,
    name='expression_loose_crop',
    epochs=60,
    learning_rate=1.5e-3,
    head_weights={'crowd': 1.0, 'fer2013': 1.0},
    augmentation=dataclasses.replace(expression_distilled.config.augmentation, loose=0.25),
)
