"""The json beside a model file: what it answers, how to feed it, where it comes from, and its hash."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emotion_perception.emotions import EMOTIONS
from emotion_perception.errors import ModelError
from emotion_perception.runtime.litert import read_file

HEADS = ('crowd', 'fer2013')
"""Questions a model can answer: what people say they see (FER+ votes); FER2013's own label."""

_MAX_BYTES = 2**24
_LARGEST_OFFSET = 100.0


@dataclass(frozen=True)
class ModelMetadata:
    """
    What the runtime must know of a model.

    Attributes:
        name: of the network.
        file: name of the model file, in the same folder.
        sha256: of that file.
        labels: order of the answers, always EMOTIONS.
        heads: order of the questions in the model's output, logits [N, heads, 7].
        input: ``side_px``, ``channels`` and ``range`` of the pixels it wants.
        temperature: what each head's logits are divided by before the softmax (Guo et al., 2017).
        parameters: number of weights.
        offset: seven numbers for each head, added to its logits before they are divided: answers that
            its training images seldom ask for become less rare (Menon et al., 2021). None are zeros.
        scores: results on the validation split, as `emotion-training evaluate` prints them.
        provenance: recipe, data hash, versions and seeds of the run that made it.

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
    scores: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the json."""
        path.write_text(json.dumps(asdict(self), indent=2) + '\n')


def read_metadata(path: Path) -> ModelMetadata:
    """
    Read and check a model's json.

    Raises:
        ModelError: if it cannot be read, lacks a field or describes a model this runtime cannot use.

    """
    try:
        text = read_file(path, _MAX_BYTES)
    except OSError as error:
        raise ModelError(
            f'{path} cannot be read ({error.strerror}); a model needs its json, which '
            '`emotion-training export` writes beside it'
        ) from None
    try:
        values = json.loads(text)
        values['labels'], values['heads'] = tuple(values['labels']), tuple(values['heads'])
        metadata = ModelMetadata(**values)
        temperatures = {head: float(t) for head, t in metadata.temperature.items()}
        offsets = [[float(value) for value in each] for each in metadata.offset.values()]
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
    texts = (metadata.name, metadata.sha256, *metadata.heads)
    if not all(isinstance(text, str) for text in texts):
        raise ModelError(f'{path}: name, sha256 and heads must be text')
    if metadata.labels != EMOTIONS:
        raise ModelError(
            f'{path}: the labels are {", ".join(map(str, metadata.labels))}; '
            f'this runtime needs {", ".join(EMOTIONS)} in this order'
        )
    if not metadata.heads or not set(metadata.heads) <= set(metadata.temperature):
        raise ModelError(f'{path}: each of the heads {metadata.heads} needs a temperature')
    if not all(0 < value < math.inf for value in temperatures.values()):
        raise ModelError(f'{path}: a temperature must be above 0 and finite')
    if any(
        len(offset) != len(EMOTIONS) or not all(abs(value) < _LARGEST_OFFSET for value in offset)
        for offset in offsets
    ):
        raise ModelError(
            f'{path}: an offset must be {len(EMOTIONS)} numbers within {_LARGEST_OFFSET:g}'
        )
    return metadata


def verify_sha256(metadata: ModelMetadata, model: bytes, path: Path) -> None:
    """
    Compare the contents of a model file with the hash in its metadata.

    Raises:
        ModelError: if they differ.

    """
    found = hashlib.sha256(model).hexdigest()
    if found != metadata.sha256:
        raise ModelError(
            f'{path} is not the file that its json describes: its sha256 is {found[:12]}..., '
            f'expected {metadata.sha256[:12]}...; copy both files again or export the model again'
        )
