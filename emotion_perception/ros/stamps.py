# SPDX-License-Identifier: Apache-2.0
"""Times of a stream's images: the node's clock, and image stamps made monotonic."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rclpy.node import Node

MAX_DISORDER_S = 0.5
"""A stamp that lies farther than this before the newest one is a jump back."""


def now_s(node: 'Node') -> float:
    """Return the node's ROS time, which may be simulated, in seconds."""
    return node.get_clock().now().nanoseconds * 1e-9


class MonotonicStamps:
    """
    Turns image stamps into times that never decrease, for tracking and smoothing.

    - A stamp that is newer than all before adds the difference.
    - A stamp that equals the newest one (a camera without stamps, a paused clock) adds the time
      between the two arrivals.
    - A stamp that is at most `MAX_DISORDER_S` older (images out of order, two cameras whose clocks
      differ) adds nothing.
    - An older one is a jump back (a recording that starts again): it adds nothing, is counted, and
      becomes the newest stamp.

    Attributes:
        jumps_back: number of jumps back so far.

    """

    def __init__(self) -> None:
        """Start before the first image."""
        self.jumps_back = 0
        self._newest_s: float | None = None
        self._arrived_s = 0.0
        self._now_s = 0.0

    def to_monotonic_s(self, stamp_s: float, arrived_s: float) -> float:
        """
        Return the time of the next image in seconds, from an arbitrary origin.

        Where `jumps_back` has grown, the time has no relation to the times before.

        Args:
            stamp_s: the image's stamp; 0 where it has none.
            arrived_s: time of its arrival on the monotonic clock.

        """
        waited_s, self._arrived_s = arrived_s - self._arrived_s, arrived_s
        if self._newest_s is None:
            self._newest_s = stamp_s
            return self._now_s
        step_s = stamp_s - self._newest_s
        if step_s < -MAX_DISORDER_S:
            self.jumps_back += 1
        elif step_s == 0:
            self._now_s += max(waited_s, 0.0)
        else:
            self._now_s += max(step_s, 0.0)
        if step_s > 0 or step_s < -MAX_DISORDER_S:
            self._newest_s = stamp_s
        return self._now_s
