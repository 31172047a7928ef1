# SPDX-License-Identifier: Apache-2.0
"""
A small network with the label head only, for `emotion-training experiment filtering`.

    emotion-training train small_net DATASET --out runs/small_net

0.3 M parameters, half a minute an epoch on one x86-64 core.
"""

from emotion_training.train.config import TrainingConfig

config = TrainingConfig(
    name='small_net',
    network='expression_net',
    network_args={'stem': 8, 'widths': (16, 32, 64, 128), 'heads': ('fer2013',)},
    epochs=6,
    warmup_epochs=1,
    ema=0.99,
    label_smoothing=0.0,
    head_weights={'fer2013': 1.0, 'crowd': 1.0},
)
