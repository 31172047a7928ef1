# SPDX-License-Identifier: Apache-2.0
"""
Initial weights of the packaged model, of the same network.

    emotion-training train expression_longer DATASET --out runs/expression_longer \
        --teacher training/teacher/expression_full.tflite \
        --initial-weights compact/refined/expression_refined.tflite

A third training, from the exported expression_refined. A network of this size learns too little
rather than too much: less dropout and weight decay, more weight on its teacher's features, and
more augmented images before they repeat.
"""

import dataclasses

from emotion_training.train.configs import expression_refined

config = dataclasses.replace(
    expression_refined.config,
    name='expression_longer',
    network_args=expression_refined.config.network_args | {'dropout': 0.05},
    epochs=50,
    learning_rate=1e-3,
    weight_decay=0.02,
    distillation=0.8,
    distillation_cycle=10,
    feature_distillation=4.0,
    seed=7,
)
