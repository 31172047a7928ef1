# SPDX-License-Identifier: Apache-2.0
"""The json beside a model file: labels, heads, input, calibration, provenance and hash."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emotion_perception.emotions import EMOTIONS, label_order
from emotion_perception.errors import ModelError
from emotion_perception.runtime.litert import read_file

HEADS = ('crowd', 'fer2013')
"""Outputs of a model: what people say they see (FER+ votes), and FER2013's own label."""

_MAX_BYTES = 2**24
_LARGEST_OFFSET = 100.0


@dataclass(frozen=True)
class ModelMetadata:
    """
    The metadata of a model file.

    Attributes:
        name: of the network.
        file: name of the model file, in the same folder.
        sha256: of that file, in hexadecimal.
        labels: of the last axis of the output, `EMOTIONS` in any order.
        heads: of the middle axis of the output, logits [N, heads, 7].
        input: ``side_px``, ``channels`` and ``range`` of the pixels.
        temperature: of each head; divides its logits before the softmax (Guo et al., 2017).
        parameters: number of weights.
        offset: of each head, seven numbers in the order of `labels`, added to its logits before
            the division, so that labels that are rare in the training images are not
            underestimated (Menon et al., 2021). A missing head has zeros.
        neutral: of each head, the mean logarithms of the probabilities of neutral faces, in the
            order of `EMOTIONS`, with which `adaptation` compares a person's. May be missing.
        scores: on the validation split, as `emotion-training evaluate` prints them.
        provenance: recipe, data hash, versions and seeds of the training run.

    """

    name: str
    file: str
    sha256: str
    labels: tuple[str, ...]
    heads: tuple[str, ...]
    input: dict[str, Any]
    temperature: dict[str, float]
    parameters: int
    offset: dict[str, list[float]] = field(default_factory=dict)
    neutral: dict[str, list[float]] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the json that `read_metadata` reads."""
        path.write_text(json.dumps(asdict(self), indent=2) + '\n')


def read_metadata(path: Path, defaults: dict[str, Any] | None = None) -> ModelMetadata:
    """
    Read and validate the json of a model.

    Args:
        path: of the json.
        defaults: values of fields that it need not have.

    Raises:
        ModelError: if it cannot be read, lacks a field, or belongs to a model that this runtime
            cannot use.

    """
    try:
        text = read_file(path, _MAX_BYTES)
    except OSError as error:
        raise ModelError(
            f'{path} cannot be read ({error.strerror}); a model needs its json, which '
            '`emotion-training export` writes beside it'
        ) from None
    try:
        values = (defaults or {}) | json.loads(text)
        values['labels'], values['heads'] = label_order(values['labels']), tuple(values['heads'])
        metadata = ModelMetadata(**values)
        temperatures = {head: float(t) for head, t in metadata.temperature.items()}
        offsets, neutral = (
            [[float(value) for value in each] for each in of_heads.values()]
            for of_heads in (metadata.offset, metadata.neutral)
        )
        int(metadata.input['side_px'])
    except (
        AttributeError,
        KeyError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise ModelError(f'{path} is not the metadata of a model: {error}') from None
    if not all(isinstance(x, str) for x in (metadata.name, metadata.sha256, *metadata.heads)):
        raise ModelError(f'{path}: name, sha256 and heads must be text')
    if not metadata.heads or not set(metadata.heads) <= set(metadata.temperature):
        raise ModelError(f'{path}: each of the heads {metadata.heads} needs a temperature')
    if not all(0 < value < math.inf for value in temperatures.values()):
        raise ModelError(f'{path}: a temperature must be above 0 and finite')
    if any(
        len(each) != len(EMOTIONS) or not all(abs(value) < _LARGEST_OFFSET for value in each)
        for each in (*offsets, *neutral)
    ):
        raise ModelError(
            f'{path}: offset and neutral must be {len(EMOTIONS)} numbers within '
            f'{_LARGEST_OFFSET:g} for each head'
        )
    return metadata


def verify_sha256(metadata: ModelMetadata, model: bytes, path: Path) -> None:
    """
    Check the contents of a model file against the hash in its metadata.

    Args:
        metadata: of the model.
        model: contents of its file.
        path: of the file, for the message.

    Raises:
        ModelError: if the hashes differ.

    """
    found = hashlib.sha256(model).hexdigest()
    if found != metadata.sha256:
        raise ModelError(
            f'{path} is not the file that its json describes: its sha256 is {found[:12]}..., '
            f'expected {metadata.sha256[:12]}...; copy both files again or export the model again'
        )
