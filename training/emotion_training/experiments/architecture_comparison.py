# SPDX-License-Identifier: Apache-2.0
"""
Which architecture reads faces best with thirty million multiplications? One short recipe for all.

The last weights are scored: nothing is selected on the scored images. The times are those of the
converted networks on one thread, in yardsticks: calls of the short-range face network.
"""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from emotion_perception.detection.blazeface import find_networks
from emotion_perception.runtime.keras import open_keras
from emotion_perception.runtime.litert import Network, read_model
from emotion_training.data.dataset import Dataset, load
from emotion_training.evaluate.evaluation import train_digests
from emotion_training.evaluate.model_outputs import head_probabilities
from emotion_training.experiments.runs import run_folder, train_missing
from emotion_training.experiments.scoring import score_variants
from emotion_training.export import convert, deployed
from emotion_training.files import write_json
from emotion_training.models.networks import HEADS, fold, multiplications
from emotion_training.train.config import TrainingConfig
from emotion_training.train.run_record import LAST, read_record

RESULTS = 'architectures.json'

_RESIDUAL = {'stem': 16, 'widths': (32, 60, 112, 224)}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    'residual': _RESIDUAL,
    'residual, squeeze-excite': _RESIDUAL | {'squeeze': 4},
    'residual, narrowed (packaged)': {
        'stem': 24,
        'widths': (64, 128, 224, 320),
        'ranks': ((8, 12), (16, 24), (40, 40), (60, 52)),
    },
    'residual, early downsampling': {
        'stem': 32,
        'stem_strides': 2,
        'widths': (64, 112, 208),
        'depths': (1, 2, 1),
    },
    'foldable 3x3': {
        'blocks': 'foldable',
        'stem': 16,
        'widths': (36, 68, 128, 256),
        'depths': (2, 2, 2, 1),
    },
    'inverted residual': {
        'blocks': 'inverted',
        'stem': 12,
        'widths': (28, 52, 96, 192),
        'depths': (2, 3, 3, 2),
    },
}
"""Arguments of `expression_net` by name: each at most thirty million multiplications."""

RECIPE = TrainingConfig(
    name='architecture',
    network='expression_net',
    network_args={'dropout': 0.2},
    epochs=5,
    warmup_epochs=1,
    ema=0.99,
    label_smoothing=0.0,
)
_QUANTIZATIONS = 'float32', 'dynamic'
_ROUNDS, _CALLS = 15, 20


def run(dataset: Path, out: Path, seeds: Sequence[int], epochs: int | None = None) -> Path:
    """
    Train what is missing, time and score it and write ``out/architectures.json``.

    Args:
        dataset: folder made by build, with votes.
        out: folder of the experiment; existing runs are not repeated.
        seeds: of the runs of each architecture.
        epochs: instead of the recipe's.

    Returns:
        The path of the results.

    """
    for seed in seeds:
        for name in ARCHITECTURES:
            train_missing(_config(name, seed, epochs), dataset, run_folder(out, name, seed))
    folders = {name: [run_folder(out, name, seed) for seed in seeds] for name in ARCHITECTURES}
    split = load(dataset, 'validation')
    networks = {name: _node_network(name, runs[0] / LAST) for name, runs in folders.items()}
    yardsticks = _time(networks, split)
    outputs = {
        name: [head_probabilities(one / LAST, split.images) for one in runs]
        for name, runs in folders.items()
    }
    scores = {
        head: score_variants(
            {name: [each[head] for each in runs] for name, runs in outputs.items()},
            split,
            train_digests(dataset),
        )
        for head in HEADS
    }
    config = read_record(next(iter(folders.values()))[0])['config']
    write_json(
        out / RESULTS,
        {
            'epochs': config['epochs'],
            'seeds': list(seeds),
            'networks': {
                name: {
                    'multiplications': multiplications(network),
                    'parameters': network.count_params(),
                    'yardsticks': yardsticks[name],
                }
                for name, network in networks.items()
            },
            'scores': scores,
        },
    )
    return out / RESULTS


def _config(name: str, seed: int, epochs: int | None) -> TrainingConfig:
    return dataclasses.replace(
        RECIPE,
        name=f'architecture-{name}',
        network_args=RECIPE.network_args | ARCHITECTURES[name],
        epochs=epochs or RECIPE.epochs,
        seed=seed,
    )


def _node_network(name: str, path: Path) -> keras.Model:
    """Return the network as the node would run it."""
    model, arguments = open_keras(path), ARCHITECTURES[name]
    return fold(model, **arguments) if arguments.get('blocks') == 'foldable' else model


def _time(networks: dict[str, keras.Model], split: Dataset) -> dict[str, dict[str, float]]:
    """Return the time of one face by network and quantization, in yardsticks."""
    path = find_networks() / 'face_detection_short_range.tflite'
    yardstick = Network(read_model(path), str(path))
    runners = {
        (name, quantization): Network(
            convert(deployed(model, HEADS, mirror=False), quantization, split.images), name
        )
        for name, model in networks.items()
        for quantization in _QUANTIZATIONS
    }
    ratios: dict[tuple[str, str], list[float]] = {key: [] for key in runners}
    for _ in range(_ROUNDS):
        unit_s = _median_s(yardstick)
        for key, network in runners.items():
            ratios[key].append(_median_s(network) / unit_s)
    return {
        name: {
            quantization: round(float(np.median(ratios[name, quantization])), 3)
            for quantization in _QUANTIZATIONS
        }
        for name in networks
    }


def _median_s(network: Network) -> float:
    values = np.random.default_rng(0).uniform(0, 255, network.input_shape).astype(np.float32)
    times_s = []
    for _ in range(_CALLS):
        started_s = time.perf_counter()
        network(values)
        times_s.append(time.perf_counter() - started_s)
    return float(np.median(times_s))
