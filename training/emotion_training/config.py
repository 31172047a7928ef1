"""What a training run is told: one frozen record, saved beside the run's results."""

import importlib
from dataclasses import dataclass, field

from emotion_training.augmentation import Augmentation


@dataclass(frozen=True)
class TrainingConfig:
    """
    A recipe.

    Attributes:
        name: of the recipe.
        network: function of `emotion_training.networks`.
        network_args: its keyword arguments.
        epochs: number of passes over the training images.
        batch_size: images a step.
        learning_rate: peak of the cosine schedule, reached after `warmup_epochs`.
        weight_decay: of AdamW, on kernels alone.
        label_smoothing: of the fer2013 head; the votes are soft already.
        ema: momentum of the averaged weights that are judged and kept.
        head_weights: share of each head in the loss.
        augmentation: ranges of the random changes.
        seed: of the weights, the order and the augmentation.

    """

    name: str
    network: str
    network_args: dict = field(default_factory=dict)
    epochs: int = 56
    batch_size: int = 128
    learning_rate: float = 2e-3
    warmup_epochs: int = 2
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    ema: float = 0.998
    head_weights: dict = field(default_factory=lambda: {'crowd': 1.0, 'fer2013': 0.7})
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 1


def load_config(name: str) -> TrainingConfig:
    """
    Return the recipe called `name` in `emotion_training.configs`.

    Raises:
        ValueError: if there is none.

    """
    try:
        return importlib.import_module(f'emotion_training.configs.{name}').config
    except ModuleNotFoundError as error:
        if error.name != f'emotion_training.configs.{name}':
            raise
        raise ValueError(f'no recipe {name!r} in emotion_training/configs') from None
