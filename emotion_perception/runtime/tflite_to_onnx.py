# SPDX-License-Identifier: Apache-2.0
"""
Translate the network in a .tflite file into an ONNX model, which every version of OpenCV reads.

The file has the channels last, ONNX first: values with four axes are [N, C, H, W] in the ONNX
model, all others are as in the file. Everything is float32. An ONNX model is a protocol buffer;
the numbers of its fields and types are those of onnx/onnx.proto.
"""

from collections.abc import Sequence

import numpy as np

from emotion_perception.runtime.tflite_file import Graph, Operator

_IR_VERSION, _OPSET = 6, 11
_FLOAT, _INT64 = 1, 7
_FUSED: dict[int, tuple[str, tuple[int, ...]]] = {
    1: ('Relu', ()),
    2: ('Clip', (-1, 1)),
    3: ('Clip', (0, 6)),
    4: ('Tanh', ()),
}
"""Number of an activation that is part of another operator -> ONNX operator and limits."""
_FUSED_OPTION = {
    'ADD': 0,
    'AVERAGE_POOL_2D': 5,
    'CONCATENATION': 1,
    'CONV_2D': 3,
    'DEPTHWISE_CONV_2D': 4,
    'FULLY_CONNECTED': 0,
    'MAX_POOL_2D': 5,
    'MUL': 0,
}
"""Operator -> number of the option that names such an activation."""
_SIMPLE = {'ADD': 'Add', 'ELU': 'Elu', 'MUL': 'Mul', 'RELU': 'Relu'}
"""Operators that are the same whatever the order of the axes."""
_CONVOLUTIONS = ('CONV_2D', 'DEPTHWISE_CONV_2D')
_VALID = 1
"""Number of the padding that adds nothing."""


def to_onnx(graph: Graph) -> bytes:
    """
    Return the ONNX model of a network.

    Inputs and outputs have the names of `tensor_name`, and the channels first where they have
    four axes.

    Raises:
        LookupError, ValueError: if the network is damaged, or has operators that none of ours has.

    """
    return _Translation(graph).model()


def tensor_name(index: int) -> str:
    """Return the name in the ONNX model of the tensor with a number in the file."""
    return f't{index}'


class _Translation:
    """The nodes and constants of an ONNX model while they are written."""

    def __init__(self, graph: Graph):
        self._graph = graph
        self._nodes: list[bytes] = []
        self._stored: list[bytes] = []
        self._constants = [tensor.constant for tensor in graph.tensors]
        self._padded: dict[int, tuple[str, list[int]]] = {}

    def model(self) -> bytes:
        for operator in self._used_operators():
            if operator.name in _SIMPLE:
                inputs = [self._operand(index, operator) for index in operator.inputs]
                self._add(operator, _SIMPLE[operator.name], inputs)
                continue
            add = getattr(self, f'_add_{operator.name.lower()}', None)
            if add is None:
                raise ValueError(f'OpenCV cannot run it: the operator {operator.name} is unknown')
            add(operator)
        graph = b''.join(_field(1, node) for node in self._nodes) + _field(2, 'network')
        graph += b''.join(_field(5, constant) for constant in self._stored)
        graph += b''.join(_field(11, self._description(index)) for index in self._graph.inputs)
        graph += b''.join(_field(12, self._description(index)) for index in self._graph.outputs)
        opset = _field(1, '') + _field(2, _OPSET)
        return _field(1, _IR_VERSION) + _field(7, graph) + _field(8, opset)

    def _used_operators(self) -> list[Operator]:
        """Return the operators that the outputs depend on, less those that compute shapes."""
        needed, used = set(self._graph.outputs), []
        for operator in reversed(self._graph.operators):
            if needed.intersection(operator.outputs):
                used.append(operator)
                needed.update(operator.inputs[: 1 if operator.name == 'RESHAPE' else None])
        return used[::-1]

    def _description(self, index: int) -> bytes:
        """Return name, type and shape of an input or output."""
        shape = self._graph.tensors[index].shape
        if len(shape) == 4:
            shape = shape[0], shape[3], shape[1], shape[2]
        sizes = b''.join(_field(1, _field(1, size)) for size in shape)
        tensor_type = _field(1, _FLOAT) + _field(2, sizes)
        return _field(1, tensor_name(index)) + _field(2, _field(1, tensor_type))

    # operators

    def _add_dequantize(self, operator: Operator) -> None:
        source, target = operator.inputs[0], operator.outputs[0]
        self._constants[target] = self._constants[source]
        if self._constants[source] is None:
            self._add(operator, 'Identity', [tensor_name(source)])

    # constants are dense and float32 as they are read, and computed values are float32
    _add_densify = _add_quantize = _add_dequantize

    def _add_conv_2d(self, operator: Operator) -> None:
        weights = self._constant(operator.inputs[1]).transpose(0, 3, 1, 2)
        dilations = operator.option(5, 1), operator.option(4, 1)
        self._add_convolution(operator, weights, dilations, groups=1)

    def _add_depthwise_conv_2d(self, operator: Operator) -> None:
        weights = self._constant(operator.inputs[1]).transpose(3, 0, 1, 2)
        dilations = operator.option(6, 1), operator.option(5, 1)
        groups = self._shape(operator.inputs[0])[3]
        self._add_convolution(operator, weights, dilations, groups)

    def _add_convolution(
        self, operator: Operator, weights: np.ndarray, dilations: Sequence[int], groups: int
    ) -> None:
        kernel, strides = weights.shape[2:], (operator.option(2), operator.option(1))
        source, pads = self._padded.get(operator.inputs[0]) or (
            tensor_name(operator.inputs[0]),
            self._pads(operator, kernel, strides, dilations),
        )
        self._add(
            operator,
            'Conv',
            [source, self._store(weights), *self._biases(operator)],
            kernel_shape=kernel,
            strides=strides,
            dilations=dilations,
            group=groups,
            pads=pads,
        )

    def _add_average_pool_2d(self, operator: Operator, kind: str = 'AveragePool') -> None:
        kernel = operator.option(4), operator.option(3)
        strides = operator.option(2), operator.option(1)
        pads = self._pads(operator, kernel, strides, (1, 1))
        inputs = [tensor_name(operator.inputs[0])]
        self._add(operator, kind, inputs, kernel_shape=kernel, strides=strides, pads=pads)

    def _add_max_pool_2d(self, operator: Operator) -> None:
        self._add_average_pool_2d(operator, 'MaxPool')

    def _pads(
        self,
        operator: Operator,
        kernel: Sequence[int],
        strides: Sequence[int],
        dilations: Sequence[int],
    ) -> list[int]:
        """Return how much an operator pads its input at top, left, bottom and right."""
        if operator.option(0, code='b') == _VALID:
            return [0] * 4
        before, after = [], []
        for size, length, stride, dilation in zip(
            self._shape(operator.inputs[0])[1:3], kernel, strides, dilations, strict=True
        ):
            steps = -(-size // stride) - 1
            total = max(steps * stride + (length - 1) * dilation + 1 - size, 0)
            before.append(total // 2)
            after.append(total - total // 2)
        return before + after

    def _add_pad(self, operator: Operator) -> None:
        source, target = tensor_name(operator.inputs[0]), operator.outputs[0]
        pads = self._constant(operator.inputs[1])
        if len(pads) == 4:
            pads = pads[[0, 3, 1, 2]]
            users = [other for other in self._graph.operators if target in other.inputs]
            convolved = [
                user.name in _CONVOLUTIONS and user.option(0, code='b') == _VALID for user in users
            ]
            if convolved and all(convolved) and not pads[:2].any():
                # the convolutions pad, which is faster
                self._padded[target] = source, pads[2:].T.ravel().tolist()
                return
        self._add(operator, 'Pad', [source, self._store_integers(pads.T.ravel())])

    def _add_fully_connected(self, operator: Operator) -> None:
        if len(self._shape(operator.outputs[0])) != 2:
            raise ValueError('a dense layer must have an output of two axes')
        weights = self._constant(operator.inputs[1])
        flat = self._reshaped(operator.inputs[0], (-1, weights.shape[1]))
        inputs = [flat, self._store(weights), *self._biases(operator)]
        self._add(operator, 'Gemm', inputs, transB=1)

    def _add_mean(self, operator: Operator) -> None:
        source, shape = operator.inputs[0], self._shape(operator.outputs[0])
        axes = self._constant(operator.inputs[1]).ravel().tolist()
        if len(self._shape(source)) != 4 or sorted(axis % 4 for axis in axes) != [1, 2]:
            raise ValueError(f'a mean must be that of an image, not over the axes {axes}')
        if len(shape) == 4:
            self._add(operator, 'GlobalAveragePool', [tensor_name(source)])
            return
        pooled = self._node('GlobalAveragePool', [tensor_name(source)])
        self._add(operator, 'Reshape', [pooled, self._store_integers(shape)])

    def _add_reshape(self, operator: Operator) -> None:
        shape = self._shape(operator.outputs[0])
        flat = self._reshaped(operator.inputs[0], shape)
        if len(shape) == 4:
            self._add(operator, 'Transpose', [flat], perm=(0, 3, 1, 2))
        else:
            self._add(operator, 'Identity', [flat])

    def _add_pack(self, operator: Operator) -> None:
        axis, shape = operator.option(1), list(self._shape(operator.outputs[0]))
        if len(shape) == 4:
            raise ValueError('images cannot be packed')
        shape[axis] = 1
        parts = [self._reshaped(index, shape) for index in operator.inputs]
        self._add(operator, 'Concat', parts, axis=axis)

    def _add_concatenation(self, operator: Operator) -> None:
        rank = len(self._shape(operator.outputs[0]))
        axis = operator.option(0) % rank
        parts = [self._operand(index, operator) for index in operator.inputs]
        self._add(operator, 'Concat', parts, axis=(0, 2, 3, 1)[axis] if rank == 4 else axis)

    def _add_prelu(self, operator: Operator) -> None:
        slopes = self._constant(operator.inputs[1]).reshape(-1, 1, 1)
        if len(slopes) != self._shape(operator.inputs[0])[-1]:
            raise ValueError('a slope must be that of a channel')
        self._add(operator, 'PRelu', [tensor_name(operator.inputs[0]), self._store(slopes)])

    def _add_resize_bilinear(self, operator: Operator) -> None:
        before, after = self._shape(operator.inputs[0]), self._shape(operator.outputs[0])
        scales = np.array([1, 1, after[1] / before[1], after[2] / before[2]], np.float32)
        align_corners, half_pixel = operator.option(2, code='b'), operator.option(3, code='b')
        mode = 'align_corners' if align_corners else 'half_pixel' if half_pixel else 'asymmetric'
        no_region = self._store(np.empty(0, np.float32))
        inputs = [tensor_name(operator.inputs[0]), no_region, self._store(scales)]
        self._add(operator, 'Resize', inputs, mode='linear', coordinate_transformation_mode=mode)

    def _add_depth_to_space(self, operator: Operator) -> None:
        inputs = [tensor_name(operator.inputs[0])]
        self._add(operator, 'DepthToSpace', inputs, blocksize=operator.option(0), mode='DCR')

    # values

    def _shape(self, index: int) -> tuple[int, ...]:
        return self._graph.tensors[index].shape

    def _constant(self, index: int) -> np.ndarray:
        value = self._constants[index]
        if value is None:
            raise ValueError('weights must be constant')
        return value

    def _biases(self, operator: Operator) -> list[str]:
        """Return the stored biases of an operator in a list, which is empty if it has none."""
        return [self._store(self._constant(i)) for i in operator.inputs[2:3] if i >= 0]

    def _operand(self, index: int, operator: Operator) -> str:
        """Return the name of a value; a constant gets as many axes as the result has."""
        value = self._constants[index]
        if value is None:
            return tensor_name(index)
        rank = len(self._shape(operator.outputs[0]))
        value = value.reshape((1,) * (rank - value.ndim) + value.shape)
        return self._store(value.transpose(0, 3, 1, 2) if rank == 4 else value)

    def _reshaped(self, index: int, shape: Sequence[int]) -> str:
        """Return the name of a value with its axes as in the file, in another shape."""
        name = tensor_name(index)
        if len(self._shape(index)) == 4:
            name = self._node('Transpose', [name], perm=(0, 2, 3, 1))
        return self._node('Reshape', [name, self._store_integers(shape)])

    # nodes and constants of the model

    def _add(self, operator: Operator, kind: str, inputs: Sequence[str], **attributes) -> None:
        """Add an operator and the activation that is part of it."""
        target, option = tensor_name(operator.outputs[0]), _FUSED_OPTION.get(operator.name)
        fused = 0 if option is None else operator.option(option, code='b')
        if not fused:
            self._node(kind, inputs, target, **attributes)
            return
        activation, limits = _FUSED[fused]
        ends = [self._store(np.array(limit, np.float32)) for limit in limits]
        self._node(activation, [self._node(kind, inputs, **attributes), *ends], target)

    def _node(self, kind: str, inputs: Sequence[str], output: str = '', **attributes) -> str:
        """Add a node; return the name of its output."""
        output = output or f'n{len(self._nodes)}'
        node = b''.join(_field(1, name) for name in inputs)
        node += _field(2, output) + _field(3, output) + _field(4, kind)
        node += b''.join(_field(5, _attribute(*item)) for item in attributes.items())
        self._nodes.append(node)
        return output

    def _store(self, values: np.ndarray) -> str:
        """Store a constant, float32 or int64; return its name."""
        name = f'c{len(self._stored)}'
        sizes = b''.join(_field(1, size) for size in values.shape)
        kind = _field(2, _INT64 if values.dtype == np.int64 else _FLOAT)
        self._stored.append(sizes + kind + _field(8, name) + _field(9, values.tobytes()))
        return name

    def _store_integers(self, values: Sequence[int] | np.ndarray) -> str:
        return self._store(np.array(values, np.int64))


def _attribute(name: str, value: int | str | Sequence[int]) -> bytes:
    """Return an attribute of a node."""
    if isinstance(value, str):
        return _field(1, name) + _field(4, value) + _field(20, 3)
    if isinstance(value, int):
        return _field(1, name) + _field(3, value) + _field(20, 2)
    return _field(1, name) + b''.join(_field(8, number) for number in value) + _field(20, 7)


def _field(number: int, value: int | str | bytes) -> bytes:
    """Return a field of a protocol buffer: a number, or a text or message with its length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first."""
    value, groups = value % 2**64, bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])
