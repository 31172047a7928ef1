"""A Keras network as a PyTorch module: on x86-64 cores that is the faster way to train it."""

import shutil
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
from torch import nn
from torch.nn import functional


class TwinError(RuntimeError):
    """A network with a layer that has no counterpart here; the message names it."""


def _padding(layer: keras.layers.Conv2D) -> tuple[int, int]:
    """
    Return what a convolution adds to each side of height and width, with its ZeroPadding2D.

    Raises:
        TwinError: if it is more on one side than on the other, or the convolution is not a plain one.

    """
    if layer.groups != 1 or layer.dilation_rate != (1, 1):
        raise TwinError(f'{layer.name}: only plain convolutions have a twin')
    if layer.padding == 'same' and layer.strides == (1, 1):
        return tuple(size // 2 for size in layer.kernel_size)
    before = _parents(layer)[0]
    if layer.padding == 'valid' and isinstance(before, keras.layers.ZeroPadding2D):
        (top, bottom), (left, right) = before.padding
        if top == bottom and left == right:
            return top, left
    raise TwinError(f'{layer.name}: only convolutions padded alike on all sides have a twin')


def _parents(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    return [each._keras_history.operation for each in layer._inbound_nodes[0].input_tensors]


def _convolution(layer: keras.layers.Conv2D) -> nn.Module:
    channels, filters = layer.kernel.shape[2:]
    return nn.Conv2d(
        channels, filters, layer.kernel_size, layer.strides, _padding(layer), bias=layer.use_bias
    )


def _normalization(layer: keras.layers.BatchNormalization) -> nn.Module:
    return nn.BatchNorm2d(layer.gamma.shape[0], layer.epsilon, 1 - layer.momentum)


class _Call(nn.Module):
    """A layer without weights."""

    def __init__(self, function: Callable):
        super().__init__()
        self.forward = function


_TWINS: dict[type, Callable[..., nn.Module]] = {
    keras.layers.InputLayer: lambda _: nn.Identity(),
    keras.layers.Rescaling: lambda layer: _Call(lambda x: x * layer.scale + layer.offset),
    keras.layers.ZeroPadding2D: lambda _: nn.Identity(),
    keras.layers.Conv2D: _convolution,
    keras.layers.BatchNormalization: _normalization,
    keras.layers.ReLU: lambda _: _Call(functional.relu),
    keras.layers.Add: lambda _: _Call(lambda *parts: sum(parts[1:], parts[0])),
    keras.layers.AveragePooling2D: lambda layer: nn.AvgPool2d(layer.pool_size, layer.strides),
    keras.layers.GlobalAveragePooling2D: lambda _: _Call(lambda x: x.mean((2, 3))),
    keras.layers.Dropout: lambda layer: nn.Dropout(layer.rate),
    keras.layers.Dense: lambda layer: nn.Linear(*layer.kernel.shape),
}
_CLOSE, _CLOSE_LOW = 1e-3, 5e-2
"""How far answers may differ, as a share of the largest; the second where Keras computes in fewer bits."""
_TO_TORCH = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
_TO_KERAS = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
"""Axes of a weight by its rank: convolutions are [height, width, in, out] in Keras, [out, in, height, width] here."""


def _twin_of(layer: keras.layers.Layer) -> nn.Module:
    if type(layer) not in _TWINS:
        raise TwinError(
            f'{layer.name}: {type(layer).__name__} has no twin in PyTorch here; train this network '
            'with --engine keras'
        )
    return _TWINS[type(layer)](layer)


class Twin(nn.Module):
    """
    The same function as a Keras model, with weights of its own.

    ``forward`` takes float32 [N, 1, 48, 48] in 0..255 and returns ``{head: float32 [N, 7]}`` logits.
    """

    def __init__(self, model: keras.Model):
        """
        Build it with the weights of `model`.

        Raises:
            TwinError: if `model` has a layer that is not known here, or one that does more than its twin.

        """
        super().__init__()
        operations = list(model.operations)
        self._layers = operations
        self._parents = [
            () if isinstance(layer, keras.layers.InputLayer)
            else tuple(operations.index(parent) for parent in _parents(layer))
            for layer in operations
        ]  # fmt: skip
        # counted, not named: Keras numbers its names anew in each process
        self.parts = nn.ModuleList([_twin_of(layer) for layer in operations])
        self._heads = {
            name: operations.index(tensor._keras_history.operation)
            for name, tensor in zip(model.output_names, model.outputs, strict=True)
        }
        self.read()
        self._check(model)
        to: Any = self.to  # torch's stubs do not know this way to call it
        to(memory_format=torch.channels_last)

    def forward(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the logits of each head."""
        values: list[torch.Tensor] = []
        for part, parents in zip(self.parts, self._parents, strict=True):
            values.append(part(*[values[parent] for parent in parents] or [faces]))
        return {head: values[index].float() for head, index in self._heads.items()}

    @torch.no_grad()
    def _check(self, model: keras.Model) -> None:
        """Ask both about the same faces."""
        faces = np.random.default_rng(0).uniform(0, 255, (4, *model.inputs[0].shape[1:]))
        faces = faces.astype(np.float32)
        self.eval()
        told = self(images_first(faces))
        answers = keras.tree.flatten(model(faces, training=False))
        expected = dict(zip(model.output_names, answers, strict=True))
        self.train()
        low = any(layer.compute_dtype != 'float32' for layer in self._layers)
        for head, value in told.items():
            right = keras.ops.convert_to_numpy(keras.ops.cast(expected[head], 'float32'))
            furthest = np.abs(value.numpy() - right).max() / max(np.abs(right).max(), 1.0)
            if not furthest < (_CLOSE_LOW if low else _CLOSE):
                raise TwinError(
                    f'{model.name} has no faithful twin in PyTorch here: {head} differs by '
                    f'{furthest:.1%}; train it with --engine keras'
                )

    def _pairs(self):
        """Yield each variable of the Keras model with the tensor that stands for it."""
        for layer, twin in zip(self._layers, self.parts, strict=True):
            if isinstance(layer, keras.layers.BatchNormalization):
                yield layer.gamma, twin.weight
                yield layer.beta, twin.bias
                yield layer.moving_mean, twin.running_mean
                yield layer.moving_variance, twin.running_var
            elif layer.weights:
                yield layer.kernel, twin.weight
                if layer.use_bias:
                    yield layer.bias, twin.bias

    @torch.no_grad()
    def read(self) -> None:
        """Take over the weights of the Keras model."""
        for variable, tensor in self._pairs():
            value = keras.ops.convert_to_numpy(variable)
            tensor.data = torch.from_numpy(
                np.ascontiguousarray(value.transpose(_TO_TORCH[value.ndim]), np.float32)
            ).clone()

    def write(self) -> None:
        """Give the weights to the Keras model."""
        for variable, tensor in self._pairs():
            value = tensor.detach().numpy()
            variable.assign(value.transpose(_TO_KERAS[value.ndim]))


def images_first(faces: np.ndarray) -> torch.Tensor:
    """Return float32 [N, 48, 48, C] as [N, C, 48, 48], in the order of memory that x86-64 likes."""
    return (
        torch.from_numpy(faces).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    )


def compiled(function: Callable) -> Callable:
    """Return it compiled, and faster, where there is a C++ compiler."""
    return torch.compile(function) if shutil.which('c++') else function


def mean_answers(
    models: list[keras.Model], heads: tuple[str, ...], low: bool = False
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """
    Return what asks the twins of models and answers with the mean of their probabilities.

    Args:
        models: with these heads at least.
        heads: which are asked.
        low: compute in bfloat16.

    """
    twins = [Twin(model).eval() for model in models]

    def answer(x: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.autocast('cpu', torch.bfloat16, enabled=low):
            each = [twin(x) for twin in twins]
        return {
            head: torch.stack([logits[head].softmax(1) for logits in each]).mean(0)
            for head in heads
        }

    fast = compiled(answer)

    @torch.no_grad()
    def ask(faces: np.ndarray) -> dict[str, np.ndarray]:
        return {head: value.numpy() for head, value in fast(images_first(faces)).items()}

    return ask
