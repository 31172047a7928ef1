"""Confidence that means what it says: temperature scaling, and how to tell."""

import numpy as np

ECE_BINS = 15
_TEMPERATURES = np.geomspace(0.3, 3, 231)


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """
    Return the ECE of Guo et al. (2017) with `ECE_BINS` bins of equal width, 0..1.

    Args:
        confidence: float [N], 0..1.
        correct: bool [N].

    """
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [
        abs(float(correct[bins == b].mean() - confidence[bins == b].mean()))
        * float((bins == b).mean())
        for b in range(ECE_BINS)
        if (bins == b).any()
    ]
    return sum(gaps)


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
