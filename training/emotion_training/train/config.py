# SPDX-License-Identifier: Apache-2.0
"""The settings of a training run: one frozen dataclass, saved beside the run's results."""

import importlib
import pkgutil
import runpy
from dataclasses import dataclass, field
from pathlib import Path

from emotion_training.data.augmentation import Augmentation

OPTIMIZERS = ('adamw', 'adam', 'sgd')
SELECTIONS = ('macro_recall', 'accuracy')


@dataclass(frozen=True)
class Plateau:
    """
    Settings of Keras' ReduceLROnPlateau on the validation loss.

    Attributes:
        factor: multiplies the learning rate.
        patience: epochs without an improvement.
        min_delta: smallest improvement that counts.

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
        min_steps: steps an epoch has at least; it repeats the images of a small dataset, augmented
            anew. Validation, patience, schedule and normalization then count steps enough.
        best_by: one of `SELECTIONS`: which validation score, mean of the heads, the best epoch has
            the highest of. Accuracy favors frequent classes.
        optimizer: one of `OPTIMIZERS`.
        learning_rate: with `warmup_epochs` the peak of a cosine schedule, else constant.
        warmup_epochs: epochs of linear warm-up before the cosine; None for no schedule.
        weight_decay: of AdamW, on kernels only.
        ema: momentum of the exponential moving average of the weights, which is validated and
            saved; 0 for none.
        mixup: parameter of the beta distribution of mixup (Zhang et al., 2018); 0 for none.
        distillation: fraction of the teachers' probabilities in the targets; above 0 needs
            teachers.
        distillation_cycle: epochs after which the augmented images and the teachers' predictions
            of them repeat, mirrored in every other cycle, because a large teacher costs more time
            than the training itself; 0 for never.
        clean_teacher: teachers predict each face before it is weakened, corrupted or partly
            erased, so that the student learns how much of the answer such an image still tells.
        feature_distillation: weight in the loss of the squared distance from the teacher's pooled
            features, in units of their variance (Romero et al., 2015); above 0 needs one teacher.
            If they are not as many as the student's, a linear layer between them is trained too.
        teacher_network_args: those of `network_args` in which the teacher of the features differs
            from the student; it never has ranks.
        head_weights: weight of each head in the loss. The target of `crowd` is the distribution
            of the FER+ votes, that of `fer2013` the label.
        target_temperature: of each head: the logarithms of its targets, the teachers' predictions
            too, are divided by it. Below 1 the shares of the votes become the probabilities that
            the majority names an expression.
        balance: part of the log frequencies of the expressions among the FER+ majorities that is
            added to the logits of the head `crowd` in the loss (Menon et al., 2021): its own
            logits then favor frequent expressions less, and need less of an offset afterwards.
        label_smoothing: of the head `fer2013`; the votes are soft targets already.
        plateau: reduces the learning rate on a plateau; None for never.
        early_stopping: epochs without a lower validation loss after which training stops and the
            best weights are restored; 0 for never.
        augmentation: ranges of the random changes.
        precision: Keras' dtype policy. ``mixed_bfloat16`` is faster only on hardware that has it.
        seed: of the weights, the order and the augmentation.

    """

    name: str
    network: str
    network_args: dict = field(default_factory=dict)
    epochs: int = 36
    batch_size: int = 128
    min_steps: int = 100
    best_by: str = 'macro_recall'
    optimizer: str = 'adamw'
    learning_rate: float = 2e-3
    warmup_epochs: int | None = 2
    weight_decay: float = 0.02
    ema: float = 0.998
    mixup: float = 0.0
    distillation: float = 0.0
    distillation_cycle: int = 0
    clean_teacher: bool = False
    feature_distillation: float = 0.0
    teacher_network_args: dict = field(default_factory=dict)
    head_weights: dict = field(default_factory=lambda: {'crowd': 1.0, 'fer2013': 0.7})
    target_temperature: dict = field(default_factory=dict)
    balance: float = 0.0
    label_smoothing: float = 0.1
    plateau: Plateau | None = None
    early_stopping: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: str = 'float32'
    seed: int = 1

    def __post_init__(self):
        """Raise ValueError for an unknown optimizer or selection, or a name of no file."""
        if Path(self.name).name != self.name:
            raise ValueError(f'{self.name!r}, the name of a recipe, must do as the name of a file')
        for value, known in ((self.optimizer, OPTIMIZERS), (self.best_by, SELECTIONS)):
            if value not in known:
                raise ValueError(f'{value!r} in the recipe {self.name} is none of {known}')


def recipe_names() -> list[str]:
    """Return the names that `load_config` accepts."""
    from emotion_training.train import configs

    return sorted(module.name for module in pkgutil.iter_modules(configs.__path__))


def load_config(name: str) -> TrainingConfig:
    """
    Return the recipe called `name` in `emotion_training.train.configs`, or that of a python file.

    Args:
        name: of a recipe, or path of a file that ends in .py and sets ``config``.

    Raises:
        ValueError: if there is none.

    """
    if name in recipe_names():
        return importlib.import_module(f'emotion_training.train.configs.{name}').config
    if not (name.endswith('.py') and Path(name).is_file()):
        raise ValueError(
            f'no recipe {name!r}; there are {", ".join(recipe_names())}, or give the path of a '
            'file that ends in .py'
        )
    try:
        config = runpy.run_path(name).get('config')
    except Exception as error:
        raise ValueError(f'the recipe {name} cannot be run: {error!r}') from error
    if not isinstance(config, TrainingConfig):
        raise ValueError(f'the recipe {name} does not set `config` to a TrainingConfig')
    return config
