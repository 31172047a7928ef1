# SPDX-License-Identifier: Apache-2.0
"""Scores of one or more models on a split, against each kind of label, as text and as json."""

import csv
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.build import MANIFEST
from emotion_training.data.dataset import Dataset
from emotion_training.data.fer2013 import VOTE_COLUMNS, DatasetError
from emotion_training.evaluate.metrics import (
    chance_remark,
    measure,
    most_confident_mistakes,
    plain,
    score,
)
from emotion_training.evaluate.model_comparison import RESAMPLES, SEED, intervals
from emotion_training.evaluate.model_outputs import head_probabilities, model_heads

FER2013_LABEL = 'FER2013 label'
MAJORITY = 'FER+ majority'
ALL_FACES = 'FER+ all faces'
_LEAK_FREE = ', leak-free'

MISTAKES = 40
"""Number of most confident mistakes in a report, for each reference."""
_DETAILS = ('per_class', 'confusion', 'reliability', 'risk_coverage')


@dataclass(frozen=True)
class Reference:
    """
    The labels that a head is scored against.

    Attributes:
        name: in tables and in json.
        head: whose probabilities are scored.
        labels: int [N], index into EMOTIONS, for all images of the split.
        rows: bool [N], images that have such a label.

    """

    name: str
    head: str
    labels: np.ndarray
    rows: np.ndarray

    @property
    def is_main(self) -> bool:
        """False for a subset of another reference, and for all faces, whose labels are noisy."""
        return self.name in (FER2013_LABEL, MAJORITY)


def references(split: Dataset, train_digests: Collection[str] | None) -> list[Reference]:
    """
    Return the references of a split that have at least one image.

    Args:
        split: what is scored.
        train_digests: of the images that the model was trained on, which ``leak-free`` leaves out;
            None gives no such references.

    """
    found = [Reference(FER2013_LABEL, 'fer2013', split.labels, np.ones(len(split), bool))]
    if split.votes is not None:
        found.append(Reference(MAJORITY, 'crowd', split.majority, split.majority >= 0))
        voted = split.crowd_weight > 0
        found.append(Reference(ALL_FACES, 'crowd', split.crowd.argmax(1), voted))
    if train_digests is not None:
        unseen = ~np.isin(split.digests, list(train_digests))
        found += [
            Reference(r.name + _LEAK_FREE, r.head, r.labels, r.rows & unseen)
            for r in found
            if r.is_main
        ]
    return [reference for reference in found if reference.rows.any()]


def deployment_reference(split: Dataset) -> Reference:
    """Return the reference of the default head: the majority, or the label without votes."""
    by_name = {reference.name: reference for reference in references(split, None)}
    return by_name.get(MAJORITY, by_name[FER2013_LABEL])


def evaluate(
    probabilities: dict[str, np.ndarray], split: Dataset, train: Dataset | None = None
) -> dict[str, dict[str, float]]:
    """
    Return the scores against each reference whose head is among `probabilities`.

    Args:
        probabilities: float [N, 7] of each head, for all images of the split.
        split: what is scored.
        train: what the model was trained on, for the leak-free scores.

    """
    return {
        reference.name: score(
            probabilities[reference.head][reference.rows], reference.labels[reference.rows]
        )
        for reference in references(split, None if train is None else train.digests)
        if reference.head in probabilities
    }


def chance_remarks(scores: dict[str, dict[str, Any]], split: Dataset) -> list[str]:
    """Return a remark with advice for each main reference on which scores are at chance."""
    remarks = []
    for reference in references(split, None):
        if reference.is_main and reference.name in scores:
            labels = reference.labels[reference.rows]
            remark = chance_remark(scores[reference.name]['macro_recall'], labels)
            if remark:
                remarks.append(
                    f'{reference.name}: {remark}; train longer, or name the order of the outputs '
                    'in a json beside the model (docs/training.md)'
                )
    return remarks


def table(scores: dict[str, dict[str, float]]) -> str:
    """Return scores as text, with the log loss where they have it."""
    with_loss = any('log_loss' in row for row in scores.values())
    rows = [
        [name, row['images']]
        + [f'{row[key]:.2%}' for key in ('accuracy', 'macro_recall', 'ece')]
        + ([f'{row["log_loss"]:.4f}'] if with_loss else [])
        for name, row in scores.items()
    ]
    headers = ['', 'images', 'accuracy', 'macro recall', 'ECE', *['log loss'][: int(with_loss)]]
    return plain(rows, headers)


def train_digests(folder: Path) -> frozenset[str] | None:
    """
    Return the digests of a built dataset's training images from its manifest; None without any.

    Raises:
        DatasetError: if it has no manifest.

    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise DatasetError(
            f'{manifest} is missing; it lists the images that the models were trained on'
        )
    with manifest.open(newline='') as stream:
        digests = (r['sha256'] for r in csv.DictReader(stream) if r['split'] == 'train')
        return frozenset(digests) or None


def _missing_classes(split: Dataset, where: str) -> list[str]:
    """Return a remark for each missing expression; raise DatasetError for a single class."""
    present = np.unique(split.labels)
    if len(present) == 1:
        raise DatasetError(
            f'{where}: all {len(split)} images are {EMOTIONS[present[0]]}; '
            'scores need at least two classes'
        )
    return [
        f'{where} has no image of {name}: its recall is left out of the mean'
        for k, name in enumerate(EMOTIONS)
        if k not in present
    ]


def short_names(paths: Sequence[Path]) -> list[str]:
    """Return the shortest distinct ends of the paths; numbered paths if some are equal."""
    for parts in range(1, max(len(path.parts) for path in paths) + 1):
        names = ['/'.join(path.parts[-parts:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f'{number}: {path}' for number, path in enumerate(paths, 1)]


def _score_models(
    models: Sequence[Path], split: Dataset, digests: Collection[str] | None
) -> list[dict[str, Any]]:
    """Return name, file, hash, heads and, in ``questions``, the scores of each model."""
    heads = [model_heads(path) for path in models]  # an unreadable file is reported first
    outputs = [head_probabilities(path, split.images) for path in models]
    results: list[dict[str, Any]] = [
        {
            'name': name,
            'file': str(path),
            'sha256': hashlib.sha256(path.read_bytes()).hexdigest(),
            'heads': list(own),
            'questions': {},
        }
        for name, path, own in zip(short_names(models), models, heads, strict=True)
    ]
    for reference in references(split, digests):
        labels = reference.labels[reference.rows]
        scored = [output[reference.head][reference.rows] for output in outputs]
        compared = intervals(scored, labels)
        for result, own, p, row in zip(results, heads, scored, compared, strict=True):
            result['questions'][reference.name] = {
                'head': reference.head if reference.head in own else own[0],
                **measure(p, labels),
                **row,
                'mistakes': _mistakes(split, reference, p),
            }
    return results


def _mistakes(split: Dataset, reference: Reference, probabilities: np.ndarray) -> list[dict]:
    rows, labels = np.flatnonzero(reference.rows), reference.labels[reference.rows]
    mistakes = []
    for k in most_confident_mistakes(probabilities, labels, MISTAKES):
        mistake = {
            'path': split.paths[rows[k]],
            'true': EMOTIONS[labels[k]],
            'predicted': EMOTIONS[int(probabilities[k].argmax())],
            'confidence': round(float(probabilities[k].max()), 4),
        }
        if split.votes is not None:
            votes = split.votes[rows[k]]
            for name in ('true', 'predicted'):
                mistake[f'votes_for_{name}'] = int(votes[VOTE_COLUMNS.index(mistake[name])])
        mistakes.append(mistake)
    return mistakes


def report_data(
    models: Sequence[Path], folder: Path, split_name: str, split: Dataset, train_folder: Path
) -> dict[str, Any]:
    """
    Score models on a split and return the contents of a report, ready for json.

    Args:
        models: .tflite, .keras or .h5 files; the others are compared with the first.
        folder: of the built dataset.
        split_name: name of `split` in it.
        split: what is scored.
        train_folder: built dataset whose training images the models were trained on.

    Raises:
        DatasetError, ModelError: if one of them cannot be scored.

    """
    remarks = _missing_classes(split, f'{folder / MANIFEST}, {split_name}')
    digests = train_digests(train_folder)
    if digests is None:
        remarks.append(f'{train_folder} has no training images: there are no leak-free scores')
    scored = _score_models(models, split, digests)
    for model in scored:
        remarks += [f'{model["name"]}, {it}' for it in chance_remarks(model['questions'], split)]
    return {
        'dataset': str(folder),
        'split': split_name,
        'images': len(split),
        'images_sha256': hashlib.sha256('\n'.join(split.digests).encode()).hexdigest(),
        'learned_from': str(train_folder),
        'labels': list(EMOTIONS),
        'resamples': RESAMPLES,
        'seed': SEED,
        'remarks': remarks,
        'models': scored,
    }


def publishable(data: dict[str, Any], details: bool = True) -> dict[str, Any]:
    """
    Return `report_data` without paths on this machine and names of the dataset's files.

    Args:
        data: result of `report_data`.
        details: keep the data of the figures and the scores of each expression.

    """
    omitted = ('mistakes',) if details else ('mistakes', *_DETAILS)
    models = [
        model
        | {
            'file': Path(model['file']).name,
            'questions': {
                name: {key: value for key, value in row.items() if key not in omitted}
                for name, row in model['questions'].items()
            },
        }
        for model in data['models']
    ]
    kept = {key: value for key, value in data.items() if key not in ('dataset', 'learned_from')}
    return kept | {'models': models}
