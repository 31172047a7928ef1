# SPDX-License-Identifier: Apache-2.0
"""What the node's parameter `adapt_to_person` does in sequences composed from single faces."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from emotion_perception.adaptation import PersonBaseline, log_probabilities
from emotion_perception.emotions import EMOTIONS
from emotion_training.data.augmentation import Augmentation
from emotion_training.data.dataset import Dataset, mean_neutral_face
from emotion_training.evaluate import corruptions
from emotion_training.evaluate.evaluation import deployment_reference
from emotion_training.evaluate.metrics import markdown, percent
from emotion_training.evaluate.model_outputs import available_head, probabilities

SEED = 1
RATE_HZ = 5
_FACES, _NEUTRAL_FACES = 20, 80
"""Of each expression, and neutral ones."""
_NEUTRAL = EMOTIONS.index('neutral')
_REST = 0.2
_MOVEMENT = Augmentation(4.0, 0.05, 1.0, 0.0, 0.1, 8.0, 0.0, 0.0)
"""Of a face from frame to frame."""


def _moments(strongest: float) -> np.ndarray:
    """Return the strengths of 44 s at rest with two moments of 3 s, after 13 and 35 s."""
    times = np.arange(0, 44, 1 / RATE_HZ)
    rise = sum(np.interp(times, [at, at + 1, at + 4, at + 5], [0, 1, 1, 0]) for at in (12, 34))
    return _REST + (strongest - _REST) * np.asarray(rise)


SEQUENCES = {
    'strong moments': _moments(1.0),
    'weak moments': _moments(0.5),
    'a minute': np.full(60 * RATE_HZ, 1.0),
    'a weak minute': np.full(60 * RATE_HZ, 0.5),
}
"""Strength of the expression in each frame: the share of the face in the blend with neutral."""


def predict_blends(
    model: Path, head: str, faces: np.ndarray, strengths: np.ndarray, mean: np.ndarray
):
    """Return probabilities, float32 [faces, frames, 7], of a sequence made of each face."""
    rng = np.random.default_rng(SEED)
    frames = [
        corruptions.weak(face, mean, 1 - strength) for face in faces for strength in strengths
    ]
    moved = _MOVEMENT.moved(np.stack(frames), rng)
    return probabilities(model, head, moved).reshape(len(faces), len(strengths), len(EMOTIONS))


def adapt(sequence: np.ndarray, neutral: np.ndarray) -> np.ndarray:
    """Return the adapted probabilities of a sequence at `RATE_HZ`, both [frames, 7]."""
    baseline, adapted = PersonBaseline(), []
    for row in sequence:
        adapted.append(baseline.adapted(row))
        baseline.update(row, 1 / RATE_HZ, neutral)
    return np.stack(adapted)


def _named(rows: np.ndarray, expression: int) -> float:
    return round(float((rows.argmax(-1) == expression).mean()), 4)


def measure(model: Path, split: Dataset) -> dict[str, Any]:
    """
    Score a model with and without adaptation, ready for json.

    Each sequence moves and lights one face of a split with a clear label, blended with the average
    neutral face as far as its strength asks.

    Returns:
        Under ``sequences`` the share of the frames that are named right, mean of the expressions:
        by name of the sequence, by when (at the peak, at rest, in the last ten seconds), without
        and with adaptation. Under ``neutral`` the same for neutral faces, by five seconds.

    """
    reference = deployment_reference(split)
    head, mean = available_head(model, reference.head), mean_neutral_face(split)
    rows, labels = np.flatnonzero(reference.rows), reference.labels[reference.rows]
    rng = np.random.default_rng(SEED)
    chosen = {
        index: split.images[
            rng.permutation(rows[labels == index])[
                : _NEUTRAL_FACES if index == _NEUTRAL else _FACES
            ]
        ]
        for index in range(len(EMOTIONS))
    }
    known = probabilities(model, head, split.images[rows[labels == _NEUTRAL]])
    neutral = log_probabilities(known).mean(0)

    def both(faces: np.ndarray, strengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        plain = predict_blends(model, head, faces, strengths, mean)
        return plain, np.stack([adapt(sequence, neutral) for sequence in plain])

    found: dict[str, Any] = {}
    for name, strengths in tqdm(SEQUENCES.items(), unit='sequence', disable=None):
        moments = np.ptp(strengths) > 0
        parts = (
            {'at the peak': strengths == strengths.max(), 'at rest': strengths == _REST}
            if moments
            else {'last ten seconds': np.arange(len(strengths)) >= 50 * RATE_HZ}
        )
        shares: dict[str, list[list[float]]] = {when: [] for when in parts}
        for index, faces in chosen.items():
            if index == _NEUTRAL or not len(faces):
                continue
            results = both(faces, strengths)
            for when, frames in parts.items():
                right = _NEUTRAL if when == 'at rest' else index
                shares[when].append([_named(each[:, frames], right) for each in results])
        found[name] = {
            when: np.mean(values, axis=0).round(4).tolist() for when, values in shares.items()
        }
    blocks = np.arange(60 * RATE_HZ).reshape(-1, 5 * RATE_HZ)
    results = both(chosen[_NEUTRAL], np.ones(60 * RATE_HZ))
    resting = [[_named(each[:, block], _NEUTRAL) for each in results] for block in blocks]
    return {
        'sha256': hashlib.sha256(model.read_bytes()).hexdigest(),
        'sequences': found,
        'neutral': resting,
    }


def table(result: dict[str, Any]) -> str:
    """Return the shares of frames that are named right as a Markdown table, per cent."""
    rows = [
        [f'{name}, {when}', *(percent(share) for share in pair)]
        for name, parts in result['sequences'].items()
        for when, pair in parts.items()
    ]
    seconds = [5 * count for count in range(1, len(result['neutral']) + 1)]
    for until, pair in zip(seconds, result['neutral'], strict=True):
        if until in (5, 10, 20, 60):
            rows.append([f'a neutral face, {until - 5} to {until} s', *(percent(x) for x in pair)])
    return markdown(rows, ['', 'without', 'with `adapt_to_person`'])
