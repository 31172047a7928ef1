"""Confidence that means what it says: temperature scaling, and how to tell."""

import numpy as np

ECE_BINS = 15
_TEMPERATURES = np.geomspace(0.3, 3, 231)


def reliability(confidence: np.ndarray, correct: np.ndarray) -> dict[str, np.ndarray]:
    """
    Return what a reliability diagram shows, for `ECE_BINS` bins of equal width.

    Args:
        confidence: float [N], 0..1.
        correct: bool [N].

    Returns:
        ``images`` int [bins], and the mean ``confidence`` and ``accuracy`` of each bin, float
        [bins], NaN where a bin is empty.

    """
    bins = confidence_bins(confidence)
    images = np.bincount(bins, minlength=ECE_BINS)
    with np.errstate(invalid='ignore'):
        return {
            'images': images,
            'confidence': np.bincount(bins, confidence, ECE_BINS) / images,
            'accuracy': np.bincount(bins, correct, ECE_BINS) / images,
        }


def confidence_bins(confidence: np.ndarray) -> np.ndarray:
    """Return the index of the bin that each confidence falls into, int [N]."""
    return np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """
    Return the ECE of Guo et al. (2017) with `ECE_BINS` bins of equal width, 0..1.

    Args:
        confidence: float [N], 0..1.
        correct: bool [N].

    """
    bins = reliability(confidence, correct)
    gaps = np.abs(bins['accuracy'] - bins['confidence']) * bins['images']
    return float(np.nansum(gaps) / len(confidence))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """
    Return the temperature with the lowest log loss (Guo et al., 2017).

    Args:
        logits: float [N, 7].
        labels: int [N].

    """

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        peak = scaled.max(1)
        norm = peak + np.log(np.exp(scaled - peak[:, None]).sum(1))
        return float((norm - scaled[np.arange(len(labels)), labels]).mean())

    return float(min(_TEMPERATURES, key=loss))


def fit_balanced(
    logits: np.ndarray, labels: np.ndarray, shares: np.ndarray, balance: float
) -> tuple[np.ndarray, float]:
    """
    Return what to add to logits, and the temperature to divide the sums by.

    A network answers as often with each expression as its training images did, and passes over rare
    ones. Taking the logarithm of their shares off makes all equally likely (logit adjustment after
    training; Menon et al., 2021); taking off a part of it lies between.

    Args:
        logits: float [N, 7].
        labels: int [N].
        shares: of the expressions among what was learned from, float [7] above 0.
        balance: which part is taken off, 0 (none: the offset is 0) to 1.

    Returns:
        The offset, float [7] with a mean of 0, and the temperature.

    """
    logarithms = np.log(shares)
    offset = balance * fit_temperature(logits, labels) * (logarithms.mean() - logarithms)
    return offset, fit_temperature(logits + offset, labels)
