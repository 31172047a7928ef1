# SPDX-License-Identifier: Apache-2.0
"""Scores under synthetic corruptions: each kind at five severities, tables and a figure."""

import functools
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from emotion_perception.tracking import TrackingSettings
from emotion_training.data.dataset import Dataset
from emotion_training.evaluate import corruptions
from emotion_training.evaluate.evaluation import deployment_reference
from emotion_training.evaluate.metrics import markdown, percent, score
from emotion_training.evaluate.model_outputs import available_head, probabilities

SEED = 1
_FIGURE_COLUMNS = 5

_GLASSES = ((1, 0.0), (2, 0.0), (2, 0.3), (2, 0.6), (2, 0.95))
"""Frame width in pixels and tint at each severity."""


def _motion_blur(image: np.ndarray, length: float, rng: np.random.Generator) -> np.ndarray:
    return corruptions.motion_blur(image, int(length), rng.uniform(0, 180))


def _turned(image: np.ndarray, yaw: float, rng: np.random.Generator) -> np.ndarray:
    return corruptions.turned(image, yaw * rng.choice((-1, 1)))


def _glasses(image: np.ndarray, step: float, _: np.random.Generator) -> np.ndarray:
    return corruptions.glasses(image, *_GLASSES[int(step) - 1])


def _loose_crop(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    side_px = round(share * image.shape[0])
    margin = (image.shape[0] - side_px) // 2
    return corruptions.loose(image, side_px, margin, margin, rng.choice(corruptions.SURROUNDINGS))


CORRUPTIONS: dict[
    str,
    tuple[str, tuple[float, ...], Callable[[np.ndarray, float, np.random.Generator], np.ndarray]],
] = {
    'low light': (
        'light left',
        (0.5, 0.3, 0.2, 0.12, 0.07),
        lambda image, gain, rng: corruptions.low_light(image, gain, 1.5, rng),
    ),
    'motion blur': ('length, px', (3, 5, 7, 9, 13), _motion_blur),
    'defocus': (
        'sigma, px',
        (0.5, 1, 1.5, 2, 3),
        lambda image, sigma, _: corruptions.defocus(image, sigma),
    ),
    'few pixels': (
        'face, px',
        (32, 24, 20, 16, 12),
        lambda image, side, _: corruptions.fewer_pixels(image, int(side)),
    ),
    'noise': ('sigma, gray values', (5, 10, 20, 30, 40), corruptions.noise),
    'jpeg': (
        'quality',
        (60, 30, 20, 10, 5),
        lambda image, quality, _: corruptions.jpeg(image, int(quality)),
    ),
    'side view': ('yaw, degrees', (15, 25, 35, 45, 55), _turned),
    'glasses': ('clear, then darker', (1, 2, 3, 4, 5), _glasses),
    'occlusion': ('area covered', (0.05, 0.1, 0.2, 0.3, 0.4), corruptions.covered),
    'loose crop': ('face, share of the crop', (0.9, 0.8, 0.7, 0.6, 0.5), _loose_crop),
}
"""By name: what the strength is, the strengths of severities 1 to 5, and the function."""


def selective_score(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """
    Return accuracy, macro recall and ECE, and coverage and accuracy without `uncertain` faces.

    Args:
        probabilities: float [N, 7].
        labels: int [N].

    """
    covered = probabilities.max(1) >= TrackingSettings().uncertain_below
    correct = (probabilities.argmax(1) == labels)[covered]
    return score(probabilities, labels) | {
        'answered': round(float(covered.mean()), 4),
        'accuracy_of_answered': round(float(correct.mean()), 4) if covered.any() else None,
    }


def corrupt(images: np.ndarray, name: str, strength: float) -> np.ndarray:
    """Return `images`, uint8 [N, 48, 48], after one of `CORRUPTIONS`; deterministic."""
    _, strengths, function = CORRUPTIONS[name]
    rng = np.random.default_rng((SEED, list(CORRUPTIONS).index(name), strengths.index(strength)))
    return np.stack([function(image, strength, rng) for image in images])


def measure(model: Path, split: Dataset) -> dict[str, Any]:
    """
    Score a model on the clean and on the corrupted faces of a split, ready for json.

    Args:
        model: .tflite, .keras or .h5.
        split: what it is scored on.

    Raises:
        ModelError: if the model cannot be loaded.

    """
    reference = deployment_reference(split)
    images, labels = split.images[reference.rows], reference.labels[reference.rows]
    predict = functools.partial(probabilities, model, available_head(model, reference.head))
    results: dict[str, Any] = {}
    steps = [
        (name, strength)
        for name, (_, strengths, _) in CORRUPTIONS.items()
        for strength in strengths
    ]
    for name, strength in tqdm(steps, unit='set', desc='corrupted faces', disable=None):
        row = results.setdefault(name, {'strength_is': CORRUPTIONS[name][0], 'at': []})
        predicted = predict(corrupt(images, name, strength))
        row['at'].append({'strength': strength} | selective_score(predicted, labels))
    return {
        'model': model.name,
        'sha256': hashlib.sha256(model.read_bytes()).hexdigest(),
        'question': reference.name,
        'uncertain_below': TrackingSettings().uncertain_below,
        'seed': SEED,
        'clean': selective_score(predict(images), labels),
        'corruptions': results,
    }


def _accuracy_cells(steps: list[dict[str, Any]]) -> list[str]:
    return [f'{percent(at["accuracy"])} ({percent(at["macro_recall"], 0)})' for at in steps]


def table(result: dict[str, Any]) -> str:
    """Return accuracy and macro recall at each severity as a Markdown table, per cent."""
    rows = []
    for name, row in result['corruptions'].items():
        strengths = ', '.join(f'{at["strength"]:g}' for at in row['at'])
        last = row['at'][-1]
        rows.append(
            [
                name,
                f'{row["strength_is"]}: {strengths}',
                *_accuracy_cells([result['clean'], *row['at']]),
                percent(last['answered'], 0),
                percent(last['accuracy_of_answered']),
            ]
        )
    severities = ['I', 'II', 'III', 'IV', 'V'][: len(rows[0]) - 5]
    headers = ['', 'strength', 'none', *severities, 'coverage at the last', 'accuracy of these']
    return markdown(rows, headers)


def comparison(results: dict[str, dict[str, Any]], name: str) -> str:
    """
    Return the scores of several models under one corruption as a Markdown table, per cent.

    Args:
        results: result of `measure`, by model.
        name: in `CORRUPTIONS`.

    """
    rows = [
        [model, *_accuracy_cells([result['clean'], *result['corruptions'][name]['at']])]
        for model, result in results.items()
    ]
    steps = next(iter(results.values()))['corruptions'][name]['at']
    headers = ['', 'none', *(f'{step["strength"]:g}' for step in steps)]
    return markdown(rows, headers)


def strongest(results: dict[str, dict[str, Any]]) -> str:
    """
    Return the scores of several models under the strongest corruptions as a Markdown table.

    Args:
        results: result of `measure`, by model.

    """
    names = next(iter(results.values()))['corruptions']
    rows = []
    for name in ('none', *names):
        ats = [
            result['clean'] if name == 'none' else result['corruptions'][name]['at'][-1]
            for result in results.values()
        ]
        rows.append([name, *_accuracy_cells(ats)])
        for at in ats:
            rows[-1] += [percent(at['answered'], 0), percent(at['accuracy_of_answered'])]
    headers = ['', *results]
    for model in results:
        headers += [f'{model}: coverage', 'accuracy of these']
    return markdown(rows, headers)


def draw(result: dict[str, Any], out: Path) -> None:
    """Plot accuracy, macro recall and coverage against the strength of each corruption."""
    from matplotlib.figure import Figure

    lines = {
        'accuracy': ('accuracy', 'o-', 'C0'),
        'macro_recall': ('macro recall', 's--', 'C1'),
        'accuracy_of_answered': ('accuracy without `uncertain`', '^-', 'C2'),
        'answered': ('coverage: not `uncertain`', ':', 'gray'),
    }
    grid = math.ceil(len(result['corruptions']) / _FIGURE_COLUMNS), _FIGURE_COLUMNS
    figure = Figure((3 * grid[1], 3.4 * grid[0]), layout='constrained')
    for place, (name, row) in enumerate(result['corruptions'].items(), 1):
        axes = figure.add_subplot(*grid, place)
        steps = [result['clean'], *row['at']]
        ticks = ['none', *(f'{step["strength"]:g}' for step in row['at'])]
        for key, (label, style, color) in lines.items():
            axes.plot(ticks, [step[key] for step in steps], style, color=color, label=label)
        axes.set(title=name, xlabel=row['strength_is'], ylim=(0, 1))
        axes.yaxis.set_major_formatter(lambda value, _: f'{value:.0%}')
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8, loc='lower left')
    figure.suptitle(f'{result["question"]} on corrupted faces, {result["clean"]["images"]} images')
    figure.savefig(out, dpi=110)
