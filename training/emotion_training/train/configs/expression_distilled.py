# SPDX-License-Identifier: Apache-2.0
"""
The first network of expression_full's size, distilled from expression_teacher.

    emotion-training train expression_distilled DATASET --out runs/expression_distilled \
        --teacher runs/expression_teacher/best.keras
"""

from emotion_training.data.augmentation import RANDOM_CORRUPTIONS, Augmentation
from emotion_training.train.config import TrainingConfig

config = TrainingConfig(
    name='expression_distilled',
    network='expression_net',
    network_args={'stem': 24, 'widths': (64, 128, 224, 320), 'dropout': 0.3},
    epochs=76,
    weight_decay=0.05,
    ema=0.999,
    mixup=0.3,
    distillation=0.6,
    label_smoothing=0.0,
    augmentation=Augmentation(corrupt=0.3, corruptions=tuple(RANDOM_CORRUPTIONS)),
)
