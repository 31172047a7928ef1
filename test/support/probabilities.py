# SPDX-License-Identifier: Apache-2.0
"""Random probabilities for tests of scores."""

import numpy as np


def guesses(count, seed=0):
    """Return random probabilities, float32 [count, 7], and labels that half of them match."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(7), count).astype(np.float32)
    random = rng.integers(0, 7, count)
    return probabilities, np.where(rng.random(count) < 0.4, probabilities.argmax(1), random)


def normed(probabilities):
    """Return the rows summing to 1 as exactly as scikit-learn asks for."""
    return probabilities / probabilities.sum(1, keepdims=True, dtype=np.float64)
