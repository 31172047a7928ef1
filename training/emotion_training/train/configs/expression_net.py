# SPDX-License-Identifier: Apache-2.0
"""
The packaged model: 0.7 M parameters and 30 M multiplications a face, in one pass.

    emotion-training train expression_net DATASET --out runs/expression_net \
        --teacher training/teacher/expression_full.tflite \
        --initial-weights runs/expression_compact/best.keras

A second, gentler training after that of expression_compact, on other augmented images.
"""

import dataclasses

from emotion_training.train.configs import expression_compact

config = dataclasses.replace(
    expression_compact.config,
    name='expression_net',
    epochs=30,
    learning_rate=8e-4,
    distillation_cycle=6,
    seed=6,
)
