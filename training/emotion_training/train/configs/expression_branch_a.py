# SPDX-License-Identifier: Apache-2.0
"""
A short training that branches off expression_robust, with other random numbers.

    emotion-training train expression_branch_a DATASET --out runs/expression_branch_a \
        --teacher training/teacher/expression_full.tflite \
        --initial-weights runs/expression_robust/best.keras

Its weights are averaged with those of expression_robust and expression_branch_b.
"""

import dataclasses

from emotion_training.train.configs import expression_robust

config = dataclasses.replace(
    expression_robust.config,
    name='expression_branch_a',
    epochs=12,
    learning_rate=7e-4,
    distillation_cycle=6,
    seed=11,
)
