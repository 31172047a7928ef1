"""The layers of DeepFace's emotion network, as deepface 0.0.103 builds them (its `Emotion.py`, MIT)."""

from types import ModuleType
from typing import Any


def network(keras: ModuleType) -> Any:
    """
    Return the network with weights of chance: float32 [N, 48, 48, 1] in 0..1 to [N, 7].

    Args:
        keras: the module to build it with: keras, or tf_keras, which deepface uses.

    """
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((48, 48, 1)),
            layers.Conv2D(64, 5, activation='relu'),
            layers.MaxPooling2D(5, strides=2),
            layers.Conv2D(64, 3, activation='relu'),
            layers.Conv2D(64, 3, activation='relu'),
            layers.AveragePooling2D(3, strides=2),
            layers.Conv2D(128, 3, activation='relu'),
            layers.Conv2D(128, 3, activation='relu'),
            layers.AveragePooling2D(3, strides=2),
            layers.Flatten(),
            layers.Dense(1024, activation='relu'),
            layers.Dropout(0.2),
            layers.Dense(1024, activation='relu'),
            layers.Dropout(0.2),
            layers.Dense(7, activation='softmax'),
        ],
        name='deepface_stand_in',
    )
