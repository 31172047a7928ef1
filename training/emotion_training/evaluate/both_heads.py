# SPDX-License-Identifier: Apache-2.0
"""One answer from both heads: what people see, and FER2013's label, at several weights."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from emotion_perception.adaptation import log_probabilities
from emotion_perception.emotions import EMOTIONS
from emotion_perception.runtime.metadata import HEADS
from emotion_training.data.dataset import Dataset
from emotion_training.evaluate.calibration import fit_temperature
from emotion_training.evaluate.evaluation import ALL_FACES, FER2013_LABEL, MAJORITY, references
from emotion_training.evaluate.metrics import markdown, percent, signed
from emotion_training.evaluate.model_comparison import interval, resample, scores_of
from emotion_training.evaluate.model_outputs import head_probabilities

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Of the head of FER2013's label."""


def measure(model: Path, split: Dataset) -> dict[str, Any]:
    """
    Score the weighted mean of the calibrated logits of both heads.

    The temperature of each mean is fitted on the faces on which it is scored, as that of the crowd
    head is in `export`: all faces, and those with a majority once more.

    Args:
        model: .tflite, .keras or .h5 with both heads.
        split: what it is scored on, with votes.

    Returns:
        Under ``at`` for each of `WEIGHTS`: on all faces ``macro_recall`` and ``log_loss``, each
        with its difference from the first row as [difference, low, high] (``..._gain``), and the
        accuracies on ``majority``, of its ``neutral`` faces and of its ``others``, and on
        ``label``.

    """
    logits = {h: log_probabilities(p) for h, p in head_probabilities(model, split.images).items()}
    by_name = {reference.name: reference for reference in references(split, None)}
    everyone, majority, label = (by_name[name] for name in (ALL_FACES, MAJORITY, FER2013_LABEL))
    fitted = [np.flatnonzero(reference.rows) for reference in (everyone, majority)]
    rows = np.concatenate(fitted)
    labels = np.concatenate([everyone.labels[fitted[0]], majority.labels[fitted[1]]])
    outputs = []
    for weight in WEIGHTS:
        mean = (1 - weight) * logits[HEADS[0]] + weight * logits[HEADS[1]]
        outputs.append(softmax(mean / fit_temperature(mean[rows], labels), axis=1))
    of_all = everyone.labels[everyone.rows]
    samples = resample([each[everyone.rows] for each in outputs], of_all)
    found: list[dict[str, Any]] = []
    for number, (weight, each) in enumerate(zip(WEIGHTS, outputs, strict=True)):
        right = (each.argmax(1) == majority.labels)[majority.rows]
        neutral = majority.labels[majority.rows] == EMOTIONS.index('neutral')
        _, recall, loss = scores_of(each[everyone.rows], of_all)
        row = {'weight': weight, 'macro_recall': recall, 'log_loss': loss}
        row |= {'majority': right.mean(), 'neutral': right[neutral].mean()}
        row |= {'others': right[~neutral].mean()}
        row |= {'label': (each.argmax(1) == label.labels)[label.rows].mean()}
        rounded: dict[str, Any] = {key: round(float(value), 4) for key, value in row.items()}
        for score, name in ((1, 'macro_recall'), (2, 'log_loss')):
            differences = samples[number, :, score] - samples[0, :, score]
            gain = rounded[name] - found[0][name] if found else 0.0
            rounded[f'{name}_gain'] = [round(gain, 4), *interval(differences)]
        found.append(rounded)
    return {'sha256': hashlib.sha256(model.read_bytes()).hexdigest(), 'at': found}


def table(result: dict[str, Any]) -> str:
    """Return the scores as a Markdown table, per cent but for the log loss."""
    cells: list[list[str]] = []
    for row in result['at']:
        gain_of_recall = signed([100 * value for value in row['macro_recall_gain']])
        gain_of_loss = signed(row['log_loss_gain'], 3)
        cells.append(
            [
                f'{row["weight"]:g}',
                percent(row['macro_recall']),
                gain_of_recall if cells else '',
                f'{row["log_loss"]:.3f}',
                gain_of_loss if cells else '',
                *(percent(row[key]) for key in ('majority', 'neutral', 'others', 'label')),
            ]
        )
    headers = ['weight of the label', 'all faces: macro recall', 'gain', 'log loss', 'gain']
    headers += ['FER+ majority', 'its neutral faces', 'its others', 'FER2013 label']
    return markdown(cells, headers)
