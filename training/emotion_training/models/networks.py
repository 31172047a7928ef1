# SPDX-License-Identifier: Apache-2.0
"""The recipes' networks: float32 [N, 48, 48, 1], gray 0..255, to logits of each head."""

import keras
from keras import layers

from emotion_perception.emotions import EMOTIONS

NARROWING, CONVOLUTION, NORMALIZATION = 'narrowing', 'convolution', 'normalization'
"""Last words of the layers' names in `expression_net`."""
HEADS = ('crowd', 'fer2013')
"""The heads: the distribution of the FER+ votes, and FER2013's own label."""
FEATURES = 'features'
"""Name of the layer that all heads of `expression_net` look at."""


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
    x, name: str, filters: int, strides: int, ranks: tuple[int | None, int | None]
):
    """Add two 3x3 convolutions to a shortcut (He et al., 2016; pooled: He et al., 2019)."""
    shortcut = x
    if strides > 1:
        shortcut = layers.AveragePooling2D(strides)(shortcut)
    if x.shape[-1] != filters:
        shortcut = _convolution(shortcut, f'{name}_shortcut', filters, kernel=1, relu=False)
    y = _convolution(x, f'{name}_first', filters, strides=strides, rank=ranks[0])
    y = _convolution(y, f'{name}_second', filters, relu=False, rank=ranks[1])
    return layers.ReLU()(layers.Add()([shortcut, y]))


def expression_net(
    stem: int = 16,
    widths: tuple[int, ...] = (32, 64, 128, 256),
    depths: tuple[int, ...] = (1, 1, 1, 1),
    ranks: tuple[tuple[int | None, int | None], ...] | None = None,
    dropout: float = 0.4,
    heads: tuple[str, ...] = HEADS,
) -> keras.Model:
    """
    Return a small residual network with a shared trunk and one linear head each.

    The stem is narrow because it runs at full resolution. The defaults give 1.2 M parameters and
    20 M multiplications a face.

    Args:
        stem: filters of the convolution at 48x48.
        widths: filters of the stages; each stage first halves the resolution.
        depths: residual blocks of each stage.
        ranks: of the two 3x3 convolutions in each block of a stage: each is preceded by a linear
            1x1 convolution to so many channels; None for full convolutions.
        dropout: rate on the pooled features.
        heads: a subset of `HEADS`.

    Returns:
        A model from float32 [N, 48, 48, 1] in 0..255 to ``{head: [N, 7]}`` logits, in the order of
        EMOTIONS.

    """
    inputs = keras.Input((48, 48, 1), name='face')
    x = layers.Rescaling(1 / 127.5, -1)(inputs)
    x = _convolution(x, 'stem', stem)
    ranks = ranks or ((None, None),) * len(widths)
    stages = zip(widths, depths, ranks, strict=True)
    for stage, (width, depth, stage_ranks) in enumerate(stages, 1):
        for block in range(1, depth + 1):
            strides = 2 if block == 1 else 1
            x = _residual_block(x, f'stage{stage}_block{block}', width, strides, stage_ranks)
    x = layers.GlobalAveragePooling2D(name=FEATURES)(x)
    x = layers.Dropout(dropout)(x)
    outputs = {name: layers.Dense(len(EMOTIONS), dtype='float32', name=name)(x) for name in heads}
    return keras.Model(inputs, outputs, name='expression_net')


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
