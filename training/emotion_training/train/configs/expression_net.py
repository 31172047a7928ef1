# SPDX-License-Identifier: Apache-2.0
"""
The packaged model: 0.7 M parameters and 30 M multiplications a face, in one pass.

    emotion-training train expression_net DATASET --out runs/expression_net \
        --teacher training/teacher/expression_full.tflite \
        --initial-weights compact/longer/expression_longer.tflite

A fourth training, from the exported expression_longer, for poor images. The teacher sees each face
before it is corrupted, covered or weakened, and the student, which sees it afterwards, learns what
can still be said of it. Corruptions are up to twice as strong as before. The votes and the
predictions of the crowd head are sharpened to probabilities of the majority's answer: a
temperature fitted on clear images after training would make the answers for poor ones too sure.
"""

import dataclasses

from emotion_training.train.configs import expression_longer

config = dataclasses.replace(
    expression_longer.config,
    name='expression_net',
    epochs=36,
    warmup_epochs=1,
    learning_rate=1e-3,
    distillation=0.8,
    distillation_cycle=9,
    clean_teacher=True,
    target_temperature={'crowd': 0.42, 'fer2013': 0.8},
    augmentation=dataclasses.replace(
        expression_longer.config.augmentation,
        corrupt=0.35,
        severity=2.0,
        erase=0.3,
        weak=0.15,
        contrast=0.4,
    ),
    seed=8,
)
