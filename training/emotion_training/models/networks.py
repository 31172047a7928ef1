# SPDX-License-Identifier: Apache-2.0
"""The recipes' networks: float32 [N, 48, 48, 1], gray 0..255, to logits of each head."""

import math

import keras
import numpy as np
from keras import layers

from emotion_perception.emotions import EMOTIONS

NARROWING, CONVOLUTION, NORMALIZATION = 'narrowing', 'convolution', 'normalization'
"""Last words of the layers' names in `expression_net`."""
HEADS = ('crowd', 'fer2013')
"""The heads: the distribution of the FER+ votes, and FER2013's own label."""
FEATURES = 'features'
"""Name of the layer that all heads of `expression_net` look at."""
TEACHER_FEATURES = 'teacher_features'
"""Name of the output that a student has in training only, for the `FEATURES` of its teacher."""
BLOCKS = ('residual', 'foldable', 'inverted', 'plain')
"""Of `expression_net`: what its stages are made of. A plain block is one 3x3 convolution."""
_EXPANSION = 4
"""Channels of an inverted residual block within, in units of those before."""


def _convolution(
    x,
    name: str,
    filters: int,
    kernel: int = 3,
    strides: int = 1,
    relu: bool = True,
    rank: int | None = None,
):
    padding = 'same'
    if rank:
        x = layers.Conv2D(rank, 1, use_bias=False, name=f'{name}_{NARROWING}')(x)
    if strides > 1:
        # 'same' would pad only right and bottom, and the output would not be mirror symmetric
        x = layers.ZeroPadding2D(kernel // 2)(x)
        padding = 'valid'
    x = layers.Conv2D(
        filters, kernel, strides, padding=padding, use_bias=False, name=f'{name}_{CONVOLUTION}'
    )(x)
    x = layers.BatchNormalization(momentum=0.95, name=f'{name}_{NORMALIZATION}')(x)
    return layers.ReLU()(x) if relu else x


def _residual_block(
    x,
    name: str,
    filters: int,
    strides: int,
    ranks: tuple[int | None, int | None],
    squeeze: int | None,
):
    """Add two 3x3 convolutions to a shortcut (He et al., 2016; pooled: He et al., 2019)."""
    shortcut = x
    if strides > 1:
        shortcut = layers.AveragePooling2D(strides)(shortcut)
    if x.shape[-1] != filters:
        shortcut = _convolution(shortcut, f'{name}_shortcut', filters, kernel=1, relu=False)
    y = _convolution(x, f'{name}_first', filters, strides=strides, rank=ranks[0])
    y = _convolution(y, f'{name}_second', filters, relu=False, rank=ranks[1])
    if squeeze:
        y = _weight_channels(y, squeeze)
    return layers.ReLU()(layers.Add()([shortcut, y]))


def _foldable_block(x, name: str, filters: int, strides: int):
    """Add 3x3 and 1x1 convolution and the input, as RepVGG does (Ding et al., 2021)."""
    branches = [
        _convolution(x, f'{name}_square', filters, 3, strides, relu=False),
        _convolution(x, f'{name}_point', filters, 1, strides, relu=False),
    ]
    if x.shape[-1] == filters and strides == 1:
        branches.append(
            layers.BatchNormalization(momentum=0.95, name=f'{name}_{NORMALIZATION}')(x)
        )
    return layers.ReLU()(layers.Add()(branches))


def _inverted_residual_block(
    x, name: str, filters: int, strides: int, expansion: int, squeeze: int | None
):
    """Widen, filter each channel by itself, narrow (MobileNetV2, Sandler et al., 2018)."""
    wide = x.shape[-1] * expansion
    y = _convolution(x, f'{name}_widen', wide, 1)
    y = layers.ZeroPadding2D(1)(y)
    y = layers.DepthwiseConv2D(3, strides, use_bias=False, name=f'{name}_depthwise')(y)
    y = layers.ReLU()(layers.BatchNormalization(momentum=0.95)(y))
    if squeeze:
        y = _weight_channels(y, squeeze)
    y = _convolution(y, f'{name}_narrow', filters, 1, relu=False)
    return layers.Add()([x, y]) if x.shape == y.shape else y


def _weight_channels(x, reduction: int):
    """Weight channels by what the means of all tell (squeeze-excite, Hu et al., 2018)."""
    channels = x.shape[-1]
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = layers.Conv2D(channels // reduction, 1, activation='relu')(y)
    return layers.Multiply()([x, layers.Conv2D(channels, 1, activation='sigmoid')(y)])


def _block(x, name: str, filters: int, strides: int, kind: str, ranks, squeeze: int | None):
    """Return the output of a block of one of `BLOCKS`."""
    if kind == 'residual':
        return _residual_block(x, name, filters, strides, ranks, squeeze)
    if kind == 'inverted':
        return _inverted_residual_block(x, name, filters, strides, _EXPANSION, squeeze)
    if kind == 'foldable':
        return _foldable_block(x, name, filters, strides)
    return _convolution(x, name, filters, strides=strides)


def expression_net(
    stem: int = 16,
    widths: tuple[int, ...] = (32, 64, 128, 256),
    depths: tuple[int, ...] = (1, 1, 1, 1),
    ranks: tuple[tuple[int | None, int | None], ...] | None = None,
    dropout: float = 0.4,
    heads: tuple[str, ...] = HEADS,
    blocks: str = BLOCKS[0],
    stem_strides: int = 1,
    squeeze: int | None = None,
) -> keras.Model:
    """
    Return a small network with a shared trunk and one linear head each.

    The stem is narrow because it runs at full resolution. The defaults give 1.2 M parameters and
    33 M multiplications a face.

    Args:
        stem: filters of the first convolution.
        widths: filters of the stages; each stage first halves the resolution.
        depths: blocks of each stage.
        ranks: of the two 3x3 convolutions in each residual block of a stage: each is preceded by a
            linear 1x1 convolution to so many channels; None for full convolutions.
        dropout: rate on the pooled features.
        heads: a subset of `HEADS`.
        blocks: one of `BLOCKS`.
        stem_strides: of the first convolution, which runs at 48x48 with 1 and at 24x24 with 2.
        squeeze: residual and inverted blocks weight their channels by a hidden layer of so many
            times fewer; None for no such weights.

    Returns:
        A model from float32 [N, 48, 48, 1] in 0..255 to ``{head: [N, 7]}`` logits, in the order of
        EMOTIONS.

    """
    inputs = keras.Input((48, 48, 1), name='face')
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = _convolution(x, 'stem', stem, strides=stem_strides)
    ranks = ranks or ((None, None),) * len(widths)
    stages = zip(widths, depths, ranks, strict=True)
    for stage, (width, depth, stage_ranks) in enumerate(stages, 1):
        for block in range(1, depth + 1):
            name = f'stage{stage}_block{block}'
            strides = 2 if block == 1 else 1
            x = _block(x, name, width, strides, blocks, stage_ranks, squeeze)
    x = layers.GlobalAveragePooling2D(name=FEATURES)(x)
    x = layers.Dropout(dropout)(x)
    outputs = {name: layers.Dense(len(EMOTIONS), dtype='float32', name=name)(x) for name in heads}
    return keras.Model(inputs, outputs, name='expression_net')


def fold(model: keras.Model, **network_args) -> keras.Model:
    """
    Return a network of foldable blocks as one of plain convolutions, which computes the same.

    Args:
        model: `expression_net` with ``blocks='foldable'``.
        network_args: that it was made with.

    """
    folded = expression_net(**network_args | {'blocks': 'plain'})
    names = {layer.name for layer in model.layers}
    for layer in folded.layers:
        block = layer.name.removesuffix(f'_{CONVOLUTION}')
        if not (layer.name.endswith(f'_{CONVOLUTION}') and block.startswith('stage')):
            continue
        kernel, bias = _normalized(model, f'{block}_square')
        point, point_bias = _normalized(model, f'{block}_point')
        kernel[1:2, 1:2] += point
        bias += point_bias
        if f'{block}_{NORMALIZATION}' in names:
            scale, shift = _scale_and_shift(model.get_layer(f'{block}_{NORMALIZATION}'))
            kernel[1, 1] += np.diag(scale)
            bias += shift
        normalization = folded.get_layer(f'{block}_{NORMALIZATION}')
        layer.set_weights([kernel])
        scale = np.sqrt(1 + normalization.epsilon)
        normalization.set_weights(
            [np.full_like(bias, scale), bias, np.zeros_like(bias), np.ones_like(bias)]
        )
    for name in ('stem_convolution', 'stem_normalization', *folded.output_names):
        folded.get_layer(name).set_weights(model.get_layer(name).get_weights())
    return folded


def _normalized(model: keras.Model, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel and bias of a convolution with its batch normalization."""
    (kernel,) = model.get_layer(f'{name}_{CONVOLUTION}').get_weights()
    scale, shift = _scale_and_shift(model.get_layer(f'{name}_{NORMALIZATION}'))
    return kernel * scale, shift


def _scale_and_shift(
    normalization: keras.layers.BatchNormalization,
) -> tuple[np.ndarray, np.ndarray]:
    gamma, beta, mean, variance = normalization.get_weights()
    scale = gamma / np.sqrt(variance + normalization.epsilon)
    return scale, beta - mean * scale


def multiplications(model: keras.Model) -> int:
    """Return the multiplications of the convolutions and dense layers for one face."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)):
            positions = math.prod(layer.output.shape[1:-1])
            total += math.prod(layer.kernel.shape) * positions
    return total


def _study_convolution(x, filters: int, activation: str, pool, normalize: bool, dropout: float):
    x = layers.Conv2D(filters, 3, padding='same')(x)
    if normalize:
        x = layers.BatchNormalization()(x)
    x = layers.Activation(activation)(x)
    x = pool(x)
    return layers.Dropout(dropout)(x) if dropout else x


def study_model(
    filters: tuple[int, ...],
    dense: tuple[int, ...],
    activation: str = 'relu',
    pooling: str = 'max',
    normalize: bool = True,
    conv_dropout: float = 0.0,
    dense_dropout: float = 0.0,
    head: str = 'fer2013',
) -> keras.Model:
    """
    Return a plain convolutional network of the founding study.

    3x3 convolutions, each followed by 2x2 pooling, then dense layers. The softmax over the seven
    expressions is part of the loss.

    Args:
        filters: of each convolution.
        dense: units of each hidden dense layer.
        activation: of all hidden layers.
        pooling: ``'max'`` or ``'average'``.
        normalize: batch normalization after each hidden layer.
        conv_dropout: rate after each pooling.
        dense_dropout: rate after each hidden dense layer.
        head: one of `HEADS`.

    Returns:
        A model from float32 [N, 48, 48, 1] in 0..255 to ``{head: [N, 7]}`` logits.

    """
    pool = {'max': layers.MaxPooling2D, 'average': layers.AveragePooling2D}[pooling]
    inputs = keras.Input((48, 48, 1), name='face')
    x = layers.Rescaling(1 / 255)(inputs)
    for count in filters:
        x = _study_convolution(x, count, activation, pool(2), normalize, conv_dropout)
    x = layers.Flatten()(x)
    for units in dense:
        x = layers.Dense(units)(x)
        if normalize:
            x = layers.BatchNormalization()(x)
        x = layers.Activation(activation)(x)
        if dense_dropout:
            x = layers.Dropout(dense_dropout)(x)
    outputs = {head: layers.Dense(len(EMOTIONS), dtype='float32', name=head)(x)}
    return keras.Model(inputs, outputs, name='study_model')
