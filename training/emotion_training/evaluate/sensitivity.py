# SPDX-License-Identifier: Apache-2.0
"""What the node's parameter `sensitivity` does to clear and to weak expressions."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_perception.tracking import TrackingSettings, sensitive
from emotion_training.data.dataset import Dataset, mean_neutral_face
from emotion_training.evaluate import corruptions
from emotion_training.evaluate.evaluation import ALL_FACES, deployment_reference, references
from emotion_training.evaluate.metrics import log_losses, markdown, percent, score
from emotion_training.evaluate.model_outputs import available_head, probabilities

SENSITIVITIES = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)
WEAK = (0.35, 0.5, 0.6)
"""Shares of the average neutral face in a weak expression."""


def measure(model: Path, split: Dataset) -> dict[str, Any]:
    """
    Score a model at several sensitivities on the faces of a split that have a clear label.

    Args:
        model: .tflite, .keras or .h5.
        split: what it is scored on; the average neutral face is that of its own faces.

    Returns:
        For each of `SENSITIVITIES`, under ``at``, accuracy and macro recall, the recall of neutral
        faces, and that of all other faces, as they are and with weaker expressions; and under
        ``all`` macro recall and log loss on the faces over which people are split too, if the
        split has votes.

    """
    by_name = {one.name: one for one in references(split, None)}
    reference = deployment_reference(split)
    everyone = by_name.get(ALL_FACES, reference)
    images, labels = split.images[reference.rows], reference.labels[reference.rows]
    head, mean_face = available_head(model, reference.head), mean_neutral_face(split)
    every = probabilities(model, head, split.images)
    plain = every[reference.rows]
    weak = {
        share: probabilities(
            model, head, np.stack([corruptions.weak(image, mean_face, share) for image in images])
        )
        for share in WEAK
    }
    is_neutral = labels == EMOTIONS.index('neutral')

    def recall(predicted: np.ndarray, rows: np.ndarray) -> float:
        return round(float((predicted.argmax(1) == labels)[rows].mean()), 4)

    found = []
    for value in SENSITIVITIES:
        predicted = sensitive(plain, value)
        scores = score(predicted, labels)
        of_all, all_labels = sensitive(every, value)[everyone.rows], everyone.labels[everyone.rows]
        answered = predicted.max(1) >= TrackingSettings().uncertain_below
        found.append(
            {
                'sensitivity': value,
                'accuracy': scores['accuracy'],
                'macro_recall': scores['macro_recall'],
                'answered': round(float(answered.mean()), 4),
                'neutral': recall(predicted, is_neutral),
                'others': recall(predicted, ~is_neutral),
                'all': {
                    'macro_recall': score(of_all, all_labels)['macro_recall'],
                    'log_loss': round(float(log_losses(of_all, all_labels).mean()), 4),
                },
                'weak': {
                    f'{share:g}': recall(sensitive(each, value), ~is_neutral)
                    for share, each in weak.items()
                },
            }
        )
    return {'sha256': hashlib.sha256(model.read_bytes()).hexdigest(), 'at': found}


def table(result: dict[str, Any]) -> str:
    """Return the scores as a Markdown table, per cent."""
    rows = result['at']
    cells = [
        [
            f'{row["sensitivity"]:g}',
            f'{percent(row["accuracy"])} ({percent(row["macro_recall"], 0)})',
            percent(row['answered'], 0),
            percent(row['neutral']),
            percent(row['others']),
            *map(percent, row['weak'].values()),
            f'{percent(row["all"]["macro_recall"])}, {row["all"]["log_loss"]:.3f}',
        ]
        for row in rows
    ]
    weak = [f'others, {float(share):.0%} neutral' for share in rows[0]['weak']]
    headers = ['`sensitivity`', 'accuracy', 'coverage', 'neutral faces', 'others', *weak]
    headers.append('all faces: macro recall, log loss')
    return markdown(cells, headers)
