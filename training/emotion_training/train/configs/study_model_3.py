# SPDX-License-Identifier: Apache-2.0
"""
Model 3 of the founding study: average pooling, dropout, Adam 1e-4, early stopping.

    emotion-training train study_model_3 DATASET --out runs/study_model_3

The study reports 72.82 % training and 69.82 % validation accuracy, loss 0.7481 and 0.8792, on
images whose label DeepFace agreed with.
"""

from emotion_training.data.augmentation import IMAGE_DATA_GENERATOR
from emotion_training.train.config import Plateau, TrainingConfig

config = TrainingConfig(
    name='study_model_3',
    network='study_model',
    network_args={
        'filters': (64, 128, 512, 512),
        'dense': (512, 256, 128),
        'pooling': 'average',
        'conv_dropout': 0.15,
        'dense_dropout': 0.30,
    },
    epochs=48,
    batch_size=128,
    optimizer='adam',
    learning_rate=1e-4,
    warmup_epochs=None,
    ema=0.0,
    label_smoothing=0.0,
    best_by='accuracy',
    plateau=Plateau(factor=0.2, patience=3, min_delta=0.001),
    early_stopping=3,
    augmentation=IMAGE_DATA_GENERATOR,
)
