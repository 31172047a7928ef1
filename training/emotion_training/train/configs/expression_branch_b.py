# SPDX-License-Identifier: Apache-2.0
"""
A short training that branches off expression_robust, with fewer and weaker corruptions.

    emotion-training train expression_branch_b DATASET --out runs/expression_branch_b \
        --teacher training/teacher/expression_full.tflite \
        --initial-weights runs/expression_robust/best.keras

Its weights are averaged with those of expression_robust and expression_branch_a. It mixes images
less and listens to the labels more than they do.
"""

import dataclasses

from emotion_training.train.configs import expression_robust

config = dataclasses.replace(
    expression_robust.config,
    name='expression_branch_b',
    epochs=10,
    learning_rate=7e-4,
    mixup=0.2,
    distillation=0.7,
    distillation_cycle=4,
    augmentation=dataclasses.replace(
        expression_robust.config.augmentation, corrupt=0.2, severity=1.5
    ),
    seed=12,
)
