# SPDX-License-Identifier: Apache-2.0
"""
The first teacher: 2.0 M parameters, trained on labels and votes only.

    emotion-training train expression_teacher DATASET --out runs/expression_teacher
"""

from emotion_training.train.config import TrainingConfig

config = TrainingConfig(
    name='expression_teacher',
    network='expression_net',
    network_args={'stem': 24, 'widths': (64, 128, 192, 256)},
    epochs=56,
    weight_decay=0.05,
    ema=0.999,
    mixup=0.3,
    label_smoothing=0.05,
)
