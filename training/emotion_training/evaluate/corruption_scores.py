"""How much a poor camera costs: a split's faces, spoilt one way at a time at rising strength, scored anew."""

import functools
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from emotion_perception.tracking import TrackingSettings
from emotion_training import markdown
from emotion_training.data.dataset import Dataset
from emotion_training.evaluate import corruptions
from emotion_training.evaluate.evaluation import Question, questions
from emotion_training.evaluate.metrics import score
from emotion_training.evaluate.model_outputs import answers, head_for
from emotion_training.markdown import percent

SEED = 1
_ACROSS = 5
"""Panels side by side."""

_GLASSES = ((1, 0.0), (2, 0.0), (2, 0.3), (2, 0.6), (2, 0.95))
"""Line of the frame in pixels and tint, step by step."""

_Spoil = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def _motion_blur(image: np.ndarray, length: float, rng: np.random.Generator) -> np.ndarray:
    return corruptions.motion_blur(image, int(length), rng.uniform(0, 180))


def _turned(image: np.ndarray, yaw: float, rng: np.random.Generator) -> np.ndarray:
    return corruptions.turned(image, yaw * rng.choice((-1, 1)))


def _glasses(image: np.ndarray, step: float, rng: np.random.Generator) -> np.ndarray:
    frame_px, tint = _GLASSES[int(step) - 1]
    return corruptions.glasses(image, frame_px, tint)


def _loose(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    side_px = round(share * image.shape[0])
    margin = (image.shape[0] - side_px) // 2
    return corruptions.loose(image, side_px, margin, margin, rng.choice(corruptions.SURROUNDINGS))


CORRUPTIONS: dict[str, tuple[str, tuple[float, ...], _Spoil]] = {
    'low light': (
        'light left', (0.5, 0.3, 0.2, 0.12, 0.07),
        lambda image, gain, rng: corruptions.low_light(image, gain, 1.5, rng),
    ),
    'motion blur': ('length, px', (3, 5, 7, 9, 13), _motion_blur),
    'defocus': (
        'sigma, px', (0.5, 1, 1.5, 2, 3),
        lambda image, sigma, rng: corruptions.defocus(image, sigma),
    ),
    'few pixels': (
        'face, px', (32, 24, 20, 16, 12),
        lambda image, side, rng: corruptions.fewer_pixels(image, int(side)),
    ),
    'noise': ('sigma, gray values', (5, 10, 20, 30, 40), corruptions.noise),
    'jpeg': (
        'quality', (60, 30, 20, 10, 5),
        lambda image, quality, rng: corruptions.jpeg(image, int(quality)),
    ),
    'side view': ('yaw, degrees', (15, 25, 35, 45, 55), _turned),
    'glasses': ('clear, then darker', (1, 2, 3, 4, 5), _glasses),
    'occlusion': ('area covered', (0.05, 0.1, 0.2, 0.3, 0.4), corruptions.covered),
    'loose crop': ('face, share of the crop', (0.9, 0.8, 0.7, 0.6, 0.5), _loose),
}  # fmt: skip
"""Name, what the strength is, strengths from mild to severe, and what does it."""


def question_of_the_robot(split: Dataset) -> Question:
    """Return what the robot is asked: what most people see, where the split has votes, else the label."""
    asked = {q.name: q for q in questions(split, None)}
    return asked.get('FER+ majority', asked['FER2013 label'])


def confident_score(told: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """
    Return accuracy, macro recall and ECE, and what becomes of them where the robot says `uncertain`.

    Args:
        told: probabilities, float [N, 7].
        labels: int [N].

    """
    sure = told.max(1) >= TrackingSettings().uncertain_below
    right = told.argmax(1) == labels
    return score(told, labels) | {
        'answered': round(float(sure.mean()), 4),
        'accuracy_of_answered': round(float(right[sure].mean()), 4) if sure.any() else None,
    }


def spoilt(images: np.ndarray, name: str, strength: float) -> np.ndarray:
    """Return `images`, uint8 [N, 48, 48], after one of `CORRUPTIONS`; the same on every call."""
    _, strengths, spoil = CORRUPTIONS[name]
    rng = np.random.default_rng((SEED, list(CORRUPTIONS).index(name), strengths.index(strength)))
    return np.stack([spoil(image, strength, rng) for image in images])


def measure(model: Path, split: Dataset) -> dict[str, Any]:
    """
    Score a model on the clean and on the spoilt faces of a split, as json has it.

    Args:
        model: file that the robot could load.
        split: what it is scored on.

    Raises:
        ModelError: if the file is not a model that the robot could load.

    """
    question = question_of_the_robot(split)
    images, labels = split.images[question.rows], question.labels[question.rows]
    ask = functools.partial(answers, model, head_for(model, question.head))
    found: dict[str, Any] = {}
    steps = [
        (name, strength) for name, (_, all_of, _) in CORRUPTIONS.items() for strength in all_of
    ]
    for name, strength in tqdm(steps, unit='set', desc='spoilt faces', disable=None):
        row = found.setdefault(name, {'strength_is': CORRUPTIONS[name][0], 'at': []})
        told = ask(spoilt(images, name, strength))
        row['at'].append({'strength': strength} | confident_score(told, labels))
    return {
        'model': model.name,
        'sha256': hashlib.sha256(model.read_bytes()).hexdigest(),
        'question': question.name,
        'uncertain_below': TrackingSettings().uncertain_below,
        'seed': SEED,
        'clean': confident_score(ask(images), labels),
        'corruptions': found,
    }


def table(result: dict[str, Any]) -> str:
    """Return accuracy and macro recall at each strength as a Markdown table, per cent."""
    clean = result['clean']
    steps = max(len(row['at']) for row in result['corruptions'].values())
    return '\n'.join(
        markdown.table(
            (
                '', 'strength', 'none', *['I', 'II', 'III', 'IV', 'V', 'VI', 'VII'][:steps],
                'of the last: answered', 'right of these',
            ),
            [
                (
                    name,
                    _strengths(row),
                    *(
                        f'{percent(at["accuracy"])} ({percent(at["macro_recall"], 0)})'
                        for at in (clean, *row['at'])
                    ),
                    percent(row['at'][-1]['answered'], 0),
                    percent(row['at'][-1]['accuracy_of_answered']),
                )
                for name, row in result['corruptions'].items()
            ],
        )
    )  # fmt: skip


def comparison(results: dict[str, dict[str, Any]], name: str) -> str:
    """Return what one of `CORRUPTIONS` costs several models, as a Markdown table, per cent."""
    steps = next(iter(results.values()))['corruptions'][name]['at']
    return '\n'.join(
        markdown.table(
            ('', 'none', *(f'{step["strength"]:g}' for step in steps)),
            [
                (
                    model,
                    *(
                        f'{percent(at["accuracy"])} ({percent(at["macro_recall"], 0)})'
                        for at in (result['clean'], *result['corruptions'][name]['at'])
                    ),
                )
                for model, result in results.items()
            ],
        )
    )


def _strengths(row: dict[str, Any]) -> str:
    return f'{row["strength_is"]}: ' + ', '.join(f'{at["strength"]:g}' for at in row['at'])


def draw(result: dict[str, Any], out: Path) -> None:
    """Draw what becomes of accuracy and of the answers as each strength rises, to a png."""
    from matplotlib.figure import Figure

    names = list(result['corruptions'])
    rows = math.ceil(len(names) / _ACROSS)
    figure = Figure((3 * _ACROSS, 3.4 * rows), layout='constrained')
    for place, name in enumerate(names, 1):
        axes = figure.add_subplot(rows, _ACROSS, place)
        row = result['corruptions'][name]
        at = [result['clean'], *row['at']]
        ticks = ['none', *(f'{step["strength"]:g}' for step in row['at'])]
        axes.plot(ticks, [step['accuracy'] for step in at], 'o-', label='right, of all')
        axes.plot(ticks, [step['macro_recall'] for step in at], 's--', label='macro recall')
        axes.plot(ticks, [step['accuracy_of_answered'] for step in at], '^-', label='right, of those answered')  # fmt: skip
        axes.plot(ticks, [step['answered'] for step in at], ':', color='gray', label='answered, not `uncertain`')  # fmt: skip
        axes.set(title=name, xlabel=row['strength_is'], ylim=(0, 1))
        axes.yaxis.set_major_formatter(lambda value, _: f'{value:.0%}')
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8, loc='lower left')
    figure.suptitle(f'{result["question"]} of spoilt faces, {result["clean"]["images"]} images')
    figure.savefig(out, dpi=110)
