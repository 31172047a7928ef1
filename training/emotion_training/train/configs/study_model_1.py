# SPDX-License-Identifier: Apache-2.0
"""
Model 1 of the founding study: three convolutions, sigmoid, SGD; a baseline that learns slowly.

    emotion-training train study_model_1 DATASET --out runs/study_model_1

The study names batch size, number of layers, pooling, activation and optimizer; widths (32 64
128, dense 128), learning rate and epochs are not in its table and chosen here. Its second dense
layer is the output.
"""

from emotion_training.data.augmentation import IMAGE_DATA_GENERATOR
from emotion_training.train.config import TrainingConfig

config = TrainingConfig(
    name='study_model_1',
    network='study_model',
    network_args={
        'filters': (32, 64, 128),
        'dense': (128,),
        'activation': 'sigmoid',
        'normalize': False,
    },
    epochs=48,
    batch_size=128,
    optimizer='sgd',
    learning_rate=0.01,
    warmup_epochs=None,
    ema=0.0,
    label_smoothing=0.0,
    best_by='accuracy',
    augmentation=IMAGE_DATA_GENERATOR,
)
