# SPDX-License-Identifier: Apache-2.0
"""Do something at most so many times a second."""

import math
import time
from collections.abc import Callable


class RateLimit:
    """
    Says when the next one is due, so that there are `rate_hz` in a second on average.

    That is so also where the occasions do not come at a multiple of the rate: a late one does not
    delay those after it. After a pause there are not more than usual.

    Attributes:
        rate_hz: how many a second, above 0; may be changed at any time.

    """

    def __init__(self, rate_hz: float, clock: Callable[[], float] = time.monotonic):
        """Let the first one be due at once; `clock` is monotonic in seconds."""
        self.rate_hz, self._clock = rate_hz, clock
        self._next_s = -math.inf

    @property
    def due(self) -> bool:
        """Whether the next one may be made now."""
        return self._clock() >= self._next_s

    def count(self) -> None:
        """Note that one is made now."""
        period_s, now_s = 1 / self.rate_hz, self._clock()
        self._next_s = period_s + (self._next_s if now_s - self._next_s < period_s else now_s)
