"""
The model that the package ships: expression_net, 2.7 M parameters, the third of three trainings.

    emotion-training train expression_teacher DATASET --out runs/expression_teacher --engine torch
    emotion-training train expression_taught DATASET --out runs/expression_taught --engine torch \
        --teacher runs/expression_teacher/best.keras
    emotion-training train expression_net DATASET --out runs/expression_net --engine torch \
        --teacher runs/expression_taught/best.keras --initial-weights runs/expression_taught/best.keras

What it reached, and what training and running it cost, stands in docs/MODEL_CARD.md.
"""

import dataclasses

from emotion_training.configs import expression_taught

config = dataclasses.replace(
    expression_taught.config,
    name='expression_net',
    epochs=60,
    learning_rate=1.5e-3,
    head_weights={'crowd': 1.0, 'fer2013': 1.0},
    augmentation=dataclasses.replace(expression_taught.config.augmentation, loose=0.25),
)
