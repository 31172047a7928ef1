# SPDX-License-Identifier: Apache-2.0
"""Start a network with narrowed convolutions from the weights of an exported full one."""

from pathlib import Path

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from emotion_perception.errors import ModelError
from emotion_perception.runtime.litert import Network, read_model
from emotion_training.evaluate.model_outputs import check_signature
from emotion_training.models.networks import CONVOLUTION, NARROWING, NORMALIZATION

Layer = tuple[np.ndarray, np.ndarray]
"""Weights, float32 [height, width, in, out] or [in, out], and bias, float32 [out]."""

_SMALLEST_EIGENVALUE = 1e-6
"""Of the inputs' covariance, in units of the largest; smaller ones are raised to it."""
_BATCH = 128


def exported_layers(path: Path) -> list[Layer]:
    """
    Return the convolutions and dense layers of a .tflite file in order, without quantization.

    Batch normalization is part of them in an exported model.

    Raises:
        ModelError: if the file is missing or damaged, or holds its weights in float16.

    """
    check_signature(path)
    model = read_model(path)
    Network(model, str(path))  # names what is wrong with it
    interpreter = Interpreter(model_content=model)
    details = {detail['index']: detail for detail in interpreter.get_tensor_details()}

    def values(index: int) -> np.ndarray:
        # per-channel weights and all biases have the zero point 0
        stored = interpreter.get_tensor(index).astype(np.float32)
        quantization = details[index]['quantization_parameters']
        scales = quantization['scales']
        if len(scales) > 1:
            shape = [1] * stored.ndim
            shape[quantization['quantized_dimension']] = -1
            scales = scales.reshape(shape)
        return stored * scales if np.size(scales) else stored

    found = []
    for operation in interpreter._get_ops_details():
        if operation['op_name'] in ('CONV_2D', 'FULLY_CONNECTED'):
            _, weights, bias = operation['inputs'][:3]
            try:
                found.append((np.moveaxis(values(weights), 0, -1), values(bias)))
            except ValueError:
                raise ModelError(
                    f'the weights of {path} cannot be read; export it with another --quantization '
                    'than float16'
                ) from None
    return found


def _square_roots(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the symmetric square root and its inverse."""
    values, vectors = np.linalg.eigh(covariance)
    roots = np.sqrt(np.maximum(values, values[-1] * _SMALLEST_EIGENVALUE))
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T


def factors(kernel: np.ndarray, inputs: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """
    Return the 1x1 kernel [1, 1, in, rank] and the narrow kernel [height, width, rank, out].

    Their product approximates the outputs best where neighboring pixels are independent and have
    the covariance of `inputs` (Zhang et al., 2016, use that of the outputs).

    Args:
        kernel: float [height, width, in, out].
        inputs: float [N, height, width, in], what the convolution saw.
        rank: channels between the two.

    """
    height, width, channels, filters = kernel.shape
    pixels = inputs.reshape(-1, channels).astype(np.float64)
    root, inverse = _square_roots(np.cov(pixels, rowvar=False))
    by_channel = kernel.transpose(0, 1, 3, 2).reshape(-1, channels)
    _, _, directions = np.linalg.svd(by_channel @ root, full_matrices=False)
    kept = directions[:rank].T
    narrow = (by_channel @ root @ kept).reshape(height, width, filters, rank)
    return (inverse @ kept)[None, None], narrow.transpose(0, 1, 3, 2)


def _values_at(model: keras.Model, tensor, faces: np.ndarray) -> np.ndarray:
    """Return the values of an inner tensor of a network."""
    to_tensor = keras.Model(model.input, tensor)
    batches = np.array_split(faces, max(len(faces) // _BATCH, 1))
    return np.concatenate([np.asarray(to_tensor(batch)) for batch in batches])


def set_low_rank_weights(model: keras.Model, path: Path, faces: np.ndarray) -> None:
    """
    Give a network the weights of an exported one with the same widths.

    Where the exported one has full convolutions and this one narrowed ones, they get the best
    approximation for these faces, from the first to the last, each on the outputs of those before
    it. The normalization gets the statistics of its inputs, so that training starts where the
    approximation is.

    Args:
        model: an `expression_net`, with or without ranks.
        path: the exported .tflite file.
        faces: float32 [N, 48, 48, 1] in 0..255, as they are trained on.

    Raises:
        ModelError: if the file cannot be read or is a network of other widths.

    """
    exported = exported_layers(path)

    def has(*shape: int) -> bool:
        return any(weights.shape == shape for weights, _ in exported)

    def take(name: str, *shape: int) -> Layer:
        for index, (weights, _) in enumerate(exported):
            if weights.shape == shape:
                return exported.pop(index)
        raise ModelError(
            f'{path} is another network than that of the recipe: it has no weights {shape} for '
            f'{name}'
        )

    layers = {layer.name: layer for layer in model.layers}
    for name in [name for name in layers if name.endswith(f'_{CONVOLUTION}')]:
        convolution = layers[name]
        narrowing = layers.get(name.replace(CONVOLUTION, NARROWING))
        height, width, channels, filters = convolution.kernel.shape
        if narrowing is not None and has(height, width, narrowing.kernel.shape[2], filters):
            kernel, bias = take(name, height, width, narrowing.kernel.shape[2], filters)
            inputs = _values_at(model, narrowing.input, faces)
            narrow = factors(kernel, inputs, narrowing.filters)
            narrowing.set_weights([narrow[0]])
            convolution.set_weights([narrow[1]])
        else:
            if narrowing is not None:
                narrowing.set_weights([take(name, *narrowing.kernel.shape)[0]])
            kernel, bias = take(name, height, width, channels, filters)
            convolution.set_weights([kernel])
        normalization = layers[name.replace(CONVOLUTION, NORMALIZATION)]
        outputs = _values_at(model, convolution.output, faces)
        mean, variance = outputs.mean((0, 1, 2)), outputs.var((0, 1, 2))
        deviation = np.sqrt(variance + normalization.epsilon)
        normalization.set_weights([deviation, mean + bias, mean, variance])
    for head in model.output_names:
        layers[head].set_weights(take(head, *layers[head].kernel.shape))
