# SPDX-License-Identifier: Apache-2.0
"""
Initial weights of the packaged model: expression_full with a seventh of its multiplications.

    emotion-training train expression_compact DATASET --out runs/expression_compact \
        --teacher training/teacher/expression_full.tflite \
        --initial-weights training/teacher/expression_full.tflite

0.7 M parameters and 30 M multiplications a face, in one pass. A 1x1 convolution before each 3x3
convolution keeps only the directions of its inputs that matter most to its outputs; the training
then recovers what they lost, with the teacher's features as a further target.
"""

import dataclasses

from emotion_training.train.configs import expression_loose_crop

config = dataclasses.replace(
    expression_loose_crop.config,
    name='expression_compact',
    network_args={
        'stem': 24,
        'widths': (64, 128, 224, 320),
        'ranks': ((8, 12), (16, 24), (40, 40), (60, 52)),
        'dropout': 0.15,
    },
    epochs=34,
    warmup_epochs=1,
    learning_rate=1.5e-3,
    weight_decay=0.03,
    distillation=0.85,
    distillation_cycle=5,
    feature_distillation=2.0,
    seed=5,
)
