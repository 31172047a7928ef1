# SPDX-License-Identifier: Apache-2.0
"""Classify the expressions of aligned faces."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from emotion_perception.emotions import EMOTIONS, label_order
from emotion_perception.errors import ModelError
from emotion_perception.runtime.litert import check_signature, read_model
from emotion_perception.runtime.metadata import HEADS, ModelMetadata, read_metadata, verify_sha256
from emotion_perception.runtime.network import open_network

DEFAULT_MODEL = Path(__file__).with_name('models') / 'expression_net.tflite'
_KERAS_SUFFIXES = ('.keras', '.h5')


class _Backend(Protocol):
    """Computes logits: uint8 [N, 48, 48] -> float32 [N, heads, 7]."""

    def logits(self, faces: np.ndarray) -> np.ndarray: ...


class _LiteRTBackend:
    """Runs a .tflite file; a change of the batch size reallocates its tensors."""

    def __init__(self, path: Path, model: bytes, metadata: ModelMetadata, threads: int):
        verify_sha256(metadata, model, path)
        self._network = open_network(model, str(path), threads)
        side = int(metadata.input['side_px'])
        if self._network.input_shape[1:] != (side, side, 1) or side != 48:
            raise ModelError(
                f'{path} takes input of shape {self._network.input_shape}, expected (N, 48, 48, 1)'
            )
        shape, heads = self._network.output_shapes[0], len(metadata.heads)
        if shape[1:] != (heads, len(EMOTIONS)):
            raise ModelError(f'{path} has output of shape {shape}, expected (N, {heads}, 7)')

    def logits(self, faces: np.ndarray) -> np.ndarray:
        if self._network.input_shape[0] != len(faces):
            self._network.resize((len(faces), *self._network.input_shape[1:]))
        return self._network(faces[..., None].astype(np.float32))[0]


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return (powers / powers.sum(-1, keepdims=True)).astype(np.float32)


class EmotionClassifier:
    """
    Classifies aligned faces; create it with `load`. Not for two threads at once.

    Attributes:
        labels: `EMOTIONS`, whatever the order of the model's outputs.
        metadata: of the model.
        head: output in use.
        neutral: mean `adaptation.log_probabilities` of neutral faces, float [7]; None if the
            model's json does not state it.
        remark: what its owner should know of the model; empty if there is nothing.

    """

    labels = EMOTIONS

    def __init__(self, backend: _Backend, metadata: ModelMetadata, head: str, remark: str = ''):
        """Use `load` instead."""
        self._backend = backend
        self._head_index = metadata.heads.index(head)
        self._temperature = float(metadata.temperature[head])
        self._offset = np.array(metadata.offset.get(head, [0.0] * len(EMOTIONS)), np.float32)
        neutral = metadata.neutral.get(head)
        self.neutral = None if neutral is None else np.array(neutral)
        self._order = [metadata.labels.index(label) for label in EMOTIONS]
        self.metadata, self.head, self.remark = metadata, head, remark

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        head: str = HEADS[0],
        threads: int = 1,
        labels: str | Sequence[str] = (),
    ) -> 'EmotionClassifier':
        """
        Load a model.

        Args:
            path: a .tflite file with its json beside it (same name), or a .keras or .h5 file,
                which needs TensorFlow; None is the model of this package.
            head: ``'crowd'`` is what people would say they see, ``'fer2013'`` is FER2013's own
                labels. Ignored by a model with a single head.
            threads: of the network, see `runtime.network.open_network`.
            labels: order of the model's outputs, see `emotions.label_order`; empty takes that of
                the json.

        Raises:
            ModelError: if the file is missing, damaged or does not fit its metadata.
            ValueError: if the model has no such head, or the labels are not the seven.

        """
        path = DEFAULT_MODEL if path is None or not str(path) else Path(path)
        backend: _Backend
        remark = ''
        if path.suffix in _KERAS_SUFFIXES:
            from emotion_perception.runtime.keras import load_keras

            backend, metadata, says_order = load_keras(path)
            if not says_order and not labels:
                remark = (
                    f'{path} does not say the order of its outputs, which is taken to be '
                    f'{", ".join(EMOTIONS)}; a model of the codes in fer2013.csv needs '
                    f'{{"labels": "fer2013"}} in {path.with_suffix(".json").name}, '
                    'or --labels fer2013'
                )
        elif not path.is_file():
            raise ModelError(f'there is no model file {path}')
        else:
            model = read_model(path)
            check_signature(model, str(path))
            metadata = read_metadata(path.with_suffix('.json'))
            backend = _LiteRTBackend(path, model, metadata, threads)
        if len(metadata.heads) == 1:
            head = metadata.heads[0]
        if head not in metadata.heads:
            raise ValueError(f'{path} has no head {head!r}; it has {", ".join(metadata.heads)}')
        if labels:
            metadata = dataclasses.replace(metadata, labels=label_order(labels))
        return cls(backend, metadata, head, remark)

    def classify(self, faces: np.ndarray) -> np.ndarray:
        """
        Return the calibrated probabilities of `EMOTIONS` for each face.

        Args:
            faces: uint8 [N, 48, 48], grayscale, aligned as by `alignment.crop_face`; N may be 0.

        Returns:
            float32 [N, 7]; each row sums to 1.

        Raises:
            ValueError: if `faces` has another shape or type.

        """
        if faces.ndim != 3 or faces.shape[1:] != (48, 48) or faces.dtype != np.uint8:
            raise ValueError(
                'faces must be uint8 of shape (N, 48, 48), '
                f'not {faces.dtype} of shape {faces.shape}'
            )
        if not len(faces):
            return np.zeros((0, len(EMOTIONS)), np.float32)
        logits = self._backend.logits(faces)[:, self._head_index] + self._offset
        return _softmax(logits[:, self._order] / self._temperature)
