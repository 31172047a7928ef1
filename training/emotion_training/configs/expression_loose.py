"""
What expression_net begins with: expression_taught, trained further and shown faces in loose crops.

    emotion-training train expression_loose DATASET --out runs/expression_loose --engine torch \
        --teacher runs/expression_taught/best.keras --initial-weights runs/expression_taught/best.keras
"""

import dataclasses

from emotion_training.configs import expression_taught

config = dataclasses.replace(
    expression_taught.config,
    name='expression_loose',
    epochs=60,
    learning_rate=1.5e-3,
    head_weights={'crowd': 1.0, 'fer2013': 1.0},
    augmentation=dataclasses.replace(expression_taught.config.augmentation, loose=0.25),
)
