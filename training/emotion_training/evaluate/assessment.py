"""Everything that a report says of one or more models on one split, as json has it."""

import csv
import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.data.build import MANIFEST
from emotion_training.data.dataset import Dataset
from emotion_training.data.fer2013 import VOTE_COLUMNS, DatasetError
from emotion_training.evaluate.evaluation import Question, questions
from emotion_training.evaluate.metrics import measure, most_confident_mistakes
from emotion_training.evaluate.model_comparison import RESAMPLES, SEED, intervals
from emotion_training.evaluate.model_outputs import answers_of_all_heads, heads_of

MISTAKES = 40
"""Most confident mistakes that are kept of each question."""

_DETAILS = ('per_class', 'confusion', 'reliability', 'risk_coverage')


def training_digests(folder: Path) -> frozenset[str] | None:
    """
    Return the digests of a built dataset's training images, without reading these; None if it has none.

    Raises:
        DatasetError: if it has no manifest.

    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise DatasetError(f'{manifest} is missing; which images were learned from is told there')
    with manifest.open(newline='') as stream:
        found = frozenset(r['sha256'] for r in csv.DictReader(stream) if r['split'] == 'train')
    return found or None


def check_classes(split: Dataset, where: str) -> list[str]:
    """
    Return a remark for each expression that the split lacks.

    Raises:
        DatasetError: if it holds one class only.

    """
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


def names_of(paths: Sequence[Path]) -> list[str]:
    """Return the shortest ends of the paths that tell them apart; numbered where nothing does."""
    for parts in range(1, max(len(path.parts) for path in paths) + 1):
        names = ['/'.join(path.parts[-parts:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f'{index}: {path}' for index, path in enumerate(paths, 1)]


def assess(
    models: Sequence[Path], split: Dataset, learned: Collection[str] | None
) -> list[dict[str, Any]]:
    """
    Return all that is measured of each model, ready for json.

    Args:
        models: files that the robot could load; the others are compared with the first.
        split: what they are scored on.
        learned: digests of the images that they learned from.

    Returns:
        For each model its name, file and hash and, in ``questions``, by name what `metrics.measure`
        and `compare.intervals` return, and the most confident mistakes.

    Raises:
        ModelError: if a file is not a model that the robot could load.

    """
    heads = [heads_of(path) for path in models]  # a bad file shows before the long work
    told = [answers_of_all_heads(path, split.images) for path in models]
    found: list[dict[str, Any]] = [
        {
            'name': name,
            'file': str(path),
            'sha256': hashlib.sha256(path.read_bytes()).hexdigest(),
            'heads': list(own),
            'questions': {},
        }
        for name, path, own in zip(names_of(models), models, heads, strict=True)
    ]
    for q in questions(split, learned):
        labels = q.labels[q.rows]
        answers = [probabilities[q.head][q.rows] for probabilities in told]
        compared = intervals(answers, labels)
        for model, own, p, row in zip(found, heads, answers, compared, strict=True):
            model['questions'][q.name] = {
                'head': q.head if q.head in own else own[0],
                **measure(p, labels),
                **row,
                'mistakes': _mistakes(split, q, p),
            }
    return found


def _mistakes(split: Dataset, question: Question, probabilities: np.ndarray) -> list[dict]:
    rows, labels = np.flatnonzero(question.rows), question.labels[question.rows]
    found = []
    for k in most_confident_mistakes(probabilities, labels, MISTAKES):
        answer = int(probabilities[k].argmax())
        mistake = {
            'path': split.paths[rows[k]],
            'true': EMOTIONS[labels[k]],
            'predicted': EMOTIONS[answer],
            'confidence': round(float(probabilities[k].max()), 4),
        }
        if split.votes is not None:
            votes = split.votes[rows[k]]
            for name in ('true', 'predicted'):
                mistake[f'votes_for_{name}'] = int(votes[VOTE_COLUMNS.index(mistake[name])])
        found.append(mistake)
    return found


def report_data(
    models: Sequence[Path], folder: Path, split_name: str, split: Dataset, train_folder: Path
) -> dict[str, Any]:
    """
    Return the contents of a report: what was scored on what, as json has it.

    Args:
        models: files of the models.
        folder: of the built dataset.
        split_name: which of its splits `split` is.
        split: what is scored.
        train_folder: built dataset whose training images the models learned from.

    Raises:
        DatasetError, ModelError: if one of them cannot be scored.

    """
    remarks = check_classes(split, f'{folder / MANIFEST}, {split_name}')
    learned = training_digests(train_folder)
    if learned is None:
        remarks.append(f'{train_folder} has no training images: nothing is leak-free')
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
        'models': assess(models, split, learned),
    }


def publishable(data: dict[str, Any], details: bool = True) -> dict[str, Any]:
    """
    Return what `report_data` returned without what it names of this machine and of the dataset's files.

    Args:
        data: what it returned.
        details: with what the figures are drawn from, and the scores of each expression.

    """
    left_out = ('mistakes',) if details else ('mistakes', *_DETAILS)

    def bare(model: dict[str, Any]) -> dict[str, Any]:
        questions = {
            name: {key: value for key, value in row.items() if key not in left_out}
            for name, row in model['questions'].items()
        }
        return model | {'file': Path(model['file']).name, 'questions': questions}

    kept = {key: value for key, value in data.items() if key not in ('dataset', 'learned_from')}
    return kept | {'models': [bare(model) for model in data['models']]}
