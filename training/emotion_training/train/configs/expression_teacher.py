"""
A teacher for expression_net: as deep, 2.0 M parameters, from the labels and votes alone.

    emotion-training train expression_teacher DATASET --out runs/expression_teacher --engine torch
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
    precision='mixed_bfloat16',
)
