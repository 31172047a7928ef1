# SPDX-License-Identifier: Apache-2.0
"""
The packaged model: 0.7 M parameters and 30 M multiplications a face, in one pass.

    emotion-training train expression_net DATASET --out runs/expression_net \
        --teacher training/teacher/expression_full.tflite \
        --initial-weights compact/longer/expression_longer.tflite

A fourth training, from the exported expression_longer, for faces unlike those of the dataset:
weaker expressions, which the teacher saw at full strength, and more kinds of light.
"""

import dataclasses

from emotion_training.train.configs import expression_longer

config = dataclasses.replace(
    expression_longer.config,
    name='expression_net',
    epochs=14,
    learning_rate=6e-4,
    distillation=0.75,
    distillation_cycle=3,
    feature_distillation=3.0,
    augmentation=dataclasses.replace(
        expression_longer.config.augmentation, weak=0.25, contrast=0.5, brightness=35.0
    ),
    seed=8,
)
