"""What a training run is told: one frozen record, saved beside the run's results."""

import importlib
import pkgutil
from dataclasses import dataclass, field

from emotion_training.data.augmentation import Augmentation

OPTIMIZERS = ('adamw', 'adam', 'sgd')


@dataclass(frozen=True)
class Plateau:
    """
    What Keras' ReduceLROnPlateau does: less learning rate when the validation loss stands still.

    Attributes:
        factor: of the learning rate.
        patience: epochs without progress.
        min_delta: what counts as progress.

    """

    factor: float = 0.1
    patience: int = 10
    min_delta: float = 1e-4


@dataclass(frozen=True)
class TrainingConfig:
    """
    A recipe.

    Attributes:
        name: of the recipe.
        network: function of `emotion_training.models.networks`.
        network_args: its keyword arguments.
        epochs: passes over the training images, at most.
        batch_size: images a step.
        optimizer: one of `OPTIMIZERS`.
        learning_rate: with `warmup_epochs` the peak of a cosine schedule, else constant.
        warmup_epochs: epochs of linear warm-up before the cosine; None is no schedule.
        weight_decay: of AdamW, on kernels alone.
        ema: momentum of the averaged weights that are judged and kept; 0 is none. The engine torch averages
            over fewer steps at the start, and the statistics of the normalization too.
        mixup: of the beta distribution that mixes each batch with itself (Zhang et al., 2018); 0 is none.
        teaching: share of the teachers' answers in the targets; more than 0 needs teachers.
        head_weights: share of each of the network's heads in the loss; `crowd` learns the shares of the
            FER+ votes, `fer2013` the label.
        label_smoothing: of the labels; vote shares are soft already.
        plateau: reduces the learning rate; None does not.
        early_stopping: epochs without progress of the validation loss after which training ends and
            the best weights come back; 0 is never.
        augmentation: ranges of the random changes.
        precision: Keras' dtype policy, such as ``mixed_bfloat16``.
        seed: of the weights, the order and the augmentation.

    """

    name: str
    network: str
    network_args: dict = field(default_factory=dict)
    epochs: int = 36
    batch_size: int = 128
    optimizer: str = 'adamw'
    learning_rate: float = 2e-3
    warmup_epochs: int | None = 2
    weight_decay: float = 0.02
    ema: float = 0.998
    mixup: float = 0.0
    teaching: float = 0.0
    head_weights: dict = field(default_factory=lambda: {'crowd': 1.0, 'fer2013': 0.7})
    label_smoothing: float = 0.1
    plateau: Plateau | None = None
    early_stopping: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: str = 'float32'
    seed: int = 1


def recipe_names() -> list[str]:
    """Return the names that `load_config` accepts."""
    from emotion_training.train import configs

    return sorted(module.name for module in pkgutil.iter_modules(configs.__path__))


def load_config(name: str) -> TrainingConfig:
    """
    Return the recipe called `name` in `emotion_training.train.configs`.

    Raises:
        ValueError: if there is none.

    """
    if name not in recipe_names():
        raise ValueError(f'no recipe {name!r}; there are {", ".join(recipe_names())}')
    return importlib.import_module(f'emotion_training.train.configs.{name}').config
