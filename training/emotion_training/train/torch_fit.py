"""`fit` for networks that have a twin in PyTorch, which is faster on x86-64 cores than Keras' own."""

import math
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from emotion_training.data.batches import AugmentedBatches
from emotion_training.models.torch_network import Twin, compiled, images_first
from emotion_training.train.config import TrainingConfig
from emotion_training.train.engines import BACKUP, LOWER_RATE, Diverged
from emotion_training.train.validation import ValidationCallback

_AHEAD = 8
_AT_ONCE = 256
_ADAM_EPSILON = 1e-7
"""Keras' own."""


class _Average:
    """The exponential moving average of all weights (Polyak and Juditsky, 1992), shorter at the start."""

    def __init__(self, twin: Twin, momentum: float):
        self._momentum, self._steps = momentum, 0
        self._used = [value for value in twin.state_dict().values() if value.is_floating_point()]
        self._kept = [value.clone() for value in self._used]

    def update(self) -> None:
        self._steps += 1
        momentum = min(self._momentum, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self._kept, self._used, 1 - momentum)

    def swap(self) -> None:
        """Put the averaged weights where the trained ones are, or back."""
        for kept, used in zip(self._kept, self._used, strict=True):
            before = kept.clone()
            kept.copy_(used)
            used.copy_(before)

    def state(self) -> dict:
        return {'steps': self._steps, 'kept': self._kept}

    def restore(self, state: dict) -> None:
        self._steps = state['steps']
        for kept, value in zip(self._kept, state['kept'], strict=True):
            kept.copy_(value)


def _optimizer(config: TrainingConfig, twin: Twin) -> torch.optim.Optimizer:
    """Return the recipe's optimizer; each step sets its learning rate."""
    if config.optimizer == 'sgd':
        return torch.optim.SGD(twin.parameters(), lr=0.0)
    if config.optimizer == 'adam':
        return torch.optim.Adam(twin.parameters(), lr=0.0, eps=_ADAM_EPSILON)
    decays = {True: config.weight_decay, False: 0.0}
    groups = [
        {
            'params': [p for p in twin.parameters() if (p.ndim > 1) is kernels],
            'weight_decay': decay,
        }
        for kernels, decay in decays.items()
    ]
    return torch.optim.AdamW(groups, lr=0.0, eps=_ADAM_EPSILON, fused=True)


def _loss(config: TrainingConfig, twin: Twin, smoothing: dict[str, float]) -> Callable:
    """Return the function from faces, targets and weights to the loss and each head's accuracy."""
    low = config.precision == 'mixed_bfloat16'

    def loss(faces, wanted, weights):
        with torch.autocast('cpu', torch.bfloat16, enabled=low):
            logits = twin(faces)
        total, hits = 0.0, {}
        for head, answer in logits.items():
            soft = wanted[head] * (1 - smoothing[head]) + smoothing[head] / answer.shape[1]
            each = -(soft * functional.log_softmax(answer, 1)).sum(1)
            total = total + config.head_weights.get(head, 1.0) * (each * weights[head]).mean()
            hits[head] = (answer.argmax(1) == wanted[head].argmax(1)).float().mean()
        return total, hits

    return compiled(loss)


def _tensors(batches: AugmentedBatches) -> Iterator[tuple]:
    """Yield the batches of an epoch; the next ones are drawn meanwhile."""
    count = len(batches)
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(batches.draw, index) for index in range(min(_AHEAD, count))]
        for index in range(count):
            drawn = waiting.pop(0).result()
            if index + _AHEAD < count:
                waiting.append(pool.submit(batches.draw, index + _AHEAD))
            faces, *rest = batches.distill(drawn)
            yield (
                images_first(faces),
                *(
                    {head: torch.from_numpy(value) for head, value in each.items()}
                    for each in rest
                ),
            )


class _Training:
    """What one step changes."""

    def __init__(self, model: keras.Model, config: TrainingConfig, smoothing: dict[str, float]):
        self.twin = Twin(model)
        self.average = _Average(self.twin, config.ema)
        self._optimizer = _optimizer(config, self.twin)
        self._loss = _loss(config, self.twin, smoothing)
        self._schedule = model.optimizer
        self._seed = config.seed
        self._low = config.precision == 'mixed_bfloat16'

    def epoch(self, number: int, batches: AugmentedBatches) -> dict[str, float]:
        """Pass over the batches once; return the means of the loss and of each head's accuracy."""
        self.twin.train()
        # what is dropped is the same after a restart
        torch.manual_seed((self._seed << 16) + number)
        sums = {'loss': 0.0}
        count = len(batches)
        bar = tqdm(
            _tensors(batches), f'epoch {number + 1}', count, leave=False, disable=None,
            file=sys.stdout,
        )  # fmt: skip
        self._schedule.iterations.assign(number * count)
        for batch in bar:
            rate = float(self._schedule.learning_rate)
            for group in self._optimizer.param_groups:
                group['lr'] = rate
            total, hits = self._loss(*batch)
            self._optimizer.zero_grad(set_to_none=True)
            total.backward()
            self._optimizer.step()
            self.average.update()
            self._schedule.iterations.assign_add(1)
            sums['loss'] += total.item()
            if not math.isfinite(sums['loss']):
                raise Diverged(
                    f'the loss of epoch {number + 1} is not a number any more: {LOWER_RATE}'
                )
            for head, value in hits.items():
                key = f'{head}_accuracy'
                sums[key] = sums.get(key, 0.0) + value.item()
        return {key: value / count for key, value in sums.items()}

    @torch.no_grad()
    def ask(self, faces: np.ndarray) -> dict[str, np.ndarray]:
        """Return the logits of each head, float32 [N, 7], for float32 [N, 48, 48, 1]."""
        self.twin.eval()
        with torch.autocast('cpu', torch.bfloat16, enabled=self._low):
            parts = [
                self.twin(images_first(faces[at : at + _AT_ONCE]))
                for at in range(0, len(faces), _AT_ONCE)
            ]
        return {head: torch.cat([part[head] for part in parts]).numpy() for head in parts[0]}

    def save(self, path: Path, epoch: int) -> None:
        partial = path.with_suffix('.partial')
        state = {
            'epoch': epoch,
            'twin': self.twin.state_dict(),
            'optimizer': self._optimizer.state_dict(),
            'average': self.average.state(),
        }
        torch.save(state, partial)
        partial.replace(path)

    def restore(self, path: Path) -> int:
        """Go back to where `save` was called; return the epoch after that."""
        state = torch.load(path, weights_only=True)
        self.twin.load_state_dict(state['twin'])
        self._optimizer.load_state_dict(state['optimizer'])
        self.average.restore(state['average'])
        return state['epoch'] + 1


def fit(
    model: keras.Model,
    batches: AugmentedBatches,
    config: TrainingConfig,
    smoothing: dict[str, float],
    judge: ValidationCallback,
    callbacks: list[keras.callbacks.Callback],
    run: Path,
) -> None:
    """
    Train a compiled Keras model in its twin.

    Goes on after the last whole epoch where `run` holds a backup; who calls removes it when the result is kept.

    Args:
        model: its optimizer says the learning rate of each step. After each epoch, and so for the
            callbacks, it has the averaged weights.
        batches: what to learn from.
        config: the recipe.
        smoothing: label smoothing of each head.
        judge: one of the callbacks; asks the twin, which is faster.
        callbacks: Keras' own kind; only begins and ends of epochs and of the training are told to them.
        run: folder for the backup.

    Raises:
        Diverged: if the loss is not a number any more; the backup is of the epoch before.
        TwinError: if the network has no twin.

    """
    training = _Training(model, config, smoothing)
    judge.ask = training.ask  # type: ignore[method-assign]
    kit = keras.callbacks.CallbackList(callbacks, model=model)
    backup = run / BACKUP
    first = 0
    if backup.exists():
        first = training.restore(backup)
        # the model has what was judged last, should no epoch be left to train
        training.average.swap()
        training.twin.write()
        training.average.swap()
    model.stop_training = False
    kit.on_train_begin()
    for epoch in range(first, config.epochs):
        kit.on_epoch_begin(epoch)
        logs = training.epoch(epoch, batches)
        training.average.swap()
        training.twin.write()
        kit.on_epoch_end(epoch, logs)
        training.average.swap()
        training.save(backup, epoch)
        told = ', '.join(f'{key} {value:.4f}' for key, value in logs.items())
        print(f'epoch {epoch + 1}/{config.epochs}: {told}', flush=True)
        if model.stop_training:
            break
    kit.on_train_end()
