# SPDX-License-Identifier: Apache-2.0
"""
The network of expression_net with a seventh of its multiplications, distilled from it.

    emotion-training train expression_compact DATASET --out runs/expression_compact \
        --teacher runs/expression_net/expression_net.tflite

1.4 M parameters and 29 M multiplications a face, in one pass.
"""

import dataclasses

from emotion_training.train.configs import expression_loose_crop

config = dataclasses.replace(
    expression_loose_crop.config,
    name='expression_compact',
    network_args={'stem': 16, 'widths': (24, 56, 128, 288), 'dropout': 0.15},
    epochs=36,
    learning_rate=3e-3,
    weight_decay=0.03,
    distillation=0.85,
    distillation_cycle=6,
    seed=5,
)
