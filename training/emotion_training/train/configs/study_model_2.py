# SPDX-License-Identifier: Apache-2.0
"""
Model 2 of the founding study: five convolutions, max pooling, batch normalization, Adam 1e-3.

    emotion-training train study_model_2 DATASET --out runs/study_model_2
"""

from emotion_training.data.augmentation import IMAGE_DATA_GENERATOR
from emotion_training.train.config import Plateau, TrainingConfig

config = TrainingConfig(
    name='study_model_2',
    network='study_model',
    network_args={'filters': (64, 128, 256, 512, 512), 'dense': (1024, 512, 256)},
    epochs=48,
    batch_size=256,
    optimizer='adam',
    learning_rate=1e-3,
    warmup_epochs=None,
    ema=0.0,
    label_smoothing=0.0,
    best_by='accuracy',
    plateau=Plateau(factor=0.2, patience=3, min_delta=0.001),
    augmentation=IMAGE_DATA_GENERATOR,
)
