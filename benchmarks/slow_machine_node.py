# SPDX-License-Identifier: Apache-2.0
"""The emotion node on a machine on which networks take `SLOWDOWN` times as long."""

import numpy as np

from emotion_perception.ros import emotion_node
from emotion_perception.runtime.litert import Network

SLOWDOWN = 3


def slow_down_networks() -> None:
    """Make each run of a network `SLOWDOWN` runs."""
    run_once = Network.__call__

    def run(self: Network, values: np.ndarray) -> list[np.ndarray]:
        for _ in range(SLOWDOWN - 1):
            run_once(self, values)
        return run_once(self, values)

    Network.__call__ = run  # type: ignore[method-assign]


if __name__ == '__main__':
    slow_down_networks()
    emotion_node.main()
