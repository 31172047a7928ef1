# SPDX-License-Identifier: Apache-2.0
"""
The packaged model: 2.7 M parameters, the last of five trainings.

    emotion-training train expression_net DATASET --out runs/expression_net \
        --teacher runs/expression_large/best.keras \
        --teacher runs/expression_loose_crop/best.keras \
        --initial-weights runs/expression_loose_crop/best.keras

docs/model_card.md has the four commands before it, its scores and its cost.
"""

import dataclasses

from emotion_training.train.configs import expression_loose_crop

config = dataclasses.replace(
    expression_loose_crop.config,
    name='expression_net',
    epochs=34,
    learning_rate=1e-3,
    seed=3,
)
