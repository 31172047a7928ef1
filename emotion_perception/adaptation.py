# SPDX-License-Identifier: Apache-2.0
"""Learn how a tracked person looks when neutral, and read expressions relative to that."""

import math

import numpy as np

from emotion_perception.emotions import EMOTIONS

_NEUTRAL = EMOTIONS.index('neutral')

LOWEST_PROBABILITY = 0.003
"""Lower probabilities are read as this one: their logarithms are noise."""
LARGEST_DIFFERENCE = 2.0
"""Of a frame's logarithms from those of the average neutral face; larger ones are cut to this."""
LARGEST_ADAPTATION = 1.0
"""Of a logarithm of a probability: bounds what can be learned of an expression that lasts."""
MIN_NEUTRAL = 0.3
"""Adapted probability of neutral from which a frame tells something; at 1 its weight is 1."""
PRIOR_S = 5.0
"""Seconds of neutral frames that weigh as much as the average neutral face."""
MEMORY_S = 120.0
"""Time constant of forgetting."""
_LONGEST_STEP_S = 0.5


def log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Return the logarithms of probabilities, [7] or [N, 7], of at least `LOWEST_PROBABILITY`."""
    return np.log(np.maximum(probabilities, LOWEST_PROBABILITY))


class PersonBaseline:
    """
    How a person's neutral face is read, in comparison with the average neutral face.

    The difference of the logarithms of the probabilities is averaged over the frames, with the
    average neutral face as prior. The weight of a frame is how neutral the face looks in it after
    adaptation, times the time since the frame before. Nothing is kept but this average.
    """

    def __init__(self) -> None:
        """Start without knowledge."""
        self._sum = np.zeros(len(EMOTIONS))
        self._weight_s = 0.0

    @property
    def difference(self) -> np.ndarray:
        """Of the person's logarithms from those of the average neutral face; float [7]."""
        mean = self._sum / (self._weight_s + PRIOR_S)
        return np.clip(mean, -LARGEST_ADAPTATION, LARGEST_ADAPTATION)

    def adapted(self, probabilities: np.ndarray) -> np.ndarray:
        """Return what probabilities, float32 [7], are relative to the person's neutral face."""
        relative = probabilities * np.exp(-self.difference)
        return (relative / relative.sum()).astype(np.float32)

    def update(self, probabilities: np.ndarray, elapsed_s: float, neutral: np.ndarray) -> None:
        """
        Learn from one frame.

        Args:
            probabilities: of this frame, float32 [7].
            elapsed_s: since the frame before; counts up to half a second.
            neutral: mean `log_probabilities` of neutral faces, float [7].

        """
        looks_neutral = float(self.adapted(probabilities)[_NEUTRAL])
        weight = max(looks_neutral - MIN_NEUTRAL, 0.0) / (1 - MIN_NEUTRAL)
        elapsed_s = min(elapsed_s, _LONGEST_STEP_S)
        kept = math.exp(-elapsed_s / MEMORY_S)
        difference = log_probabilities(probabilities) - neutral
        difference = np.clip(difference, -LARGEST_DIFFERENCE, LARGEST_DIFFERENCE)
        self._sum = kept * self._sum + weight * elapsed_s * difference
        self._weight_s = kept * self._weight_s + weight * elapsed_s
