# SPDX-License-Identifier: Apache-2.0
"""Calibration of a head: the temperature and the offset that are applied to its logits."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """
    Return the temperature with the lowest log loss (Guo et al., 2017).

    Args:
        logits: float [N, 7].
        labels: int [N].

    """
    rows = np.arange(len(labels))

    def log_loss(temperature: float) -> float:
        return float(-log_softmax(logits / temperature, axis=1)[rows, labels].mean())

    return float(minimize_scalar(log_loss, bounds=(0.3, 3), method='bounded').x)


def fit_balanced(
    logits: np.ndarray, labels: np.ndarray, frequencies: np.ndarray, balance: float
) -> tuple[np.ndarray, float]:
    """
    Return the offset and the temperature of calibrated logits, (logits + offset) / temperature.

    A network predicts each class about as often as it occurs in the training images, so rare
    classes have a low recall. Subtracting the logarithm of the class frequencies makes all
    classes equally likely (post-hoc logit adjustment; Menon et al., 2021); `balance` is the
    subtracted fraction of it.

    Args:
        logits: float [N, 7].
        labels: int [N].
        frequencies: of the classes in the training images, float [7] above 0.
        balance: 0 (offset 0) to 1.

    Returns:
        The offset, float [7] with a mean of 0, and the temperature.

    """
    logarithms = np.log(frequencies)
    offset = balance * fit_temperature(logits, labels) * (logarithms.mean() - logarithms)
    return offset, fit_temperature(logits + offset, labels)
