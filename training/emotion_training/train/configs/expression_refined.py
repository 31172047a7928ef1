# SPDX-License-Identifier: Apache-2.0
"""
A second, gentler training of expression_compact.

    emotion-training train expression_refined DATASET --out runs/expression_refined \
        --teacher training/teacher/expression_full.tflite \
        --initial-weights runs/expression_compact/best.keras

With other augmented images and more weight on FER2013's own label, in which expression_compact is
further behind its teacher.
"""

import dataclasses

from emotion_training.train.configs import expression_compact

config = dataclasses.replace(
    expression_compact.config,
    name='expression_refined',
    epochs=36,
    learning_rate=8e-4,
    distillation=0.7,
    distillation_cycle=6,
    head_weights={'crowd': 1.0, 'fer2013': 1.5},
    seed=6,
)
