# SPDX-License-Identifier: Apache-2.0
"""
Read the network in a .tflite file without LiteRT.

Such a file is a flatbuffer. The numbers of fields, operators and types are those of
tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

_OPERATORS = {
    0: 'ADD',
    1: 'AVERAGE_POOL_2D',
    2: 'CONCATENATION',
    3: 'CONV_2D',
    4: 'DEPTHWISE_CONV_2D',
    5: 'DEPTH_TO_SPACE',
    6: 'DEQUANTIZE',
    9: 'FULLY_CONNECTED',
    17: 'MAX_POOL_2D',
    18: 'MUL',
    19: 'RELU',
    22: 'RESHAPE',
    23: 'RESIZE_BILINEAR',
    34: 'PAD',
    40: 'MEAN',
    54: 'PRELU',
    83: 'PACK',
    111: 'ELU',
    114: 'QUANTIZE',
    124: 'DENSIFY',
}
"""Number -> name of the operators of our networks."""
_DTYPES = {0: '<f4', 1: '<f2', 2: '<i4', 3: 'u1', 4: '<i8', 7: '<i2', 9: 'i1'}
_INDEX_DTYPES = {1: '<i4', 2: '<u2', 3: 'u1'}
"""Of the vectors that say where the values of a sparse tensor are."""
_MOST_VALUES = 2**26
"""Of a sparse tensor, whose size is not limited by that of the file."""


class Table:
    """A table of a flatbuffer, whose fields have numbers."""

    def __init__(self, data: bytes, at: int):
        """Open the table at a position of `data`."""
        self._data, self._at = data, at
        self._fields_at = at - self._read('i', at)
        self._fields_end = self._fields_at + self._read('H', self._fields_at)

    def number(self, field: int, default: int = 0, code: str = 'i') -> Any:
        """Return a number, stored as `code` of the module struct."""
        at = self._find(field)
        return self._read(code, at) if at else default

    def array(self, field: int, dtype: str) -> np.ndarray:
        """Return a vector of numbers; empty if it is missing."""
        at = self._find(field)
        if not at:
            return np.empty(0, dtype)
        at += self._read('I', at)
        return np.frombuffer(self._data, dtype, self._read('I', at), at + 4)

    def table(self, field: int) -> 'Table | None':
        """Return a table; None if it is missing."""
        at = self._find(field)
        return Table(self._data, at + self._read('I', at)) if at else None

    def tables(self, field: int) -> list['Table']:
        """Return a vector of tables; empty if it is missing."""
        at = self._find(field)
        if not at:
            return []
        at += self._read('I', at) + 4
        offsets = self.array(field, '<u4').tolist()
        return [Table(self._data, at + 4 * i + offset) for i, offset in enumerate(offsets)]

    def _find(self, field: int) -> int:
        """Return the position of a field; 0 if it is missing."""
        entry = self._fields_at + 4 + 2 * field
        offset = self._read('H', entry) if entry < self._fields_end else 0
        return self._at + offset if offset else 0

    def _read(self, code: str, at: int) -> int:
        return struct.unpack_from('<' + code, self._data, at)[0]


@dataclass(frozen=True)
class Tensor:
    """
    A value in a network.

    Attributes:
        shape: as in the file, channels last.
        dtype: NumPy type in the file.
        constant: its value if it is not computed: integers, or float32 without sparsity and
            quantization.

    """

    shape: tuple[int, ...]
    dtype: np.dtype
    constant: np.ndarray | None


@dataclass(frozen=True)
class Operator:
    """
    A step of a network.

    Attributes:
        name: that of the schema, or its number if none of our networks uses it.
        inputs: numbers of tensors; -1 stands for an input that is left out.
        outputs: numbers of tensors.
        options: None if all have their defaults.

    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None

    def option(self, field: int, default: int = 0, code: str = 'i') -> int:
        """Return an option by its number in the schema, stored as `code` of the module struct."""
        return self.options.number(field, default, code) if self.options else default


@dataclass(frozen=True)
class Graph:
    """
    The network in a file.

    Attributes:
        tensors: by number.
        operators: in the order in which they run.
        inputs: numbers of tensors.
        outputs: numbers of tensors.

    """

    tensors: list[Tensor]
    operators: list[Operator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_graph(model: bytes) -> Graph:
    """
    Return the network in the contents of a .tflite file.

    Raises:
        struct.error, LookupError, ValueError: if the file is damaged.

    """
    root = Table(model, struct.unpack_from('<I', model)[0])
    graph = root.tables(2)[0]
    buffers = [buffer.array(0, 'u1') for buffer in root.tables(4)]
    # files of the first versions have the byte only
    codes = [max(code.number(3), code.number(0, code='b')) for code in root.tables(1)]
    operators = []
    for operator in graph.tables(3):
        code = codes[operator.number(0, code='I')]
        name = _OPERATORS.get(code, f'number {code}')
        inputs, outputs = _integers(operator, 1), _integers(operator, 2)
        operators.append(Operator(name, inputs, outputs, operator.table(4)))
    tensors = [_read_tensor(tensor, buffers) for tensor in graph.tables(0)]
    return Graph(tensors, operators, _integers(graph, 1), _integers(graph, 2))


def multiplications(graph: Graph) -> int:
    """Return how many the convolutions and dense layers of a network do for one image."""
    total, batch = 0, 1
    for operator in graph.operators:
        if operator.name in ('CONV_2D', 'DEPTHWISE_CONV_2D', 'FULLY_CONNECTED'):
            weights = graph.tensors[operator.inputs[1]].shape
            positions = graph.tensors[operator.outputs[0]].shape[1:-1]
            total += batch * math.prod(weights) * math.prod(positions)
        elif operator.name == 'CONCATENATION' and operator.option(0) == 0:
            # an image and its mirror image, of which the shapes in the file say nothing
            batch *= len(operator.inputs)
    return total


def _integers(table: Table, field: int) -> tuple[int, ...]:
    return tuple(table.array(field, '<i4').tolist())


def _read_tensor(tensor: Table, buffers: list[np.ndarray]) -> Tensor:
    shape, dtype = _integers(tensor, 0), np.dtype(_DTYPES[tensor.number(1, code='b')])
    stored = buffers[tensor.number(2, code='I')]
    if not len(stored):
        return Tensor(shape, dtype, None)
    values = stored.view(dtype)
    sparsity, quantization = tensor.table(6), tensor.table(4)
    values = _densify(values, shape, sparsity) if sparsity else values.reshape(shape)
    scales = quantization.array(2, '<f4') if quantization else np.empty(0)
    if quantization and len(scales):
        along = [1] * len(shape)
        if len(scales) > 1:
            along[quantization.number(6)] = -1
        zeros = quantization.array(3, '<i8').reshape(along)
        values = (values - zeros).astype(np.float32) * scales.reshape(along)
    elif dtype.kind == 'f':
        values = values.astype(np.float32)
    return Tensor(shape, dtype, values)


def _densify(values: np.ndarray, shape: tuple[int, ...], sparsity: Table) -> np.ndarray:
    """
    Return a sparse tensor with its zeros.

    Its axes are stored in some order, and after them the axes of blocks, if some of them are
    divided into blocks. Of each axis all indices are there, or those in a list for each index of
    the axis before.
    """
    order, blocks = sparsity.array(0, '<i4'), sparsity.array(1, '<i4')
    block_sizes = [1] * len(blocks)
    places = np.zeros((1, 0), np.int64)
    for axis, stored in zip(order.tolist(), sparsity.tables(2), strict=True):
        if stored.number(0, code='b') == 0:
            size = stored.number(1)
            if len(places) * size > _MOST_VALUES:
                raise ValueError(f'a sparse tensor of shape {shape} is too large')
            indices = np.tile(np.arange(size), len(places))
            places = np.repeat(places, size, axis=0)
            if axis >= len(shape):
                block_sizes[axis - len(shape)] = size
        else:
            starts, indices = _index_vector(stored, 2), _index_vector(stored, 4)
            places = np.repeat(places, np.diff(starts), axis=0)
        places = np.column_stack((places, indices))
    places = places[:, np.argsort(order)]
    for number, (axis, size) in enumerate(zip(blocks.tolist(), block_sizes, strict=True)):
        places[:, axis] = places[:, axis] * size + places[:, len(shape) + number]
    if math.prod(shape) > _MOST_VALUES:
        raise ValueError(f'a sparse tensor of shape {shape} is too large')
    dense = np.zeros(shape, values.dtype)
    dense[tuple(places[:, : len(shape)].T)] = values
    return dense


def _index_vector(axis: Table, field: int) -> np.ndarray:
    """Return one of the two vectors of an axis; the number of its type is the field before."""
    vector = axis.table(field + 1)
    if vector is None:
        raise ValueError('a sparse tensor has no indices')
    return vector.array(0, _INDEX_DTYPES[axis.number(field, code='B')]).astype(np.int64)
