"""
The model that the package ships: expression_net, 2.7 M parameters, taught by expression_teacher.

    emotion-training train expression_teacher DATASET --out runs/expression_teacher --engine torch
    emotion-training train expression_net DATASET --out runs/expression_net --engine torch \
        --teacher runs/expression_teacher/best.keras

What it reached, and what training and running it cost, stands in docs/MODEL_CARD.md.
"""

from emotion_training.augmentation import FAULTS, Augmentation
from emotion_training.config import TrainingConfig

config = TrainingConfig(
    name='expression_net',
    network='expression_net',
    network_args={'stem': 24, 'widths': (64, 128, 224, 320), 'dropout': 0.3},
    epochs=76,
    weight_decay=0.05,
    ema=0.999,
    mixup=0.3,
    teaching=0.6,
    label_smoothing=0.0,
    augmentation=Augmentation(degrade=0.3, faults=tuple(FAULTS)),
    precision='mixed_bfloat16',
)
