"""How sure a score is, and whether two models differ: paired bootstrap and McNemar's test."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emotion_perception.emotions import EMOTIONS
from emotion_training.evaluate.metrics import losses

SCORES = ('accuracy', 'macro_recall', 'log_loss')
"""What is resampled. Not the ECE: resampling makes it larger than it is."""

RESAMPLES = 2000
SEED = 1
_AT_ONCE = 200


def resample(
    answers: Sequence[np.ndarray], labels: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED
) -> np.ndarray:
    """
    Score models on images drawn anew with replacement, the same draws for each model.

    Each score is a function of sums over images, so that a draw is a vector of how often each image
    was drawn, and all draws are one matrix product.

    Args:
        answers: probabilities of each model, float [N, 7].
        labels: int [N].
        resamples: number of draws.
        seed: of the draws.

    Returns:
        float [models, resamples, 3], in the order of `SCORES`.

    """
    rng, count = np.random.default_rng(seed), len(labels)
    members = (labels[:, None] == np.arange(len(EMOTIONS))).astype(np.float64)
    correct = np.stack([p.argmax(1) == labels for p in answers], axis=1).astype(np.float64)
    loss = np.stack([losses(p, labels) for p in answers], axis=1)
    # one column a model, then one for each of its classes
    found = (correct[:, :, None] * members[:, None]).reshape(count, -1)
    parts = []
    for at in range(0, resamples, _AT_ONCE):
        draws = min(_AT_ONCE, resamples - at)
        rows = rng.integers(0, count, (draws, count)) + count * np.arange(draws)[:, None]
        weights = np.bincount(rows.ravel(), minlength=draws * count).reshape(draws, count)
        hits = (weights @ found).reshape(draws, len(answers), -1)
        with np.errstate(invalid='ignore'):
            recalls = hits / (weights @ members)[:, None]
        parts.append(
            np.stack(
                [
                    weights @ correct / count,
                    np.nanmean(recalls, axis=2),
                    weights @ loss / count,
                ],
                axis=2,
            )
        )
    return np.concatenate(parts).transpose(1, 0, 2)


def scores_of(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return what is resampled as it is on all images, float [3], in the order of `SCORES`."""
    right = probabilities.argmax(1) == labels
    recalls = [right[labels == k].mean() for k in np.unique(labels)]
    return np.array([right.mean(), np.mean(recalls), losses(probabilities, labels).mean()])


def interval(values: np.ndarray) -> list[float]:
    """Return the middle 95 % of resampled values, float [resamples], as [low, high]."""
    return [round(float(value), 4) for value in np.percentile(values, (2.5, 97.5))]


def mcnemar(first: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """
    Test whether two models are right equally often (McNemar, 1947; exact binomial, two-sided).

    Args:
        first: bool [N], where the first model is right.
        other: bool [N], where the other is, on the same images.

    Returns:
        ``only_first_right`` and ``only_this_right``, numbers of images, and ``p``: how likely a
        split at least as uneven is if both were equally good.

    """
    from scipy.stats import binomtest

    lost, won = int((first & ~other).sum()), int((other & ~first).sum())
    p = float(binomtest(won, lost + won).pvalue) if lost + won else 1.0
    return {'only_first_right': lost, 'only_this_right': won, 'p': float(f'{p:.4g}')}


def intervals(answers: Sequence[np.ndarray], labels: np.ndarray) -> list[dict[str, Any]]:
    """
    Return for each model the interval of each score and, from the second on, how it differs from the first.

    Args:
        answers: probabilities of each model, float [N, 7].
        labels: int [N].

    Returns:
        For each model ``intervals``, by score [low, high]; but for the first ``against_first`` with
        ``mcnemar`` and, by score, [difference, low, high], above 0 where this model's value is larger.

    """
    drawn = resample(answers, labels)
    whole = [scores_of(p, labels) for p in answers]
    found: list[dict[str, Any]] = []
    for index, p in enumerate(answers):
        row: dict[str, Any] = {
            'intervals': {name: interval(drawn[index, :, k]) for k, name in enumerate(SCORES)}
        }
        if index:
            row['against_first'] = {
                name: [
                    round(float(whole[index][k] - whole[0][k]), 4),
                    *interval(drawn[index, :, k] - drawn[0, :, k]),
                ]
                for k, name in enumerate(SCORES)
            }
            right = answers[0].argmax(1) == labels, p.argmax(1) == labels
            row['against_first']['mcnemar'] = mcnemar(*right)
        found.append(row)
    return found


def comparison(models: Sequence[dict[str, Any]]) -> str:
    """
    Return the scores of several models as lines of text, question by question.

    Args:
        models: what `assess` returns.

    """
    width = max(len(model['name']) for model in models)
    lines = []
    for name, row in models[0]['questions'].items():
        lines.append(
            f"{name}, {row['images']} images (95 % intervals; difference and McNemar's p "
            'against the first)'
        )
        lines.append(
            f'  {"":<{width}}{"accuracy":>21}{"macro recall":>21}{"ECE":>8}{"log loss":>10}'
            f'{"difference":>24}{"p":>9}'
        )
        for model in models:
            row = model['questions'][name]
            line = f'  {model["name"]:<{width}}'
            for score in ('accuracy', 'macro_recall'):
                low, high = row['intervals'][score]
                line += f'{row[score]:>9.2%} {f"{100 * low:.1f}..{100 * high:.1f}":>11}'
            line += f'{row["ece"]:>8.2%}{row["log_loss"]:>10.4f}'
            if 'against_first' in row:
                mean, low, high = (100 * value for value in row['against_first']['accuracy'])
                line += f'{mean:>+9.2f} {f"{low:+.2f}..{high:+.2f}":>14}'
                line += f'{row["against_first"]["mcnemar"]["p"]:>9.2g}'
            lines.append(line)
        lines.append('')
    return '\n'.join(lines[:-1])
