# SPDX-License-Identifier: Apache-2.0
"""
A second teacher for expression_full: 4.9 M parameters, too large for the node.

    emotion-training train expression_large DATASET --out runs/expression_large \
        --teacher runs/expression_loose_crop/best.keras
"""

import dataclasses

from emotion_training.train.configs import expression_loose_crop

config = dataclasses.replace(
    expression_loose_crop.config,
    name='expression_large',
    network_args={'stem': 32, 'widths': (96, 192, 320, 400), 'dropout': 0.4},
    epochs=56,
    learning_rate=2e-3,
    distillation=0.5,
    seed=2,
)
