# SPDX-License-Identifier: Apache-2.0
"""Load and run LiteRT networks."""

import errno
import stat
from pathlib import Path

import numpy as np

from emotion_perception.errors import ModelError

MAX_MODEL_BYTES = 2**31 - 1
"""A .tflite file is a flatbuffer, which cannot be larger."""


class Network:
    """
    A LiteRT network with one input; not safe for use from two threads at once.

    Attributes:
        input_shape: of the input, batch first.

    """

    def __init__(self, model: bytes, name: str, threads: int = 1):
        """
        Load the network.

        Args:
            model: contents of a .tflite file.
            name: for error messages, usually the file's path.
            threads: of the interpreter.

        Raises:
            ImportError: if LiteRT is not installed, or cannot be loaded.
            ModelError: if `model` is not a LiteRT network that runs.

        """
        from ai_edge_litert.interpreter import Interpreter

        check_signature(model, name)
        try:
            self._interpreter = Interpreter(model_content=model, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ModelError(f'{name} cannot be loaded: {str(error).strip()}') from None
        inputs = self._interpreter.get_input_details()
        if len(inputs) != 1:
            raise ModelError(f'{name} has {len(inputs)} inputs, expected one')
        self._input = inputs[0]['index']
        self._outputs = [detail['index'] for detail in self._interpreter.get_output_details()]
        self.input_shape = tuple(int(size) for size in inputs[0]['shape'])

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """Shape of each output for the current input shape."""
        return [tuple(map(int, d['shape'])) for d in self._interpreter.get_output_details()]

    def resize(self, shape: tuple[int, ...]) -> None:
        """Allocate tensors for another input shape, usually another batch size."""
        self._interpreter.resize_tensor_input(self._input, shape)
        self._interpreter.allocate_tensors()
        self.input_shape = shape

    def __call__(self, values: np.ndarray) -> list[np.ndarray]:
        """Return the outputs for an input of `input_shape`, in the order of the file."""
        self._interpreter.set_tensor(self._input, values)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


def check_signature(model: bytes, name: str) -> None:
    """
    Check that `model` starts as a .tflite file does.

    Raises:
        ModelError: if it does not.

    """
    if model[4:8] != b'TFL3':
        raise ModelError(f'{name} is not a LiteRT (.tflite) file')


def read_model(path: Path) -> bytes:
    """
    Return the contents of a model file.

    Raises:
        ModelError: if it cannot be read.

    """
    try:
        return read_file(path, MAX_MODEL_BYTES)
    except OSError as error:
        raise ModelError(f'{path} cannot be read: {error.strerror}') from None


def read_file(path: Path, max_bytes: int) -> bytes:
    """
    Return the contents of a regular file of limited size.

    Raises:
        OSError: with `strerror`, if it cannot be read, is a pipe or device, which could block, or
            is larger than `max_bytes`.

    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, 'it is not a regular file', str(path))
    if status.st_size > max_bytes:
        raise OSError(errno.EFBIG, f'it is too large, {status.st_size} bytes', str(path))
    return path.read_bytes()
