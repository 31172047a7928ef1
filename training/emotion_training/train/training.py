# SPDX-License-Identifier: Apache-2.0
"""Train one recipe on a built dataset: resumable, with a record that repeats it."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from emotion_training.data.batches import AugmentedBatches, Teacher
from emotion_training.data.dataset import Dataset, load
from emotion_training.evaluate.metrics import chance_remark
from emotion_training.files import write_json
from emotion_training.models import networks
from emotion_training.models.networks import FEATURES, TEACHER_FEATURES
from emotion_training.train.config import TrainingConfig
from emotion_training.train.epoch_log import EPOCHS, best_so_far, draw_curves, read_epochs
from emotion_training.train.run_record import (
    BACKUP,
    BEST,
    LAST,
    RECORD,
    RunError,
    check_same,
    run_record,
)
from emotion_training.train.teachers import (
    load_feature_teacher,
    load_teachers,
    set_initial_weights,
)
from emotion_training.train.validation import ValidationCallback


class DivergenceError(RuntimeError):
    """The loss is not finite any more; the message says since which step."""


def _optimizer(config: TrainingConfig, steps: int) -> keras.optimizers.Optimizer:
    """Return the optimizer of a recipe with `steps` batches an epoch."""
    rate: float | keras.optimizers.schedules.LearningRateSchedule = config.learning_rate
    if config.warmup_epochs is not None:
        warmup_epochs = min(config.warmup_epochs, config.epochs - 1)
        rate = keras.optimizers.schedules.CosineDecay(
            config.learning_rate / 100,
            decay_steps=steps * (config.epochs - warmup_epochs),
            alpha=0.01,
            warmup_target=config.learning_rate,
            warmup_steps=steps * warmup_epochs,
        )
    averaging = {'use_ema': True, 'ema_momentum': config.ema} if config.ema else {}
    if config.optimizer == 'sgd':
        return keras.optimizers.SGD(rate, **averaging)
    if config.optimizer == 'adam':
        return keras.optimizers.Adam(rate, **averaging)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay, **averaging)
    optimizer.exclude_from_weight_decay(var_names=['gamma', 'beta', 'bias'])
    return optimizer


def _check_finite(step: int, logs: dict) -> None:
    if not math.isfinite(logs['loss']):
        raise DivergenceError(
            f'the loss is not finite since step {step + 1}: the learning rate is too high, or the '
            'precision too low'
        )


def _check_recipe(config: TrainingConfig, teachers: Sequence[Path]) -> None:
    """Raise RunError if the recipe lacks teachers or does not use them."""
    if config.distillation and not teachers:
        raise RunError(
            f'the recipe {config.name} needs a teacher: give one with --teacher '
            '(docs/training.md has the commands)'
        )
    if teachers and not config.distillation:
        raise RunError(
            f'the recipe {config.name} does not use a teacher: leave out --teacher, or set '
            '`distillation` in the recipe'
        )
    if config.feature_distillation and (len(teachers) != 1 or not config.distillation):
        raise RunError(
            f'the recipe {config.name} takes the features of one teacher: give exactly one '
            '--teacher, and set `distillation` in the recipe'
        )


def _use_all_devices() -> None:
    """Split each batch among several accelerators, with the backend jax."""
    devices = keras.distribution.list_devices()
    if len(devices) > 1 and keras.backend.backend() == 'jax':
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))


def _features_distance(wanted, found):
    """Return the squared distance of features [N, channels], in units of their variance [N]."""
    ops = keras.ops
    variance = ops.mean(ops.var(wanted, axis=0))
    return ops.mean(ops.square(found - wanted), axis=-1) / (variance + keras.config.epsilon())


def head_loss(head: str, config: TrainingConfig, images: Dataset):
    """Return the loss of a head."""
    if head == 'crowd' and config.balance:
        offset = config.balance * np.log(images.class_frequencies).astype(np.float32)
        return lambda wanted, logits: keras.losses.categorical_crossentropy(
            wanted, logits + offset, from_logits=True
        )
    smoothing = config.label_smoothing if head == 'fer2013' else 0.0
    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)


def _compile(model: keras.Model, config: TrainingConfig, steps: int, images: Dataset) -> None:
    heads = [name for name in model.output_names if name != TEACHER_FEATURES]
    loss = {head: head_loss(head, config, images) for head in heads}
    weights = {head: config.head_weights.get(head, 1.0) for head in heads}
    if TEACHER_FEATURES in model.output_names:
        loss[TEACHER_FEATURES] = _features_distance
        weights[TEACHER_FEATURES] = config.feature_distillation
    model.compile(
        _optimizer(config, steps),
        loss=loss,
        loss_weights=weights,
        metrics={head: ['accuracy'] for head in heads},
    )
    # else its variables are made while TensorFlow traces the step, which is then traced twice
    model.optimizer.build(model.trainable_variables)


def _make_network(config: TrainingConfig, **changes) -> keras.Model:
    """Return the recipe's network of its precision, with `changes` of its arguments."""
    make = getattr(networks, config.network, None)
    if make is None:
        raise RunError(f'the recipe {config.name}: there is no network {config.network!r}')
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.precision)
    try:
        return make(**config.network_args | changes)
    except TypeError as error:
        raise RunError(f'the recipe {config.name} cannot make its network: {error}') from error
    finally:
        keras.config.set_dtype_policy(policy)


def _teacher_features(model: keras.Model, teacher: keras.Model):
    """Return a network's features, through a linear layer if the teacher's are fewer or more."""
    own, wanted = model.get_layer(FEATURES).output, teacher.get_layer(FEATURES).output
    if own.shape == wanted.shape:
        return keras.layers.Identity(name=TEACHER_FEATURES)(own)
    return keras.layers.Dense(wanted.shape[-1], dtype='float32', name=TEACHER_FEATURES)(own)


class _Checkpoint(keras.callbacks.ModelCheckpoint):
    """Saves the network, which may be trained as a part of another model."""

    def __init__(self, network: keras.Model, *args, **options):
        super().__init__(*args, **options)
        self._network = network

    def set_model(self, model: keras.Model) -> None:
        super().set_model(self._network)


def _callbacks(
    config: TrainingConfig,
    batches: AugmentedBatches,
    validation: ValidationCallback,
    run: Path,
    network: keras.Model,
) -> list[keras.callbacks.Callback]:
    """Return the callbacks in the order in which they must see the end of an epoch."""
    callbacks = keras.callbacks
    chosen: list[keras.callbacks.Callback] = [
        callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, _: batches.start_epoch(epoch),
            on_train_batch_end=_check_finite,
        )
    ]
    averaging = callbacks.SwapEMAWeights(swap_on_epoch=True)
    if config.ema:
        chosen.append(averaging)
    chosen += [
        validation,
        _Checkpoint(
            network,
            run / BEST,
            f'val_{config.best_by}',
            mode='max',
            save_best_only=True,
            initial_value_threshold=best_so_far(run / EPOCHS, config.best_by),
        ),
        # after the checkpoint: a logged epoch is complete
        callbacks.LambdaCallback(on_epoch_end=lambda *_: validation.write_row()),
    ]
    if config.plateau:
        rule = config.plateau
        chosen.append(
            callbacks.ReduceLROnPlateau(
                'val_loss', rule.factor, rule.patience, min_delta=rule.min_delta
            )
        )
    if config.early_stopping:
        chosen.append(
            callbacks.EarlyStopping(
                'val_loss', patience=config.early_stopping, restore_best_weights=True
            )
        )
    if config.ema:
        # the backup must have the trained weights in the model, as the next epoch expects them
        chosen.append(
            callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, _: averaging.on_epoch_begin(epoch + 1)
            )
        )
    # kept after the end, for a longer training
    return [*chosen, callbacks.BackupAndRestore(run / BACKUP, delete_checkpoint=False)]


def _chance_hint(run: Path, config: TrainingConfig, labels: np.ndarray, steps: int) -> str:
    """Return what to do if no epoch of `steps` was better than guessing, else an empty text."""
    remark = chance_remark(best_so_far(run / EPOCHS, 'macro_recall') or 0.0, labels)
    steps *= len(read_epochs(run / EPOCHS))
    return remark and (
        f'the network is {remark}, after {steps} steps of {config.batch_size} images; train it '
        'longer (--epochs; in a recipe of your own min_steps and early_stopping), with a higher '
        'learning rate, or on more images'
    )


def train(
    config: TrainingConfig,
    dataset: Path,
    run: Path,
    teachers: Sequence[Path] = (),
    initial_weights: Path | None = None,
    longer: bool = False,
) -> Path:
    """
    Train on ``dataset/train``, validate on ``dataset/validation``, write to the folder `run`.

    A repeated call resumes after the last complete epoch; a finished run is left unchanged. The
    folder has best.keras, last.keras, epochs.csv, curves.png and run.json.

    Args:
        config: the recipe.
        dataset: folder made by `build`.
        run: folder to write to.
        teachers: .keras files for the distillation.
        initial_weights: .keras file of the same network, or exported .tflite file of it or of one
            with the same widths and full convolutions, see `low_rank`.
        longer: a run with fewer epochs in this folder goes on to the recipe's epochs, with the
            learning rate that a run of so many epochs has by then.

    Returns:
        The path of the best model by the recipe's validation score.

    Raises:
        DatasetError: if the dataset lacks what the recipe needs.
        DivergenceError: if the loss is not finite any more.
        ModelError: if a teacher or the initial weights cannot be loaded.
        RunError: if `run` was started with something else, or teachers are missing.

    """
    _check_recipe(config, teachers)
    images, validation = load(dataset, 'train'), load(dataset, 'validation')
    keras.utils.set_random_seed(config.seed)
    _use_all_devices()
    model = _make_network(config)
    heads = tuple(model.output_names)
    if config.feature_distillation:
        full = _make_network(config, ranks=None, **config.teacher_network_args)
        teacher: Teacher | None = load_feature_teacher(teachers[0], full)
    else:
        teacher = load_teachers(teachers, heads)
    batches = AugmentedBatches(images, config, heads, teacher)
    if initial_weights:
        set_initial_weights(model, initial_weights, batches)
    record = run_record(config, images, validation, teachers, initial_weights)
    check_same(record, run, longer)
    if longer and (run / LAST).exists() and len(read_epochs(run / EPOCHS)) < config.epochs:
        if not (run / BACKUP).is_dir():
            raise RunError(
                f'{run} cannot go on, its folder {BACKUP} is gone: train in another folder with '
                f'--initial-weights {run / LAST}'
            )
        (run / LAST).unlink()
    if (run / LAST).exists():
        print(f'{run} is finished; remove it to train again')
        return run / BEST
    run.mkdir(parents=True, exist_ok=True)
    write_json(run / RECORD, record | {'parameters': model.count_params()})
    outputs = dict(model.output)
    if config.feature_distillation:
        outputs[TEACHER_FEATURES] = _teacher_features(model, full)
    # what is saved is the network alone, without losses of our own
    trained = keras.Model(model.input, outputs)
    _compile(trained, config, len(batches), images)
    validate = ValidationCallback(validation, heads, run)
    try:
        trained.fit(
            batches,
            epochs=config.epochs,
            shuffle=False,  # the batches are shuffled, by a seed that a resumed run repeats
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=_callbacks(config, batches, validate, run, model),
        )
    finally:
        draw_curves(run / EPOCHS, run / 'curves.png')
    model.save(run / LAST)
    hint = _chance_hint(run, config, validation.labels, len(batches))
    if hint:
        print(f'note: {hint}', file=sys.stderr)
    return run / BEST
