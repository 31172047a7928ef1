# SPDX-License-Identifier: Apache-2.0
"""
What carries over to pictures unlike those of the training? Targets, losses and augmentations.

Images of some conditions, such as side light or an unusual layout, are left out of the training.
One small network is trained on the others in several ways, and scored on what was left out, of
both splits, and on the rest of PublicTest. The temperature is fitted on that rest, so the ECE on
what was left out shows whether the confidence carries over. The last weights are scored.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from emotion_training.data.augmentation import Augmentation
from emotion_training.data.conditions import rows_of_conditions
from emotion_training.data.dataset import Dataset, load
from emotion_training.evaluate.calibration import fit_balanced
from emotion_training.evaluate.evaluation import ALL_FACES, MAJORITY, references
from emotion_training.evaluate.metrics import log_losses, score
from emotion_training.evaluate.model_outputs import head_probabilities
from emotion_training.experiments.runs import run_folder, train_missing
from emotion_training.files import atomic_folder, write_json
from emotion_training.filtering.filtered_dataset import copy_without
from emotion_training.train.config import TrainingConfig, load_config
from emotion_training.train.run_record import LAST

RESULTS = 'conditions.json'
SHARE = 0.03
"""Of all images that have each condition."""

_WEAKER_EXPRESSIONS = Augmentation(weak=0.15)
WAYS: dict[str, dict[str, Any]] = {
    'vote shares': {},
    'majority': {'target_temperature': {'crowd': 0.05}},
    'weaker expressions': {'augmentation': _WEAKER_EXPRESSIONS, 'clean_teacher': True},
    'balanced loss': {'balance': 0.5},
}
"""Changes of the recipe by name; the first is the baseline."""
BASELINE = next(iter(WAYS))
OFFSETS = 0.5, 0.75
"""The baseline's networks are scored with these corrections afterwards too: see `fit_balanced`."""


def run(dataset: Path, out: Path, seeds: Sequence[int], epochs: int | None = None) -> Path:
    """
    Train what is missing, score all and write ``out/conditions.json``.

    Args:
        dataset: folder made by build, with votes.
        out: folder of the experiment; existing runs are not repeated.
        seeds: of the runs of each way.
        epochs: instead of the recipe's.

    Returns:
        The path of the results.

    """
    splits = {name: load(dataset, name) for name in ('train', 'validation')}
    left_out = {
        name: np.any(list(rows.values()), axis=0)
        for name, rows in rows_of_conditions(splits, SHARE).items()
    }
    known = _known_dataset(dataset, out, splits, left_out)
    for seed in seeds:
        for name in WAYS:
            train_missing(_config(name, seed, epochs), known, run_folder(out, name, seed))
    scored = {
        'known conditions': splits['validation'].subset(~left_out['validation']),
        'left out': _join(splits, left_out),
    }
    frequencies = load(known, 'train').class_frequencies
    ways = {}
    for name in WAYS:
        outputs = [
            {part: _logits(run_folder(out, name, seed), split) for part, split in scored.items()}
            for seed in seeds
        ]
        for balance in (0.0, *OFFSETS) if name == BASELINE else (0.0,):
            scores = [_score(logits, scored, frequencies, balance) for logits in outputs]
            ways[f'{name}, offset {balance:g} afterwards' if balance else name] = scores
    write_json(
        out / RESULTS,
        {
            'epochs': _config(BASELINE, seeds[0], epochs).epochs,
            'seeds': list(seeds),
            'share': SHARE,
            'images': {
                'train': int((~left_out['train']).sum()),
                **{part: len(split) for part, split in scored.items()},
            },
            'ways': ways,
        },
    )
    return out / RESULTS


def _known_dataset(
    dataset: Path, out: Path, splits: dict[str, Dataset], left_out: dict[str, np.ndarray]
) -> Path:
    """Make ``out/data/known``, the dataset without what is left out, unless it exists."""
    folder = out / 'data' / 'known'
    if not folder.exists():
        removed = {
            path
            for name, split in splits.items()
            for path, gone in zip(split.paths, left_out[name], strict=True)
            if gone
        }
        with atomic_folder(folder) as partial:
            copy_without(dataset, partial, removed)
    return folder


def _config(name: str, seed: int, epochs: int | None) -> TrainingConfig:
    base = load_config('small_net')
    network_args = {key: value for key, value in base.network_args.items() if key != 'heads'}
    return dataclasses.replace(
        base,
        name=f'conditions-{name}',
        network_args=network_args,
        head_weights={'crowd': 1.0, 'fer2013': 0.5},
        epochs=epochs or base.epochs,
        seed=seed,
        **WAYS[name],
    )


def _join(splits: dict[str, Dataset], rows: dict[str, np.ndarray]) -> Dataset:
    parts = [split.subset(rows[name]) for name, split in splits.items()]
    first = parts[0]
    return dataclasses.replace(
        first,
        images=np.concatenate([part.images for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        votes=np.concatenate([part.votes for part in parts]) if first.votes is not None else None,
        digests=np.concatenate([part.digests for part in parts]),
        paths=tuple(path for part in parts for path in part.paths),
    )


def _logits(run: Path, split: Dataset) -> np.ndarray:
    """Return the logarithms of the probabilities of the crowd head, float [N, 7]."""
    return np.log(np.maximum(head_probabilities(run / LAST, split.images)['crowd'], 1e-12))


def _score(
    logits: dict[str, np.ndarray],
    scored: dict[str, Dataset],
    frequencies: np.ndarray,
    balance: float,
) -> dict[str, Any]:
    """Return the scores of one network on each part against the majority and on all faces."""
    offset, temperature = np.zeros(len(frequencies)), 1.0
    result: dict[str, Any] = {}
    for part, split in scored.items():
        wanted = {each.name: each for each in references(split, None)}
        majority, everybody = wanted[MAJORITY], wanted[ALL_FACES]
        if not result:
            rows = majority.rows
            offset, temperature = fit_balanced(
                logits[part][rows], majority.labels[rows], frequencies, balance
            )
        probabilities = softmax((logits[part] + offset) / temperature, axis=1)
        result[part] = {
            each.name: score(probabilities[each.rows], each.labels[each.rows])
            | {'log_loss': _log_loss(probabilities[each.rows], each.labels[each.rows])}
            for each in (majority, everybody)
        }
    return result


def _log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return round(float(log_losses(probabilities, labels).mean()), 4)
