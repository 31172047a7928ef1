"""Train one recipe on a built dataset; resumable, with everything needed to repeat it beside it."""

import importlib.util
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import keras

from emotion_perception.errors import ModelError
from emotion_training.data.batches import AugmentedBatches
from emotion_training.data.dataset import load
from emotion_training.files import write_json
from emotion_training.models import networks
from emotion_training.train.config import TrainingConfig
from emotion_training.train.engines import (
    BACKUP,
    KERAS,
    LOWER_RATE,
    TORCH,
    TORCH_PRECISIONS,
    Diverged,
)
from emotion_training.train.epoch_log import EPOCHS, best_so_far, draw_curves
from emotion_training.train.run_record import RECORD, RunError, check_same, run_record
from emotion_training.train.teachers import load_teachers, trained_network
from emotion_training.train.validation import ValidationCallback


def _optimizer(config: TrainingConfig, steps: int) -> keras.optimizers.Optimizer:
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


def _set_weights(model: keras.Model, path: Path) -> None:
    """Give `model` the weights of a .keras file."""
    try:
        model.set_weights(trained_network(path).get_weights())
    except ValueError as e:
        raise ModelError(f'{path} is another network than the recipe trains: {e}') from e


def _losses(smoothing: dict[str, float]) -> dict[str, keras.losses.Loss]:
    return {
        head: keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=amount)
        for head, amount in smoothing.items()
    }


def _callbacks(
    config: TrainingConfig, batches: AugmentedBatches, judge: ValidationCallback, run: Path
) -> list:
    """Return the callbacks of both engines in the order in which they must see an epoch's end."""
    kit = keras.callbacks
    chosen: list[keras.callbacks.Callback] = [
        kit.LambdaCallback(on_epoch_begin=lambda epoch, _: batches.start_epoch(epoch)),
        judge,
        kit.ModelCheckpoint(
            run / 'best.keras',
            'val_accuracy',
            mode='max',
            save_best_only=True,
            initial_value_threshold=best_so_far(run / EPOCHS),
        ),
        # after best.keras: a row says that its epoch is done with
        kit.LambdaCallback(on_epoch_end=lambda *_: judge.write_row()),
    ]
    if config.plateau:
        rule = config.plateau
        chosen.append(
            kit.ReduceLROnPlateau('val_loss', rule.factor, rule.patience, min_delta=rule.min_delta)
        )
    if config.early_stopping:
        chosen.append(
            kit.EarlyStopping(
                'val_loss', patience=config.early_stopping, restore_best_weights=True
            )
        )
    return chosen


def _fit_keras(
    model: keras.Model,
    batches: AugmentedBatches,
    config: TrainingConfig,
    callbacks: list,
    run: Path,
) -> None:
    kit = keras.callbacks
    averaging = [kit.SwapEMAWeights(swap_on_epoch=True)] if config.ema else []
    model.fit(
        batches,
        epochs=config.epochs,
        verbose=1 if sys.stdout.isatty() else 2,
        callbacks=[
            kit.LambdaCallback(on_train_batch_end=_stop_where_nothing_is_learned),
            *averaging, *callbacks, kit.BackupAndRestore(run / 'backup'),
        ],
    )  # fmt: skip


def _stop_where_nothing_is_learned(step: int, logs: dict) -> None:
    if not math.isfinite(logs['loss']):
        raise Diverged(f'the loss of step {step + 1} is not a number any more: {LOWER_RATE}')


def check_engine(engine: str) -> None:
    """
    Look whether an engine can be used here.

    Raises:
        RunError: if it needs a library that is missing.

    """
    if engine == TORCH and importlib.util.find_spec('torch') is None:
        raise RunError(
            'the engine "torch" needs PyTorch: install a build of torch for CPUs, or leave out --engine'
        )


def _check_recipe(config: TrainingConfig, engine: str, teachers: Sequence[Path]) -> None:
    """
    Look whether a recipe can be followed.

    Raises:
        RunError: if it lacks its teacher, was not made for one, or the engine does not know its precision.

    """
    if config.teaching and not teachers:
        raise RunError(
            f'the recipe {config.name} learns from a teacher: name one with --teacher '
            '(docs/training.md says which)'
        )
    if teachers and not config.teaching:
        raise RunError(
            f'the recipe {config.name} has no place for a teacher: leave out --teacher, or give it a '
            'share with `teaching`'
        )
    if engine == TORCH and config.precision not in TORCH_PRECISIONS:
        raise RunError(
            f'the engine "torch" computes in {" or ".join(TORCH_PRECISIONS)}, not in {config.precision}'
        )


def _use_all_devices() -> None:
    """Share each batch among the accelerators, where there is more than one and the backend can."""
    devices = keras.distribution.list_devices()
    if len(devices) > 1 and keras.backend.backend() == 'jax':
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))


def train(
    config: TrainingConfig,
    dataset: Path,
    run: Path,
    engine: str = KERAS,
    teachers: Sequence[Path] = (),
    initial_weights: Path | None = None,
) -> Path:
    """
    Train `config` on ``dataset/train``, judge on ``dataset/validation``, write to the folder `run`.

    Started again on the same `run` it goes on after the last whole epoch; a finished one is left as it
    is. The folder holds best.keras, last.keras, epochs.csv, curves.png and run.json.

    Args:
        config: the recipe.
        dataset: folder that `build` made.
        run: folder to write to.
        engine: one of `ENGINES`.
        teachers: .keras files whose answers are learned too, ``config.teaching`` of each target.
        initial_weights: .keras file of the same network, to begin with its weights.

    Returns:
        The path of the best model by validation accuracy.

    Raises:
        DatasetError: if the dataset is not what the recipe needs.
        Diverged: if the loss is not a number any more.
        ModelError: if a teacher or the initial weights cannot be loaded.
        RunError: if `run` was begun with something else, or the engine is not installed.
        TwinError: if the engine does not know a layer of the network.

    """
    check_engine(engine)
    _check_recipe(config, engine, teachers)
    images, validation = load(dataset, 'train'), load(dataset, 'validation')
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision if engine == KERAS else 'float32')
    _use_all_devices()
    model = getattr(networks, config.network)(**config.network_args)
    if initial_weights:
        _set_weights(model, initial_weights)
    heads = tuple(model.output_names)
    teacher = load_teachers(teachers, heads, engine, config.precision)
    batches = AugmentedBatches(images, config, heads, teacher)
    judge = ValidationCallback(validation, heads, run)
    record = run_record(config, images, validation, engine, teachers, initial_weights)
    check_same(record, run)
    best, last = run / 'best.keras', run / 'last.keras'
    if last.exists():
        print(f'{run} is finished; remove it to train anew')
        return best
    run.mkdir(parents=True, exist_ok=True)
    write_json(run / RECORD, record | {'parameters': model.count_params()})
    smoothing = {head: config.label_smoothing if head == 'fer2013' else 0.0 for head in heads}
    model.compile(
        _optimizer(config, len(batches)),
        loss=_losses(smoothing),
        loss_weights={head: config.head_weights.get(head, 1.0) for head in heads},
        metrics={head: ['accuracy'] for head in heads},
    )
    callbacks = _callbacks(config, batches, judge, run)
    try:
        if engine == TORCH:
            from emotion_training.train import torch_fit

            torch_fit.fit(model, batches, config, smoothing, judge, callbacks, run)
        else:
            _fit_keras(model, batches, config, callbacks, run)
    finally:
        draw_curves(run / EPOCHS, run / 'curves.png')
    model.save(last)
    (run / BACKUP).unlink(missing_ok=True)
    return best
