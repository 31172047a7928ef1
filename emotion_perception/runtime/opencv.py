# SPDX-License-Identifier: Apache-2.0
"""Run LiteRT networks with OpenCV, where LiteRT is missing."""

import struct

import cv2
import numpy as np

from emotion_perception.errors import ModelError
from emotion_perception.runtime.litert import check_signature
from emotion_perception.runtime.tflite_file import read_graph
from emotion_perception.runtime.tflite_to_onnx import tensor_name, to_onnx


class OpenCVNetwork:
    """
    A LiteRT network that OpenCV runs; not safe for use from two threads at once.

    It is used like `litert.Network`. Weights and activations are float32, also where LiteRT
    rounds them to eight bits. OpenCV's threads are those of the process (`cv2.setNumThreads`).

    Attributes:
        input_shape: of the input, batch first.
        output_shapes: of each output for the current input shape.

    """

    def __init__(self, model: bytes, name: str):
        """
        Load the network.

        Args:
            model: contents of a .tflite file.
            name: for error messages, usually the file's path.

        Raises:
            ModelError: if `model` is not a LiteRT network that OpenCV can run.

        """
        check_signature(model, name)
        try:
            graph = read_graph(model)
            self._net = cv2.dnn.readNetFromONNX(np.frombuffer(to_onnx(graph), np.uint8))
            if len(graph.inputs) != 1:
                raise ModelError(f'{name} has {len(graph.inputs)} inputs, expected one')
            if graph.tensors[graph.inputs[0]].dtype != np.float32:
                raise ValueError('its input is not float32')
            self._names = [tensor_name(index) for index in graph.outputs]
            self.input_shape = graph.tensors[graph.inputs[0]].shape
            self.output_shapes = [graph.tensors[index].shape for index in graph.outputs]
            outputs = self(np.zeros(self.input_shape, np.float32))
            if [output.shape for output in outputs] != self.output_shapes:
                raise ValueError(f'its outputs are not of the shapes {self.output_shapes}')
        except (LookupError, MemoryError, ValueError, cv2.error, struct.error) as error:
            raise ModelError(f'{name} cannot be loaded by OpenCV: {str(error).strip()}') from None

    def resize(self, shape: tuple[int, ...]) -> None:
        """Accept another batch size; the items of a batch are computed one after the other."""
        self.output_shapes = [(shape[0], *output[1:]) for output in self.output_shapes]
        self.input_shape = shape

    def __call__(self, values: np.ndarray) -> list[np.ndarray]:
        """
        Return the outputs for an input of `input_shape`, in the order of the file.

        Raises:
            ValueError: if the input has another shape.

        """
        if values.shape != self.input_shape:
            raise ValueError(f'the input has the shape {values.shape}, not {self.input_shape}')
        results = [self._run(item[None]) for item in values]
        return [np.concatenate(outputs) for outputs in zip(*results, strict=True)]

    def _run(self, values: np.ndarray) -> list[np.ndarray]:
        if values.ndim == 4:
            values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        self._net.setInput(values)
        outputs = self._net.forward(self._names)
        return [o.transpose(0, 2, 3, 1) if o.ndim == 4 else o for o in outputs]
