"""The model's files replaced while the node runs: what is loaded goes on, what cannot be used is refused with a reason."""

import hashlib
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.processes import Process
from emotion_perception.classification import DEFAULT_MODEL
from stress.faults.counting import Count
from stress.faults.robot import Robot, chance, robot

Damage = Callable[[Path, random.Random], None]
"""Damages the model or the json beside it, given the model's path."""


def _described(**changes: Any) -> Damage:
    """Return a damage: these values in the json."""

    def damage(model: Path, dice: random.Random) -> None:
        path = model.with_suffix('.json')
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return damage


def _description(data: bytes) -> Damage:
    return lambda model, dice: _write(model.with_suffix('.json'), data)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def _shuffled(model: Path, dice: random.Random) -> None:
    labels = json.loads(model.with_suffix('.json').read_text())['labels']
    _described(labels=dice.sample(labels, len(labels)) if dice.random() < 0.5 else labels[::-1])(
        model, dice
    )


def _another_network(model: Path, dice: random.Random) -> None:
    """Put the face detector there, with its own hash: another input, another answer."""
    from emotion_perception.detection.blazeface import find_networks

    other = dice.choice(sorted(find_networks().glob('face_detection_*.tflite'))).read_bytes()
    model.write_bytes(other)
    _described(sha256=hashlib.sha256(other).hexdigest())(model, dice)


def _flipped(model: Path, dice: random.Random) -> None:
    data = bytearray(model.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    model.write_bytes(data)


def _sparse(path: Path) -> None:
    with path.open('wb') as file:
        file.write(b'\0\0\0\0TFL3')
        file.truncate(2**40)


DAMAGES: dict[str, Damage] = {
    'garbage': lambda model, dice: _write(model, dice.randbytes(model.stat().st_size)),
    'garbage that begins like a model': lambda model, dice: _write(model, b'\x1c\0\0\0TFL3' + dice.randbytes(10**5)),
    'garbage that its json describes': lambda model, dice: _signed(model, b'\x1c\0\0\0TFL3' + dice.randbytes(10**5)),
    'empty': lambda model, dice: _write(model, b''),
    'cut short': lambda model, dice: os.truncate(model, dice.randrange(9, model.stat().st_size)),
    'cut short, as its json describes': lambda model, dice: _signed(model, model.read_bytes()[:dice.randrange(9, model.stat().st_size)]),
    'one bit flipped': _flipped,
    'a network of another shape': _another_network,
    'a terabyte of nothing': lambda model, dice: _replace(model, _sparse),
    'a folder': lambda model, dice: _replace(model, Path.mkdir),
    'a pipe': lambda model, dice: _replace(model, os.mkfifo),
    'a link to itself': lambda model, dice: _replace(model, lambda path: path.symlink_to(path)),
    'gone': lambda model, dice: model.unlink(),
    'labels in another order': _shuffled,
    'eight labels': _described(labels=['anger', 'contempt', 'disgust', 'fear', 'happiness', 'neutral', 'sadness', 'surprise']),
    'no labels': _described(labels=None),
    'labels that are numbers': _described(labels=[0, 1, 2, 3, 4, 5, 6]),
    'the hash of another file': _described(sha256='0' * 64),
    'a hash that is a number': _described(sha256=5),
    'heads within heads': _described(heads=[['crowd'], ['fer2013']]),
    'no heads': _described(heads=[]),
    'one head too many': _described(heads=['crowd', 'fer2013', 'crowd']),
    'a temperature of zero': _described(temperature={'crowd': 0, 'fer2013': 1}),
    'an infinite temperature': _described(temperature={'crowd': float('inf'), 'fer2013': 1}),
    'a temperature that is no number': _described(temperature={'crowd': float('nan'), 'fer2013': 1}),
    'pixels of another size': _described(input={'side_px': 64, 'channels': 1, 'range': [0, 255]}),
    'a name that is a list': _described(name=['expression', 'net']),
    'json: garbage': lambda model, dice: _write(model.with_suffix('.json'), dice.randbytes(2000)),
    'json: empty': _description(b''),
    'json: a list': _description(b'[1, 2, 3]'),
    'json: ten thousand brackets': _description(b'[' * 10_000),
    'json: a pipe': lambda model, dice: _replace(model.with_suffix('.json'), os.mkfifo),
    'json: gone': lambda model, dice: model.with_suffix('.json').unlink(),
}  # fmt: skip


def _signed(model: Path, data: bytes) -> None:
    """Write `data` as the model, and its hash into the json."""
    model.write_bytes(data)
    path = model.with_suffix('.json')
    described = json.loads(path.read_text()) | {'sha256': hashlib.sha256(data).hexdigest()}
    path.write_text(json.dumps(described))


def replace(rounds: int, seed: int | None = None, progress: bool = False) -> Count:
    """
    Damage the files of a configured node in every way of `DAMAGES`, in a random order, and mend them again.

    The model in memory must serve on; the damaged one must be refused with a reason that names the file, and
    the mended one must serve again.

    Args:
        rounds: how often each is tried.
        seed: of chance; None draws one.
        progress: show a bar.

    """
    seed, dice = chance(seed)
    lost = {'answers of the model in memory': 0, 'damaged models that were taken': 0, 'refusals without a reason': 0, 'returns': 0, 'nodes that ended': 0}  # fmt: skip
    recovered = []
    order = [name for _ in range(rounds) for name in dice.sample(list(DAMAGES), len(DAMAGES))]
    with tempfile.TemporaryDirectory(prefix='model-') as folder, robot() as r:
        model = Path(folder) / DEFAULT_MODEL.name
        _mend(model)
        node = r.start_node(model=f'"{model}"')
        for name in tqdm(order, 'models', disable=not progress, leave=False):
            r.bring('configure')
            DAMAGES[name](model, dice)
            lost['answers of the model in memory'] += not (r.bring('activate') and _happy(r))
            r.bring('deactivate', 'cleanup')
            said = len(node.log)
            taken = r.bring('configure')
            if taken:
                lost['damaged models that were taken'] += 1
                r.bring('cleanup')
            elif not _reason(r, node, folder, said):
                lost['refusals without a reason'] += 1
            _mend(model)
            start = r.node.get_clock().now()
            lost['returns'] += not (r.bring('configure', 'activate') and _happy(r))
            recovered.append((r.node.get_clock().now() - start).nanoseconds * 1e-9)
            r.bring('deactivate', 'cleanup')
            lost['nodes that ended'] += not node.running
    return Count(
        'model or its json replaced while the node runs', len(order), lost, seed, recovered_s=recovered,
        notes={'ways': len(DAMAGES)},
    )  # fmt: skip


def _happy(r: Robot) -> bool:
    answer, _ = r.answer()
    return answer is not None and [face.label for face in answer.faces] == ['happiness']


def _reason(r: Robot, node: Process, folder: str, first: int) -> bool:
    """Tell whether the node's log, from line number `first` on, names the file that cannot be used."""
    return r.spin(
        5,
        lambda: any(
            'cannot be configured' in line and folder in line for _, line in node.log[first:]
        ),
    )


def _mend(model: Path) -> None:
    """Put the files of this package there, whatever lies there now."""
    for suffix in ('.tflite', '.json'):
        path = model.with_suffix(suffix)
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        shutil.copy(DEFAULT_MODEL.with_suffix(suffix), path)
